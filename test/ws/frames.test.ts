import { describe, expect, test } from "bun:test";

import { dialects } from "../support/client.ts";
import { connectRaw, encodeFrame, encodeText, handshake, opcodes, RawConnection } from "../support/raw.ts";
import { unlimited, useServer } from "../support/server.ts";

// Frames built by hand and written to plain TCP connections.

const server = useServer({ env: unlimited });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

/** A room with Alice on a raw connection and Bob as a listener. */
async function createPair() {
  const room = await createRoom([alice, bob]);
  const raw = await connectRaw("classic", server.host, room, await token(alice));
  return { room, raw, listener: await server.connectClassic(room, bob) };
}

/** The texts of a room's history. */
async function historyOf(room: string): Promise<string[]> {
  const client = await server.connectClassic(room, bob);
  await client.close();
  return client.history.map(({ text }) => text);
}

const MAX_FRAME_BYTES = 65_536;
const json = (message: unknown) => JSON.stringify({ message });

const violations: [what: string, code: number, ...frames: Buffer[]][] = [
  ["invalid UTF-8", 1007, encodeFrame(Buffer.from([0x22, 0xff, 0xfe, 0x22]))],
  ["an encoded surrogate", 1007, encodeFrame(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))],
  ["an overlong encoding", 1007, encodeFrame(Buffer.from([0x22, 0xc0, 0xaf, 0x22]))],
  ["a frame over 64 KiB", 1009, encodeFrame("x".repeat(MAX_FRAME_BYTES + 1))],
  ["100,000 brackets", 1009, encodeFrame("[".repeat(100_000))],
  [
    "fragments over 64 KiB",
    1009,
    encodeFrame("x".repeat(40_000), { fin: false }),
    encodeFrame("x".repeat(40_000), { opcode: opcodes.continuation }),
  ],
  ["a header that claims 2^40 bytes", 1009, encodeFrame("", { claim: 1n << 40n })],
  ["a header that claims 2^63 bytes", 1009, encodeFrame("", { claim: 1n << 63n })],
  ["a header that claims 2^64 - 1 bytes", 1009, encodeFrame("", { claim: (1n << 64n) - 1n })],
  ["an unmasked frame", 1002, encodeFrame(json("x"), { masked: false })],
  ["a compressed frame, which was not negotiated", 1002, encodeFrame(json("x"), { reserved: 4 })],
  ["a reserved bit", 1002, encodeFrame(json("x"), { reserved: 1 })],
  ["a reserved opcode", 1002, encodeFrame(json("x"), { opcode: 3 })],
  ["a reserved control opcode", 1002, encodeFrame("", { opcode: 11 })],
  ["a fragmented ping", 1002, encodeFrame("x", { opcode: opcodes.ping, fin: false })],
  ["a ping of 126 bytes", 1002, encodeFrame("x".repeat(126), { opcode: opcodes.ping })],
  ["a continuation without a beginning", 1002, encodeFrame(json("x"), { opcode: opcodes.continuation })],
  ["a message inside a fragmented one", 1002, encodeFrame('{"mess', { fin: false }), encodeFrame(json("x"))],
  ["a close frame with half a code", 1002, encodeFrame("x", { opcode: opcodes.close })],
  [
    "a close frame with a code that must not be sent",
    1002,
    encodeFrame(Buffer.from([3, 0xee]), { opcode: opcodes.close }),
  ],
];

test.each(violations)("%s ends the connection with %d, and no other", async (_, code, ...frames) => {
  const { room, raw, listener } = await createPair();
  raw.write(...frames, encodeText("classic", "after it"));
  expect(await raw.close()).toMatchObject({ code });
  await raw.ended;
  listener.send({ message: "fine" });
  expect(await listener.next()).toEqual({ message: "fine" });
  expect(await historyOf(room)).toEqual(["fine"]);
});

test("a frame has up to 64 KiB, whatever the length of its text", async () => {
  const { raw } = await createPair();
  const start = '{"message":"hi","padding":"';
  const longest = `${start}${"x".repeat(MAX_FRAME_BYTES - start.length - 2)}"}`;
  expect(longest).toHaveLength(MAX_FRAME_BYTES);
  raw.write(encodeFrame(longest));
  expect(await raw.next()).toEqual({ message: "hi" });
  raw.write(encodeFrame(`${longest} `));
  expect(await raw.close()).toMatchObject({ code: 1009 });
});

test("a message in fragments is one message, and a ping between them is answered", async () => {
  const { raw, listener } = await createPair();
  const message = Buffer.from('{"message":"héllo"}');
  // The first cut is within a character.
  const cut = message.indexOf("é") + 1;
  raw.write(
    encodeFrame(message.subarray(0, cut), { fin: false }),
    encodeFrame(message.subarray(cut, cut + 1), { fin: false, opcode: opcodes.continuation }),
  );
  raw.write(
    encodeFrame("still there?", { opcode: opcodes.ping }),
    encodeFrame(message.subarray(cut + 1), { opcode: opcodes.continuation }),
  );
  expect(await raw.frame()).toEqual({ opcode: opcodes.pong, payload: Buffer.from("still there?") });
  expect(await raw.next()).toEqual({ message: "héllo" });
  expect(await listener.next()).toEqual({ message: "héllo" });
  raw.destroy();
});

test("a frame that arrives byte by byte is one message", async () => {
  const { raw } = await createPair();
  raw.socket.setNoDelay(true);
  for (const byte of encodeText("classic", "slowly")) {
    raw.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await raw.next()).toEqual({ message: "slowly" });
  raw.destroy();
});

test("a close frame is answered with its code", async () => {
  const { raw } = await createPair();
  const payload = Buffer.concat([Buffer.from([3, 0xe8]), Buffer.from("bye")]);
  raw.write(encodeFrame(payload, { opcode: opcodes.close }));
  expect(await raw.close()).toMatchObject({ code: 1000 });
  await raw.ended;
});

describe.each(dialects)("%s", (dialect) => {
  test("frames that are sent with the handshake are handled after the first frame, in order", async () => {
    const room = await createRoom([alice, bob]);
    const bearer = await token(alice);
    // Bun upgrades a request with more bytes behind it only when it is answered at once: the user must be known.
    await (await server.connect(dialect, room, alice, { token: bearer })).close();
    const raw = await RawConnection.open(server.host);
    const headers = { authorization: `Bearer ${bearer}`, "sec-websocket-protocol": dialect };
    const texts = Array.from({ length: 50 }, (_, n) => `message ${n}`);
    const frames = texts.map((text) => encodeText(dialect, text));
    raw.write(handshake(server.host, `/ws/chat/${room}/`, headers), ...frames);
    expect((await raw.answer()).status).toBe(101);
    const first = await raw.next();
    expect(dialect === "classic" ? first : (first as { messages: unknown }).messages).toEqual([]);
    for (const text of texts) expect(await raw.nextTextOrCode()).toBe(text);
    expect(await historyOf(room)).toEqual(texts);
    raw.destroy();
  });
});

test("1,000 messages in one write arrive once each and in order, at the sender and at others", async () => {
  const { raw, listener } = await createPair();
  const texts = Array.from({ length: 1000 }, (_, n) => `message ${n}`);
  raw.write(...texts.map((text) => encodeText("classic", text)));
  for (const text of texts) {
    expect(await raw.next()).toEqual({ message: text });
    expect(await listener.next()).toEqual({ message: text });
  }
  expect(listener.unread()).toEqual([]);
  raw.destroy();
});

test("good and bad frames in one write are each answered, and the good ones keep their order", async () => {
  const { raw, listener } = await createPair();
  const good = Array.from({ length: 50 }, (_, n) => `message ${n}`);
  raw.write(...good.flatMap((text) => [encodeText("classic", text), encodeFrame("{}")]));
  const answers: object[] = [];
  while (answers.length < 100) answers.push((await raw.next()) as object);
  const messages = good.map((message) => ({ message }));
  expect(answers.filter((answer) => !("error" in answer))).toEqual(messages);
  for (const message of messages) expect(await listener.next()).toEqual(message);
  raw.destroy();
});

test("bytes that are not HTTP, half a request and a peer that vanishes do no harm", async () => {
  const { host } = server;
  const garbage = await RawConnection.open(host);
  garbage.write("\u0016\u0003\u0001 hello\r\n\r\n");
  await garbage.ended;
  const half = await RawConnection.open(host);
  half.write("GET /ws/chat/lobby/ HTTP/1.1\r\nhost: x\r\nupgr");
  half.destroy();
  const { raw, room } = await createPair();
  raw.write(encodeFrame("half a mess", { claim: 100n }));
  raw.destroy();
  expect(await historyOf(room)).toEqual([]);
});
