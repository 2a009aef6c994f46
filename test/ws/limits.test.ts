import { expect, test } from "bun:test";

import { type ClassicClient, connectClassic, refusal } from "../support/client.ts";
import { classicMessage, connectRawClassic, encodeFrame, type RawConnection } from "../support/raw.ts";
import { newRoomId, useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

const server = useServer();
const { createRoom, token } = server;

let users = 0;
/** Each test's users are its own: limits are per user. */
const newUser = () => `user-${++users}@example.com`;

/** A server with settings of its own, and a room on it with these members. */
async function serverWith(env: Record<string, string>, members: string[]) {
  const parley = await server.startAnother({ env });
  const room = newRoomId();
  await parley.createRoom(members, { id: room });
  const open = async (email: string) => connectClassic(parley.host, room, { token: await token(email) });
  return { parley, room, open, [Symbol.asyncDispose]: () => parley[Symbol.asyncDispose]() };
}

const codeOf = (received: unknown) => (received as { error?: { code: string } }).error?.code;

/** The next frame, whose code is "sent" when it is a message. */
const answer = async (client: ClassicClient | RawConnection) => codeOf(await client.next()) ?? "sent";

test("a user may send 30 messages at once over all his sockets, and is told of each that is refused", async () => {
  const [flooder, other] = [newUser(), newUser()];
  const rooms = [await createRoom([flooder, other]), await createRoom([flooder])];
  const bearer = await token(flooder);
  const sockets = await Promise.all(rooms.map((room) => connectRawClassic(server.host, room, bearer)));
  const bystander = await server.connectClassic(rooms[0] ?? "", other);
  const start = performance.now();
  for (const socket of sockets)
    socket.write(...Array.from({ length: 40 }, (_, n) => classicMessage(`message ${n}`)));
  const answers = await Promise.all(
    sockets.map(async (socket) => {
      const seen: string[] = [];
      while (seen.length < 40) seen.push(await answer(socket));
      return seen;
    }),
  );
  const sent = answers.flat().filter((code) => code === "sent").length;
  expect(sent).toBeGreaterThanOrEqual(30);
  expect(sent).toBeLessThanOrEqual(31 + ((performance.now() - start) / 1000) * 10);
  expect(new Set(answers.flat())).toEqual(new Set(["sent", "rate_limited"]));
  bystander.send({ message: "I am not he" });
  const heard = [];
  do heard.push(await bystander.next());
  while ((heard.at(-1) as { message: string }).message !== "I am not he");
  const stored = await server.asOperator((chat, operator) =>
    chat.messages(operator, rooms[0] ?? "", { limit: 100 }),
  );
  expect(stored.map(({ text }) => ({ message: text }))).toEqual(heard as { message: string }[]);
  for (const socket of sockets) socket.destroy();
});

test("after a pause a user may send again", async () => {
  const user = newUser();
  await using server = await serverWith({ PARLEY_MESSAGE_RATE: "2", PARLEY_MESSAGE_BURST: "1" }, [user]);
  const client = await server.open(user);
  const say = async () => {
    client.send({ message: "again" });
    return answer(client);
  };
  await waitUntil("he is refused", async () => (await say()) === "rate_limited");
  await waitUntil("he is heard again", async () => (await say()) === "sent");
});

test("whoever goes on sending after he was told is closed with 4429; what was taken of him stays", async () => {
  const [user, other] = [newUser(), newUser()];
  const room = await createRoom([user, other]);
  const listener = await server.connectClassic(room, other);
  const raw = await connectRawClassic(server.host, room, await token(user));
  raw.write(...Array.from({ length: 1000 }, (_, n) => classicMessage(`message ${n}`)));
  expect(codeOf(await raw.next())).toBe("rate_limited");
  expect(await raw.close()).toEqual({ code: 4429, reason: "rate_limited" });
  await raw.ended;
  for (let n = 0; n < 30; n++) expect(await listener.next()).toEqual({ message: `message ${n}` });
});

test("whoever goes on sending, however evenly, is closed with 4429", async () => {
  const user = newUser();
  await using server = await serverWith({ PARLEY_MESSAGE_RATE: "20", PARLEY_MESSAGE_BURST: "1" }, [user]);
  const client = await server.open(user);
  const flood = setInterval(() => {
    if (client.socket.readyState === client.socket.OPEN)
      for (let n = 0; n < 10; n++) client.send({ message: "flood" });
  }, 50);
  const ended = await Promise.race([client.closed, Bun.sleep(4000)]);
  clearInterval(flood);
  expect(ended).toEqual({ code: 4429, reason: "rate_limited" });
});

test("a user may have 20 sockets, and another one when one of them has closed", async () => {
  const [user, other] = [newUser(), newUser()];
  const rooms = await Promise.all([createRoom([user, other]), createRoom([user])]);
  const bearer = await token(user);
  const open = (n: number) => connectClassic(server.host, rooms[n % 2] ?? "", { token: bearer });
  const clients = await Promise.all(Array.from({ length: 20 }, (_, n) => open(n)));
  for (const room of rooms) {
    const { problem, status, headers } = await refusal(connectClassic(server.host, room, { token: bearer }));
    expect({ status, code: problem["code"] }).toEqual({ status: 429, code: "too_many_connections" });
    expect(Number(headers["retry-after"])).toBeGreaterThan(0);
  }
  await server.connectClassic(rooms[0] ?? "", other);
  await clients[0]?.close();
  await open(0);
  expect((await refusal(open(0))).status).toBe(429);
});

test("of 40 sockets that one user opens in one moment 20 open", async () => {
  const user = newUser();
  const room = await createRoom([user]);
  const bearer = await token(user);
  const opened = await Promise.allSettled(
    Array.from({ length: 40 }, () => connectClassic(server.host, room, { token: bearer })),
  );
  expect(opened.filter(({ status }) => status === "fulfilled")).toHaveLength(20);
});

test("the server takes no more sockets than it may", async () => {
  const emails = [newUser(), newUser(), newUser(), newUser()] as const;
  await using server = await serverWith({ PARLEY_MAX_CONNECTIONS: "3" }, [...emails]);
  const clients = [
    await server.open(emails[0]),
    await server.open(emails[1]),
    await server.open(emails[2]),
  ] as const;
  const { status, problem, headers } = await refusal(server.open(emails[3]));
  expect({ status, code: problem["code"] }).toEqual({ status: 429, code: "too_many_connections" });
  expect(Number(headers["retry-after"])).toBeGreaterThan(0);
  await clients[1].close();
  await server.open(emails[3]);
});

test("a user who connects again and again is told to slow down; another one is not", async () => {
  const [user, other] = [newUser(), newUser()];
  await using server = await serverWith({ PARLEY_CONNECTIONS_PER_USER: "1" }, [user, other]);
  let opened = 0;
  const again = async () => {
    const client = await server.open(user);
    opened++;
    await client.close();
    return again();
  };
  const { status, problem, headers } = await refusal(again());
  expect({ status, code: problem["code"] }).toEqual({ status: 429, code: "too_many_connections" });
  expect(headers["retry-after"]).toBe("1");
  expect(opened).toBeGreaterThanOrEqual(10);
  await server.open(other);
});

test("in each limit 0 lifts it", async () => {
  const user = newUser();
  await using server = await serverWith(
    {
      PARLEY_MESSAGE_RATE: "0",
      PARLEY_CONNECTIONS_PER_USER: "0",
      PARLEY_MAX_CONNECTIONS: "0",
      PARLEY_MAX_TEXT: "0",
    },
    [user],
  );
  const clients = [];
  while (clients.length < 250) clients.push(await server.open(user));
  const [sender] = clients as [ClassicClient];
  for (let n = 0; n < 200; n++) sender.send({ message: `message ${n}` });
  for (let n = 0; n < 200; n++) expect(await sender.next()).toEqual({ message: `message ${n}` });
  const long = "x".repeat(60_000);
  sender.send({ message: long });
  expect(await sender.next()).toEqual({ message: long });
});

test("a burst of 0 lifts the message limit as well", async () => {
  const user = newUser();
  await using server = await serverWith({ PARLEY_MESSAGE_RATE: "1", PARLEY_MESSAGE_BURST: "0" }, [user]);
  const client = await server.open(user);
  for (let n = 0; n < 50; n++) client.send({ message: "again" });
  for (let n = 0; n < 50; n++) expect(await answer(client)).toBe("sent");
});

test("a longer text than PARLEY_MAX_TEXT is refused", async () => {
  const user = newUser();
  await using server = await serverWith({ PARLEY_MAX_TEXT: "10" }, [user]);
  const client = await server.open(user);
  for (const text of ["0123456789", "0123456789a", "ééééé", "éééééa"]) client.send({ message: text });
  const answers = [await answer(client), await answer(client), await answer(client), await answer(client)];
  expect(answers.toSorted()).toEqual(["message_too_long", "message_too_long", "sent", "sent"]);
});

const lifted = { PARLEY_MESSAGE_RATE: "0", PARLEY_MAX_TEXT: "0" };

test("a reader for whom more than 1 MiB waits is cut, while the rest of the room gets everything", async () => {
  const [slow, sender, reader] = [newUser(), newUser(), newUser()];
  await using server = await serverWith(lifted, [slow, sender, reader]);
  const stuck = await connectRawClassic(server.parley.host, server.room, await token(slow));
  const [from, to] = [await server.open(sender), await server.open(reader)];
  stuck.socket.pause();
  const filler = "x".repeat(60_000);
  const connections = () => server.parley.metric("parley_connections");
  expect(await connections()).toBe(3);
  let sent = 0;
  // What the kernel's own buffers take differs; some 10 MB here.
  await waitUntil("it was cut", async () => {
    const message = `${sent++} ${filler}`;
    from.send({ message });
    expect(await to.next()).toEqual({ message });
    await from.next();
    return sent % 10 === 0 && (await connections()) === 2;
  });
  expect(sent * filler.length).toBeGreaterThan(1 << 20);
  from.send({ message: "on we go" });
  expect(await to.next()).toEqual({ message: "on we go" });
  stuck.socket.resume();
  expect(await stuck.close()).toBeUndefined();
}, 20_000);

test.each([
  ["pings", encodeFrame("x".repeat(125), { opcode: 9 })],
  ["bad frames", encodeFrame("{}")],
])(
  "whoever sends %s and never reads the answers is cut",
  async (_, bytes) => {
    const user = newUser();
    await using server = await serverWith(lifted, [user]);
    const raw = await connectRawClassic(server.parley.host, server.room, await token(user));
    raw.socket.pause();
    const block = Buffer.concat(Array.from({ length: 500 }, () => bytes));
    await waitUntil("it was cut", async () => {
      if (raw.socket.writableLength < 1 << 22) raw.write(block);
      return (await server.parley.metric("parley_connections")) === 0;
    });
    raw.destroy();
  },
  20_000,
);
