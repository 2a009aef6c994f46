import { expect, test } from "bun:test";

import { connectClassic } from "../support/client.ts";
import {
  classicMessage,
  connectRawClassic,
  encodeFrame,
  handshake,
  opcodes,
  RawConnection,
} from "../support/raw.ts";
import { useServer } from "../support/server.ts";

// Frames made by hand, over TCP connections that are nothing else.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

/** A room with alice on a raw connection, and bob, who listens. */
async function pair() {
  const room = await createRoom([alice, bob]);
  const raw = await connectRawClassic(server.host, room, await token(alice));
  return { room, raw, listener: await server.connectClassic(room, bob) };
}

/** What somebody who connects now is shown. */
async function historyOf(room: string): Promise<unknown> {
  const client = await connectClassic(server.host, room, { token: await token(bob) });
  await client.close();
  return client.history;
}

const json = (message: unknown) => JSON.stringify({ message });
const textLimit = 16_384;
const frameLimit = 65_536;

const refused: [what: string, frame: string | Buffer, code?: string][] = [
  ["no JSON", "hello"],
  ["an empty frame", ""],
  ["half of a JSON object", '{"message":"x"'],
  ["JSON with something behind it", '{"message":"x"}x'],
  ["an array", "[]"],
  ["an array with a message in it", '[{"message":"x"}]'],
  ["null", "null"],
  ["a string", '"x"'],
  ["a number", "1"],
  ["an object without a message", "{}"],
  ["a message that is a number", json(1)],
  ["a message that is a boolean", json(true)],
  ["a message that is null", json(null)],
  ["a message that is an object", json({ toString: "x" })],
  ["a message that is an array", json(["x"])],
  ["an empty message", json("")],
  ["a message of spaces", json("  \t\r\n ")],
  ["a message of Unicode's spaces", json("\u00a0\u2003\u3000\ufeff\u2028\u2029\u1680")],
  ["a message in __proto__", '{"__proto__":{"message":"x"}}'],
  ["a message in a constructor's prototype", '{"constructor":{"prototype":{"message":"x"}}}'],
  ["a key in another case", '{"Message":"x"}'],
  ["a lone high surrogate", '{"message":"a\\ud800"}'],
  ["a lone low surrogate", '{"message":"\\udc00a"}'],
  ["a NUL", '{"message":"a\\u0000b"}'],
  ["arrays as deep as a frame may be", "[".repeat(frameLimit)],
  ["objects as deep as a frame may be", '{"message":'.repeat(5900)],
  ["a text one byte too long", json(`${"é".repeat(textLimit / 2)}x`), "message_too_long"],
  ["a text of three-byte letters that is too long", json("€".repeat(textLimit / 3 + 1)), "message_too_long"],
  ["a text of emoji that is too long", json("😀".repeat(textLimit / 4 + 1)), "message_too_long"],
  ["a binary frame", encodeFrame(json("x"), { opcode: opcodes.binary })],
];

const withCode = refused.map(([what, bad, code = "invalid_message"]) => [what, bad, code] as const);

test.each(withCode)("%s is refused, to the sender alone, and nothing is stored", async (_, bad, code) => {
  const { room, raw, listener } = await pair();
  raw.write(typeof bad === "string" ? encodeFrame(bad) : bad);
  const error = { code, message: expect.stringMatching(/./) };
  expect(await raw.next()).toStrictEqual({ error });
  raw.write(classicMessage("fine"));
  expect(await raw.next()).toEqual({ message: "fine" });
  expect(await listener.next()).toEqual({ message: "fine" });
  expect(await historyOf(room)).toEqual([{ text: "fine", sender_email: alice }]);
  raw.destroy();
});

test.each([
  ["two-byte letters", "é".repeat(textLimit / 2)],
  ["three-byte letters", `${"€".repeat(5461)}x`],
  ["emoji", "😀".repeat(textLimit / 4)],
  ["ASCII", "x".repeat(textLimit)],
])("a text of %s that is exactly as long as it may be is taken", async (_, text) => {
  expect(Buffer.byteLength(text)).toBe(textLimit);
  const { raw, listener } = await pair();
  raw.write(classicMessage(text));
  expect(await raw.next()).toEqual({ message: text });
  expect(await listener.next()).toEqual({ message: text });
  raw.destroy();
});

test("a frame is taken up to 64 KiB, whatever its text would be", async () => {
  const { raw } = await pair();
  const rest = `","padding":"`;
  const padding = "x".repeat(frameLimit - `{"message":"hi${rest}"}`.length);
  const whole = `{"message":"hi${rest}${padding}"}`;
  expect(whole).toHaveLength(frameLimit);
  raw.write(encodeFrame(whole));
  expect(await raw.next()).toEqual({ message: "hi" });
  raw.write(encodeFrame(`${whole} `));
  expect(await raw.close()).toMatchObject({ code: 1009 });
});

type Violation = [what: string, code: number, ...frames: Buffer[]];
const violations: Violation[] = [
  ["invalid UTF-8", 1007, encodeFrame(Buffer.from([0x22, 0xff, 0xfe, 0x22]))],
  ["an encoded surrogate", 1007, encodeFrame(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))],
  ["an overlong encoding", 1007, encodeFrame(Buffer.from([0x22, 0xc0, 0xaf, 0x22]))],
  ["a frame over 64 KiB", 1009, encodeFrame("x".repeat(frameLimit + 1))],
  ["100,000 brackets", 1009, encodeFrame("[".repeat(100_000))],
  [
    "fragments over 64 KiB",
    1009,
    encodeFrame("x".repeat(40_000), { fin: false }),
    encodeFrame("x".repeat(40_000), { opcode: 0 }),
  ],
  ["a header that claims 2^40 bytes", 1009, encodeFrame("", { claim: 1n << 40n })],
  ["a header that claims 2^63 bytes", 1009, encodeFrame("", { claim: 1n << 63n })],
  ["a header that claims 2^64 - 1 bytes", 1009, encodeFrame("", { claim: (1n << 64n) - 1n })],
  ["an unmasked frame", 1002, encodeFrame(json("x"), { masked: false })],
  ["a compressed frame, which was not agreed on", 1002, encodeFrame(json("x"), { reserved: 4 })],
  ["a reserved bit", 1002, encodeFrame(json("x"), { reserved: 1 })],
  ["a reserved opcode", 1002, encodeFrame(json("x"), { opcode: 3 })],
  ["a reserved control opcode", 1002, encodeFrame("", { opcode: 11 })],
  ["a fragmented ping", 1002, encodeFrame("x", { opcode: opcodes.ping, fin: false })],
  ["a ping of 126 bytes", 1002, encodeFrame("x".repeat(126), { opcode: opcodes.ping })],
  ["a continuation of nothing", 1002, encodeFrame(json("x"), { opcode: 0 })],
  ["a message inside a fragmented one", 1002, encodeFrame('{"mess', { fin: false }), encodeFrame(json("x"))],
  ["a close frame with half a code", 1002, encodeFrame("x", { opcode: opcodes.close })],
  [
    "a close frame with a code that is never sent",
    1002,
    encodeFrame(Buffer.from([3, 0xee]), { opcode: opcodes.close }),
  ],
];

test.each(violations)("%s ends the connection with %d, and hurts nobody else", async (_, code, ...frames) => {
  const { room, raw, listener } = await pair();
  raw.write(...frames, classicMessage("behind it"));
  expect(await raw.close()).toMatchObject({ code });
  await raw.ended;
  listener.send({ message: "fine" });
  expect(await listener.next()).toEqual({ message: "fine" });
  expect(await historyOf(room)).toEqual([{ text: "fine", sender_email: bob }]);
});

test("a message in fragments is one message, with a ping answered in between", async () => {
  const { raw, listener } = await pair();
  const [first, second, third] = [
    Buffer.from('{"message":"h\u00e9').subarray(0, -1),
    Buffer.from("é").subarray(1),
    Buffer.from('llo"}'),
  ];
  raw.write(
    encodeFrame(first, { fin: false }),
    encodeFrame(second, { fin: false, opcode: opcodes.continuation }),
  );
  raw.write(
    encodeFrame("still there?", { opcode: opcodes.ping }),
    encodeFrame(third, { opcode: opcodes.continuation }),
  );
  expect(await raw.frame()).toEqual({ opcode: opcodes.pong, payload: Buffer.from("still there?") });
  expect(await raw.next()).toEqual({ message: "héllo" });
  expect(await listener.next()).toEqual({ message: "héllo" });
  raw.destroy();
});

test("a frame that arrives byte by byte is one message", async () => {
  const { raw } = await pair();
  raw.socket.setNoDelay(true);
  for (const byte of classicMessage("slowly")) {
    raw.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await raw.next()).toEqual({ message: "slowly" });
  raw.destroy();
});

test("a close frame is answered with its code", async () => {
  const { raw } = await pair();
  raw.write(
    encodeFrame(Buffer.concat([Buffer.from([3, 0xe8]), Buffer.from("bye")]), { opcode: opcodes.close }),
  );
  expect(await raw.close()).toMatchObject({ code: 1000 });
  await raw.ended;
});

test("1,000 messages in one write arrive once each, in their order, at the sender and at the others", async () => {
  const { raw, listener } = await pair();
  const texts = Array.from({ length: 1000 }, (_, index) => `message ${index}`);
  raw.write(...texts.map(classicMessage));
  for (const text of texts) {
    expect(await raw.next()).toEqual({ message: text });
    expect(await listener.next()).toEqual({ message: text });
  }
  expect(listener.unread()).toEqual([]);
  raw.destroy();
});

test("good and bad frames in one write are each answered, and the good ones keep their order", async () => {
  const { raw, listener } = await pair();
  raw.write(
    ...Array.from({ length: 50 }, (_, index) => [
      classicMessage(`message ${index}`),
      encodeFrame("{}"),
    ]).flat(),
  );
  const answers = [];
  for (let n = 0; n < 100; n++) answers.push(await raw.next());
  const good = Array.from({ length: 50 }, (_, index) => ({ message: `message ${index}` }));
  expect(answers.filter((answer) => !("error" in (answer as object)))).toEqual(good);
  for (const message of good) expect(await listener.next()).toEqual(message);
  raw.destroy();
});

test("bytes that are no HTTP, half a request and a peer that vanishes leave the server alive", async () => {
  const { host } = server;
  const rubbish = await RawConnection.open(host);
  rubbish.write("\u0016\u0003\u0001 hello\r\n\r\n");
  await rubbish.ended;
  const half = await RawConnection.open(host);
  half.write("GET /ws/chat/lobby/ HTTP/1.1\r\nhost: x\r\nupgr");
  half.destroy();
  const { raw, room } = await pair();
  raw.write(encodeFrame("half a mess", { claim: 100n }));
  raw.destroy();
  expect(await historyOf(room)).toEqual([]);
});

test("a handshake that is none is refused, and the server lives", async () => {
  const room = await createRoom([alice]);
  const { host } = server;
  const ask = async (headers: Record<string, string | undefined>, method?: string) => {
    const raw = await RawConnection.open(host);
    const authorization = `Bearer ${await token(alice)}`;
    raw.write(handshake(host, `/ws/chat/${room}/`, { authorization, ...headers }, method));
    const { status } = await raw.answer();
    raw.destroy();
    return status;
  };
  expect(await ask({ "sec-websocket-key": undefined })).toBe(400);
  expect(await ask({ "sec-websocket-key": "c2hvcnQ=" })).toBe(400);
  expect(await ask({ "sec-websocket-key": "!".repeat(24) })).toBe(400);
  expect(await ask({ "sec-websocket-version": "12" })).toBe(426);
  expect(await ask({ "sec-websocket-version": undefined })).toBe(426);
  expect(await ask({ host: undefined })).toBe(400);
  expect(await ask({ cookie: "x".repeat(20_000) })).toBe(431);
  for (const method of ["POST", "PUT"]) expect(await ask({ "content-length": "0" }, method)).toBe(426);
  expect(await ask({})).toBe(101);
});
