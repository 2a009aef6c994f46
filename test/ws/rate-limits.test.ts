import { describe, expect, test } from "bun:test";

import { callApi } from "../support/api.ts";
import { type Dialect, dialects } from "../support/client.ts";
import { storedMessages } from "../support/messages.ts";
import { connectRaw, encodeFrame, encodeText, opcodes, type RawConnection } from "../support/raw.ts";
import { unlimited, useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

// How many commands a user may send. One comes back every 50 seconds, so that none does during a test.

const BURST = 5;
const server = useServer({
  env: { ...unlimited, PARLEY_MESSAGE_RATE: "0.02", PARLEY_MESSAGE_BURST: String(BURST) },
});

let users = 0;
/** Limits are per user, so each test has users of its own. */
const newUser = () => `user-${++users}@example.com`;

async function open(dialect: Dialect = "chat.v2", email = newUser()) {
  const room = await server.createRoom([email]);
  const raw = await connectRaw(dialect, server.host, room, await server.token(email));
  return { room, email, raw };
}

const times = (count: number, answer: string) => Array.from({ length: count }, () => answer);

describe.each([...dialects])("%s", (dialect) => {
  const flood = (count: number) =>
    Array.from({ length: count }, (_, n) => encodeText(dialect, `message ${n}`));

  test("a burst is accepted, and each message beyond it is refused; others are not affected", async () => {
    const { room, raw } = await open(dialect);
    raw.write(...flood(8));
    const received: string[] = [];
    while (received.length < 8) received.push(await raw.nextTextOrCode());
    expect(received.toSorted()).toEqual([
      ...Array.from({ length: BURST }, (_, n) => `message ${n}`),
      ...times(3, "rate_limited"),
    ]);
    const other = await open(dialect);
    other.raw.write(encodeText(dialect, "fine"));
    expect(await other.raw.nextTextOrCode()).toBe("fine");
    expect(await storedMessages(server, room)).toHaveLength(BURST);
    for (const each of [raw, other.raw]) each.destroy();
  });

  test("after fifty refusals the connection is closed with 4429, and what was accepted stays", async () => {
    const { room, raw, email } = await open(dialect);
    const listener = await server.connect(dialect, room, email);
    raw.write(...flood(1000));
    let refusals = 0;
    for (let closed = false; !closed;) {
      const frame = await raw.frame();
      closed = frame.opcode === opcodes.close;
      if (closed) expect(frame.payload.readUInt16BE()).toBe(4429);
      else if (String(frame.payload).includes('"rate_limited"')) refusals++;
    }
    await raw.ended;
    expect(refusals).toBe(50);
    for (let n = 0; n < BURST; n++) expect(await listener.nextText()).toBe(`message ${n}`);
    expect(await storedMessages(server, room)).toHaveLength(BURST);
    // A new connection begins with no refusals, but with the same rate.
    const again = await connectRaw(dialect, server.host, room, await server.token(email));
    again.write(encodeText(dialect, "again"));
    expect(await again.nextTextOrCode()).toBe("rate_limited");
    again.destroy();
  });

  test("a steady flood is closed with 4429, too, although the rate lets some of it through", async () => {
    await using parley = await server.startAnother({
      env: { PARLEY_MESSAGE_RATE: "20", PARLEY_MESSAGE_BURST: "1" },
    });
    const email = newUser();
    const client = await parley.connect(dialect, await parley.createRoom([email]), email);
    const flooding = setInterval(() => {
      if (client.socket.readyState === client.socket.OPEN) for (let n = 0; n < 10; n++) client.post("flood");
    }, 50);
    expect(await client.closed).toEqual({ code: 4429, reason: "rate_limited" });
    clearInterval(flooding);
  });

  test("after a pause a user may send again", async () => {
    await using parley = await server.startAnother({
      env: { PARLEY_MESSAGE_RATE: "2", PARLEY_MESSAGE_BURST: "1" },
    });
    const email = newUser();
    const client = await parley.connect(dialect, await parley.createRoom([email]), email);
    const send = () => {
      client.post("again");
      return client.nextTextOrCode();
    };
    await waitUntil("a message is refused", async () => (await send()) === "rate_limited");
    await waitUntil("a message is accepted", async () => (await send()) === "again");
  });

  test.each([{ PARLEY_MESSAGE_RATE: "0" }, { PARLEY_MESSAGE_RATE: "1", PARLEY_MESSAGE_BURST: "0" }])(
    "%p lifts the limit",
    async (env) => {
      await using parley = await server.startAnother({ env });
      const email = newUser();
      const client = await parley.connect(dialect, await parley.createRoom([email]), email);
      for (let n = 0; n < 200; n++) client.post(`message ${n}`);
      for (let n = 0; n < 200; n++) expect(await client.nextTextOrCode()).toBe(`message ${n}`);
    },
  );

  test.each(["ping", "pong"] as const)("a flood of %ss closes the connection with 4429", async (kind) => {
    const { raw } = await open(dialect);
    // A well-behaved client sends a few.
    raw.write(...Array.from({ length: 20 }, () => encodeFrame("x", { opcode: opcodes[kind] })));
    if (kind === "ping") for (let n = 0; n < 20; n++) expect((await raw.frame()).opcode).toBe(opcodes.pong);
    raw.write(...Array.from({ length: 5000 }, () => encodeFrame("x", { opcode: opcodes[kind] })));
    expect(await raw.close()).toEqual({ code: 4429, reason: "rate_limited" });
    await raw.ended;
  });
});

test("pings that keep coming at an ordinary pace do not close the connection", async () => {
  const email = newUser();
  // The count of control frames starts again with each heartbeat.
  const heartbeat = { pingIntervalMs: 50, silenceTimeoutMs: 60_000, pongTimeoutMs: 60_000 };
  await using parley = await server.startAnother({ heartbeat });
  const room = await parley.createRoom([email]);
  const raw = await connectRaw("classic", parley.host, room, await server.token(email));
  for (let round = 0; round < 5; round++) {
    raw.write(...Array.from({ length: 40 }, () => encodeFrame("", { opcode: opcodes.ping })));
    for (let [pings, pongs] = [0, 0]; pings < 2 || pongs < 40;) {
      const { opcode } = await raw.frame();
      if (opcode === opcodes.ping) pings++;
      else pongs++;
    }
  }
  raw.destroy();
});

const command = (type: string, id: number, more = {}) =>
  encodeFrame(JSON.stringify({ type, id: `${id}`, ...more }));
const send = (id: number) => command("send", id, { text: "x" });
const read = (id: number) => command("read", id, { seq: 0 });
const many = (count: number, make: (id: number) => Buffer) =>
  Array.from({ length: count }, (_, id) => make(id));

/** The answers to so many commands in the order of their ids: "ack" or the code of the error. */
async function answers(raw: RawConnection, count: number): Promise<string[]> {
  const received: string[] = [];
  for (let n = 0; n < count; n++) {
    const answer = await raw.nextOf("ack", "error");
    received[Number(answer.id ?? n)] = answer.type === "ack" ? "ack" : answer.code;
  }
  return received;
}

test("all changes count alike, and refused commands count, too", async () => {
  const { raw } = await open();
  raw.write(
    send(0),
    command("edit", 1, { seq: 1, text: "y" }),
    command("react", 2, { seq: 1, emoji: "👍", on: true }),
    command("shout", 3),
    command("delete", 4, { seq: 99 }),
    send(5),
    command("delete", 6, { seq: 1 }),
    command("shout", 7),
  );
  expect(await answers(raw, 8)).toEqual([
    ...times(3, "ack"),
    "invalid_command",
    "message_not_found",
    ...times(3, "rate_limited"),
  ]);
  raw.destroy();
});

test("a user has ten times as many reads, also when they have no changes left", async () => {
  const { raw } = await open();
  raw.write(...many(8, send));
  expect(await answers(raw, 8)).toEqual([...times(BURST, "ack"), ...times(3, "rate_limited")]);
  raw.write(...many(60, read));
  expect(await answers(raw, 60)).toEqual([...times(10 * BURST, "ack"), ...times(10, "rate_limited")]);
  raw.destroy();
});

test("typing counts as a read, and its refusal has its id if there is one", async () => {
  const { raw } = await open();
  raw.write(...many(10 * BURST, () => encodeFrame('{"type":"typing"}')), read(0));
  expect(await answers(raw, 1)).toEqual(["rate_limited"]);
  raw.write(encodeFrame('{"type":"typing"}'), encodeFrame('{"type":"typing","id":"t"}'));
  const errors = [await raw.nextOf("error"), await raw.nextOf("error")];
  expect(errors).toMatchObject([{ code: "rate_limited" }, { code: "rate_limited", id: "t" }]);
  expect(errors[0]).not.toHaveProperty("id");
  raw.destroy();
});

test("a fresh token is accepted when a user has no changes left", async () => {
  const { raw, email } = await open();
  raw.write(...many(6, send));
  expect(await answers(raw, 6)).toEqual([...times(BURST, "ack"), "rate_limited"]);
  raw.write(command("auth", 0, { token: await server.token(email) }));
  expect(await answers(raw, 1)).toEqual(["ack"]);
  raw.destroy();
});

test("accepted reads do not make up for refused changes", async () => {
  const { raw } = await open();
  raw.write(...many(BURST + 29, send));
  expect(await answers(raw, BURST + 29)).toEqual([...times(BURST, "ack"), ...times(29, "rate_limited")]);
  raw.write(...many(20, read));
  expect(await answers(raw, 20)).toEqual(times(20, "ack"));
  raw.write(...many(20, send));
  expect(await answers(raw, 20)).toEqual(times(20, "rate_limited"));
  raw.write(send(0));
  expect(await raw.close()).toEqual({ code: 4429, reason: "rate_limited" });
});

test("both dialects, all rooms and connections and the HTTP API share one rate", async () => {
  const { email, raw } = await open();
  const room = await server.createRoom([email]);
  const token = await server.token(email);
  const classic = await connectRaw("classic", server.host, room, token);
  const tab = await server.connectV2(room, email);
  raw.write(send(0), send(1));
  expect(await answers(raw, 2)).toEqual(times(2, "ack"));
  classic.write(encodeText("classic", "one"), encodeText("classic", "two"));
  for (const text of ["one", "two"]) expect(await classic.nextTextOrCode()).toBe(text);
  const status = async (request: string, body: unknown) =>
    (await callApi(server, request.replace("ROOM", `/api/rooms/${room}`), { token, body })).status;
  // It is forbidden, and counts all the same.
  expect(await status("PATCH ROOM", { name: "mine" })).toBe(403);
  expect((await tab.error({ type: "send", text: "too much" })).code).toBe("rate_limited");
  expect(await status("PATCH ROOM", { name: "mine" })).toBe(429);
  // A read mark counts as a read here, too, unlike a member of that name.
  for (let n = 0; n < 40; n++) expect(await status("PUT ROOM/read", { seq: 1 })).toBe(200);
  expect(await status("PUT ROOM/members/read", {})).toBe(429);
  for (const each of [raw, classic]) each.destroy();
});

test("administrators have no rate", async () => {
  const { room, raw } = await open();
  const token = await server.token(newUser(), { claims: { permissions: ["chat:admin"] } });
  const admin = await server.connectV2(room, "", { token });
  for (let n = 0; n < 4 * BURST; n++) await admin.say(`message ${n}`);
  raw.destroy();
});
