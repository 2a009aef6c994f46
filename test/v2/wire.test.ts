import { expect, test } from "bun:test";

import type { ServerFrame } from "../../src/protocol/frames.ts";
import type { Command } from "../../src/protocol/schemas.ts";
import { connectV2 } from "../support/client.ts";
import { connectRawV2, encodeFrame, handshake, opcodes, RawConnection } from "../support/raw.ts";
import { newRoomId, useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

// Commands in TCP segments made by hand.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";
const frameLimit = 65_536;

const sent = (command: Command) => encodeFrame(JSON.stringify(command));
const texts = (count: number) =>
  Array.from({ length: count }, (_, n) => sent({ type: "send", id: `${n}`, text: `message ${n}` }));

/** The next of these frames; others are passed over. */
async function next<T extends ServerFrame["type"]>(
  raw: RawConnection,
  ...types: T[]
): Promise<Extract<ServerFrame, { type: T }>> {
  for (;;) {
    const heard = (await raw.next()) as ServerFrame;
    if (types.some((type) => type === heard.type)) return heard as never;
  }
}

/** The last message and the `rev` of a room. */
async function head(room: string) {
  const client = await connectV2(server.host, room, { token: await token(bob) });
  const { rev } = client.hello;
  await client.close();
  return { rev, last: client.known().at(-1)?.text };
}

async function open() {
  const room = await createRoom([alice, bob]);
  const raw = await connectRawV2(server.host, room, await token(alice));
  await next(raw, "hello");
  return { room, raw };
}

/** What is heard of three commands that a connection began with, which must be all of it. */
async function expectThree(raw: RawConnection): Promise<void> {
  expect(await raw.next()).toMatchObject({ type: "hello", rev: 0, messages: [] });
  const heard: unknown[] = [];
  for (let n = 0; n < 6; n++) heard.push(await next(raw, "change", "ack"));
  expect(heard).toMatchObject([
    ...[1, 2, 3].map((rev) => ({ type: "change", message: { seq: rev, rev, text: `message ${rev - 1}` } })),
    ...[1, 2, 3].map((rev) => ({ type: "ack", id: `${rev - 1}`, seq: rev, rev })),
  ]);
}

test("commands that are sent before the hello was read are answered after it", async () => {
  const room = await createRoom([alice, bob]);
  const raw = await connectRawV2(server.host, room, await token(alice));
  raw.write(...texts(3));
  await expectThree(raw);
  raw.destroy();
});

/** Sends commands in one segment with a handshake; the status of its answer. */
async function atOnce(room: string, email: string): Promise<{ raw: RawConnection; status: number }> {
  const raw = await RawConnection.open(server.host);
  const headers = { authorization: `Bearer ${await token(email)}`, "sec-websocket-protocol": "chat.v2" };
  raw.write(handshake(server.host, `/ws/chat/${room}/`, headers), ...texts(3));
  const { status } = await raw.answer();
  return { raw, status };
}

/** Whoever was refused has left nothing behind. */
async function expectNobody(room: string, said: string[]): Promise<void> {
  let late = await connectV2(server.host, room, { token: await token(bob) });
  await waitUntil("he is gone", async () => {
    await late.close();
    late = await connectV2(server.host, room, { token: await token(bob) });
    return late.hello.online.length === 1;
  });
  expect(late.known().map(({ text }) => text)).toEqual(said);
  await late.close();
}

// RFC 6455, section 4.1, has clients wait for the answer. Bun refuses an upgrade that was not answered in the turn in
// which it came and has bytes behind it: for somebody new, something is always read first.
test("what comes in one segment with the handshake of a member who is known is done after the hello", async () => {
  const room = await createRoom([bob, alice]);
  const refused: RawConnection[] = [];
  let { raw, status } = await atOnce(room, alice);
  // Until he is known, with all that is asked for.
  await waitUntil("it is taken", async () => {
    if (status === 101) return true;
    expect(status).toBe(400);
    refused.push(raw);
    ({ raw, status } = await atOnce(room, alice));
    return false;
  });
  await expectThree(raw);
  for (const each of [...refused, raw]) each.destroy();
  await expectNobody(room, ["message 0", "message 1", "message 2"]);
});

test.each([
  ["a newcomer", () => `newcomer-${crypto.randomUUID()}@example.com`, true],
  ["a newcomer who is no member", () => `stranger-${crypto.randomUUID()}@example.com`, false],
])(
  "what comes in one segment with the handshake of %s is refused as a whole",
  async (_, newEmail, member) => {
    const email = newEmail();
    const room = await createRoom([bob, ...(member ? [email] : [])]);
    const { raw, status } = await atOnce(room, email);
    expect(status).toBe(400);
    raw.destroy();
    await expectNobody(room, []);
  },
);

test("what comes in one segment with the handshake of somebody known who is no member is refused as a whole", async () => {
  const room = await createRoom([bob]);
  let { raw, status } = await atOnce(room, alice);
  await waitUntil("it is told in his own dialect", async () => {
    if (status === 101) return true;
    raw.destroy();
    ({ raw, status } = await atOnce(room, alice));
    return false;
  });
  expect(await raw.close()).toMatchObject({ code: 4404 });
  raw.destroy();
  await expectNobody(room, []);
});

test("of a thousand commands in one segment all are acked, in their order", async () => {
  const { room, raw } = await open();
  raw.write(...texts(1000));
  for (let n = 0; n < 1000; n++)
    expect(await next(raw, "ack", "error")).toEqual({ type: "ack", id: `${n}`, seq: n + 1, rev: n + 1 });
  expect(await head(room)).toEqual({ rev: 1000, last: "message 999" });
  raw.destroy();
});

test("of a thousand commands in one segment, with a rate, the first are done, and the connection is closed with 4429", async () => {
  await using parley = await server.startAnother();
  const room = newRoomId();
  await parley.createRoom([alice], { id: room });
  const raw = await connectRawV2(parley.host, room, await token(alice));
  raw.write(...texts(1000));
  const answers: ServerFrame[] = [];
  let end: number | undefined;
  while (end === undefined) {
    const { opcode, payload } = await raw.frame();
    if (opcode === opcodes.close) end = payload.readUInt16BE();
    else answers.push(JSON.parse(String(payload)) as ServerFrame);
  }
  expect(end).toBe(4429);
  await raw.ended;
  const errors = answers.filter((answer) => answer.type === "error");
  expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(["rate_limited"]));
  // A few more than fifty strikes, where some were accepted in between.
  expect(errors.length).toBeGreaterThanOrEqual(50);
  expect(errors.length).toBeLessThan(100);
  for (const { retry_after_ms } of errors) expect(retry_after_ms).toBeGreaterThan(0);
  const stored = await parley.asOperator((chat, operator) => chat.messages(operator, room, { limit: 100 }));
  expect(stored.slice(0, 30).map(({ text }) => text)).toEqual(
    Array.from({ length: 30 }, (_, n) => `message ${n}`),
  );
  expect(stored.length).toBeLessThan(100);
});

test("a command whose frame comes byte by byte is done like any other", async () => {
  const { raw } = await open();
  raw.socket.setNoDelay(true);
  for (const byte of sent({ type: "send", id: "slow", text: "żółw 👍" })) {
    raw.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await next(raw, "change")).toMatchObject({ message: { text: "żółw 👍" } });
  expect(await next(raw, "ack")).toEqual({ type: "ack", id: "slow", seq: 1, rev: 1 });
  raw.destroy();
});

test("a command in fragments, with a ping answered in between, is one command", async () => {
  const { raw } = await open();
  const json = JSON.stringify({ type: "send", id: "1", text: "in pieces" });
  raw.write(encodeFrame(json.slice(0, 10), { fin: false }), encodeFrame("beat", { opcode: opcodes.ping }));
  raw.write(encodeFrame(json.slice(10, 20), { fin: false, opcode: opcodes.continuation }));
  raw.write(encodeFrame(json.slice(20), { opcode: opcodes.continuation }));
  let pong: string | undefined;
  for (;;) {
    const { opcode, payload } = await raw.frame();
    if (opcode === opcodes.pong) pong = String(payload);
    else if ((JSON.parse(String(payload)) as ServerFrame).type === "ack") break;
  }
  expect(pong).toBe("beat");
  raw.destroy();
});

test("a frame is taken up to 64 KiB; one byte more closes the connection with 1009, and changes nothing", async () => {
  const { room, raw } = await open();
  const json = JSON.stringify({ type: "send", id: "1", text: "long" });
  raw.write(encodeFrame(json + " ".repeat(frameLimit - json.length)));
  expect(await next(raw, "ack", "error")).toEqual({ type: "ack", id: "1", seq: 1, rev: 1 });
  raw.write(encodeFrame(json + " ".repeat(frameLimit - json.length + 1)), ...texts(1));
  expect(await raw.close()).toMatchObject({ code: 1009 });
  await raw.ended;
  expect(await head(room)).toEqual({ rev: 1, last: "long" });
});

test.each([
  ["invalid UTF-8", Buffer.from('{"type":"send","id":"1","text":"\xff\xfe"}', "latin1")],
  ["an encoded surrogate", Buffer.from('{"type":"send","id":"1","text":"\xed\xa0\x80"}', "latin1")],
  ["an overlong encoding", Buffer.from('{"type":"send","id":"1","text":"\xc0\xaf"}', "latin1")],
])("%s closes the connection with 1007, and changes nothing", async (_, bytes) => {
  const { room, raw } = await open();
  raw.write(encodeFrame(bytes), ...texts(1));
  expect(await raw.close()).toMatchObject({ code: 1007 });
  await raw.ended;
  expect(await head(room)).toEqual({ rev: 0, last: undefined });
});

test("whoever is gone before his ack has said what he said, once", async () => {
  const { room, raw } = await open();
  const listener = await connectV2(server.host, room, { token: await token(bob) });
  raw.write(
    sent({ type: "send", id: "1", text: "last words", client_id: "a" }),
    encodeFrame("", { opcode: opcodes.close }),
  );
  expect(await listener.next("change")).toMatchObject({ message: { seq: 1, text: "last words" } });
  await raw.ended;
  const again = await connectV2(server.host, room, { token: await token(alice) });
  expect(await again.ack({ type: "send", text: "last words", client_id: "a" })).toMatchObject({
    seq: 1,
    rev: 1,
  });
});

test("after a thousand frames that are no commands the connection works, and the next one is quick", async () => {
  const { room, raw } = await open();
  raw.write(...Array.from({ length: 1000 }, () => encodeFrame("[".repeat(1000))));
  for (let n = 0; n < 1000; n++)
    expect(await next(raw, "error", "ack")).toMatchObject({ type: "error", code: "invalid_command" });
  raw.write(...texts(1));
  expect(await next(raw, "ack", "error")).toMatchObject({ type: "ack", seq: 1 });
  expect(await head(room)).toEqual({ rev: 1, last: "message 0" });
  raw.destroy();
});
