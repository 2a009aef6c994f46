import { expect, test } from "bun:test";

import { type ClassicClient, errorCodeOf } from "../support/client.ts";
import { connectRaw, encodeFrame, encodeText, opcodes, type RawConnection } from "../support/raw.ts";
import { useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

const server = useServer();
const { createRoom, token } = server;

let users = 0;
/** Limits are per user, so each test has users of its own. */
const newUser = () => `user-${++users}@example.com`;

/** A room with these members on another server with these settings. */
async function startWith(env: Record<string, string>, ...members: string[]) {
  const parley = await server.startAnother({ env });
  const room = await parley.createRoom(members);
  return { parley, room, [Symbol.asyncDispose]: () => parley[Symbol.asyncDispose]() };
}

/** The code of the next frame, which is "sent" for a message. */
async function nextCode(client: ClassicClient | RawConnection): Promise<string> {
  return errorCodeOf((await client.next()) as { message?: string }) ?? "sent";
}

const messages = (count: number) =>
  Array.from({ length: count }, (_, n) => encodeText("classic", `message ${n}`));

test("a user may send 30 messages at once over all connections, and is told of each that is refused", async () => {
  const [sender, other] = [newUser(), newUser()];
  const rooms = [await createRoom([sender, other]), await createRoom([sender])] as const;
  const bearer = await token(sender);
  const raws = await Promise.all(rooms.map((room) => connectRaw("classic", server.host, room, bearer)));
  const listener = await server.connectClassic(rooms[0], other);
  const start = performance.now();
  for (const raw of raws) raw.write(...messages(40));
  const answers = await Promise.all(
    raws.map(async (raw) => {
      const codes: string[] = [];
      while (codes.length < 40) codes.push(await nextCode(raw));
      return codes;
    }),
  );
  const sent = answers.flat().filter((code) => code === "sent").length;
  expect(sent).toBeGreaterThanOrEqual(30);
  expect(sent).toBeLessThanOrEqual(31 + ((performance.now() - start) / 1000) * 10);
  expect(new Set(answers.flat())).toEqual(new Set(["sent", "rate_limited"]));
  // The limit is not another user's.
  listener.send({ message: "last" });
  const heard: unknown[] = [];
  while (heard.at(-1) !== "last") heard.push((await listener.next()).message);
  const stored = await server.asOperator((chat, operator) =>
    chat.messages(operator, rooms[0], { limit: 100 }),
  );
  expect(heard).toEqual(stored.map(({ text }) => text));
  for (const raw of raws) raw.destroy();
});

test("after a pause a user may send again", async () => {
  const user = newUser();
  await using at = await startWith({ PARLEY_MESSAGE_RATE: "2", PARLEY_MESSAGE_BURST: "1" }, user);
  const raw = await connectRaw("classic", at.parley.host, at.room, await token(user));
  const send = () => {
    raw.write(encodeText("classic", "again"));
    return nextCode(raw);
  };
  await waitUntil("a message is refused", async () => (await send()) === "rate_limited");
  await waitUntil("a message is sent", async () => (await send()) === "sent");
  raw.destroy();
});

test("a user who goes on sending is closed with 4429, and what was accepted stays", async () => {
  const [user, other] = [newUser(), newUser()];
  const room = await createRoom([user, other]);
  const listener = await server.connectClassic(room, other);
  const raw = await connectRaw("classic", server.host, room, await token(user));
  raw.write(...messages(1000));
  expect(await nextCode(raw)).toBe("rate_limited");
  expect(await raw.close()).toEqual({ code: 4429, reason: "rate_limited" });
  await raw.ended;
  for (let n = 0; n < 30; n++) expect(await listener.next()).toEqual({ message: `message ${n}` });
});

test("a user who steadily sends ten times too much is closed with 4429", async () => {
  const user = newUser();
  await using at = await startWith({ PARLEY_MESSAGE_RATE: "20", PARLEY_MESSAGE_BURST: "1" }, user);
  const raw = await connectRaw("classic", at.parley.host, at.room, await token(user));
  const flood = setInterval(() => raw.write(...messages(10)), 50);
  const closed = await Promise.race([raw.close(), Bun.sleep(4000)]);
  clearInterval(flood);
  expect(closed).toEqual({ code: 4429, reason: "rate_limited" });
});

test.each([
  ["rate", { PARLEY_MESSAGE_RATE: "0" }],
  ["burst", { PARLEY_MESSAGE_RATE: "1", PARLEY_MESSAGE_BURST: "0" }],
])("a %s of 0 lifts the limit", async (_, env) => {
  const user = newUser();
  await using at = await startWith(env, user);
  const raw = await connectRaw("classic", at.parley.host, at.room, await token(user));
  raw.write(...messages(200));
  for (let n = 0; n < 200; n++) expect(await raw.next()).toEqual({ message: `message ${n}` });
  raw.destroy();
});

const ping = encodeFrame("", { opcode: opcodes.ping });

test.each([
  ["pings", opcodes.ping],
  ["pongs", opcodes.pong],
])("a flood of %s closes the connection with 4429", async (_, opcode) => {
  const user = newUser();
  const raw = await connectRaw("classic", server.host, await createRoom([user]), await token(user));
  raw.write(...Array.from({ length: 1000 }, () => encodeFrame("", { opcode })));
  expect(await raw.close()).toEqual({ code: 4429, reason: "rate_limited" });
  await raw.ended;
});

test("pings that keep coming at an ordinary pace do not close the connection", async () => {
  const user = newUser();
  // The count of control frames starts again with each heartbeat.
  const heartbeat = { pingIntervalMs: 50, silenceTimeoutMs: 60_000, pongTimeoutMs: 60_000 };
  await using parley = await server.startAnother({ heartbeat });
  const raw = await connectRaw("classic", parley.host, await parley.createRoom([user]), await token(user));
  for (let round = 0; round < 5; round++) {
    raw.write(...Array.from({ length: 40 }, () => ping));
    let [pings, pongs] = [0, 0];
    while (pings < 2 || pongs < 40) {
      const { opcode } = await raw.frame();
      if (opcode === opcodes.ping) pings++;
      else if (opcode === opcodes.pong) pongs++;
      else throw new Error(`opcode ${opcode}`);
    }
  }
  raw.destroy();
});
