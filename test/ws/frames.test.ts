import { describe, expect, test } from "bun:test";

import { dialects } from "../support/client.ts";
import { readRange } from "../support/messages.ts";
import {
  connectRaw,
  encodeFrame,
  encodeText,
  handshake,
  messageJson,
  opcodes,
  openRaw,
  RawConnection,
} from "../support/raw.ts";
import { unlimited, useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

// WebSocket frames as they arrive over TCP: whole, in pieces, too long, and in violation of RFC 6455.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";
const bob = "bob@example.com";
const MAX_FRAME_BYTES = 65_536;

async function storedTexts(room: string): Promise<(string | null)[]> {
  const messages = await server.asOperator((chat) => readRange(chat, room, { limit: 100 }));
  return messages.map(({ text }) => text);
}

describe.each([...dialects])("%s", (dialect) => {
  const encode = (text: string) => encodeText(dialect, text);

  /** A room with Alice on a raw connection and Bob on an ordinary one. */
  async function pair() {
    const room = await server.createRoom([alice, bob]);
    const raw = await connectRaw(dialect, server.host, room, await server.token(alice));
    return { room, raw, listener: await server.connect(dialect, room, bob) };
  }

  const padded = (length: number) => messageJson(dialect, "padded").padEnd(length);

  test("a frame has up to 64 KiB; one byte more closes the connection with 1009", async () => {
    const { room, raw, listener } = await pair();
    raw.write(encodeFrame(padded(MAX_FRAME_BYTES)));
    expect(await listener.nextText()).toBe("padded");
    raw.write(encodeFrame(padded(MAX_FRAME_BYTES + 1)), encode("after it"));
    expect(await raw.close()).toMatchObject({ code: 1009 });
    await raw.ended;
    expect(await storedTexts(room)).toEqual(["padded"]);
  });

  test.each<[name: string, code: number, ...frames: Buffer[]]>([
    ["invalid UTF-8", 1007, encodeFrame(Buffer.from([0x22, 0xff, 0xfe, 0x22]))],
    ["an encoded surrogate", 1007, encodeFrame(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))],
    ["an overlong encoding", 1007, encodeFrame(Buffer.from([0x22, 0xc0, 0xaf, 0x22]))],
    ["a frame over 64 KiB", 1009, encodeFrame("x".repeat(MAX_FRAME_BYTES + 1))],
    [
      "fragments of over 64 KiB",
      1009,
      encodeFrame("x".repeat(40_000), { fin: false }),
      encodeFrame("x".repeat(40_000), { opcode: 0 }),
    ],
    ["a header that claims 2^40 bytes", 1009, encodeFrame("", { claim: 1n << 40n })],
    ["a header that claims 2^63 bytes", 1009, encodeFrame("", { claim: 1n << 63n })],
    ["a header that claims 2^64 - 1 bytes", 1009, encodeFrame("", { claim: (1n << 64n) - 1n })],
    ["an unmasked frame", 1002, encodeFrame("{}", { masked: false })],
    ["a compressed frame, which was not agreed on", 1002, encodeFrame("{}", { reserved: 4 })],
    ["a reserved bit", 1002, encodeFrame("{}", { reserved: 1 })],
    ["a reserved opcode", 1002, encodeFrame("{}", { opcode: 3 })],
    ["a reserved control opcode", 1002, encodeFrame("", { opcode: 11 })],
    ["a fragmented ping", 1002, encodeFrame("x", { opcode: opcodes.ping, fin: false })],
    ["a ping of 126 bytes", 1002, encodeFrame("x".repeat(126), { opcode: opcodes.ping })],
    ["a continuation of nothing", 1002, encodeFrame("{}", { opcode: opcodes.continuation })],
    [
      "a message inside a fragmented one",
      1002,
      encodeFrame('{"mess', { fin: false }),
      encodeText(dialect, "inside"),
    ],
    ["a close frame with half a code", 1002, encodeFrame("x", { opcode: opcodes.close })],
    [
      "a close frame with a reserved code",
      1002,
      encodeFrame(Buffer.from([3, 0xee]), { opcode: opcodes.close }),
    ],
  ])("%s closes the connection with %d and affects nobody else", async (_, code, ...frames) => {
    const { room, raw, listener } = await pair();
    raw.write(...frames, encode("after it"));
    expect(await raw.close()).toMatchObject({ code });
    await raw.ended;
    listener.post("fine");
    expect(await listener.nextText()).toBe("fine");
    expect(await storedTexts(room)).toEqual(["fine"]);
  });

  test("a message may come in fragments, even within a character, with a ping that is answered in between", async () => {
    const { raw, listener } = await pair();
    const json = Buffer.from(messageJson(dialect, "żółw"));
    const middle = json.indexOf("ż") + 1;
    raw.write(
      encodeFrame(json.subarray(0, middle), { fin: false }),
      encodeFrame(json.subarray(middle, middle + 2), { fin: false, opcode: opcodes.continuation }),
      encodeFrame("still there?", { opcode: opcodes.ping }),
      encodeFrame(json.subarray(middle + 2), { opcode: opcodes.continuation }),
    );
    let frame = await raw.frame();
    // Presence may come first.
    while (frame.opcode === opcodes.text) frame = await raw.frame();
    expect(frame).toEqual({ opcode: opcodes.pong, payload: Buffer.from("still there?") });
    expect(await raw.nextTextOrCode()).toBe("żółw");
    expect(await listener.nextText()).toBe("żółw");
    raw.destroy();
  });

  test("a frame may come byte by byte", async () => {
    const { raw } = await pair();
    raw.socket.setNoDelay(true);
    for (const byte of encode("żółw 👍")) {
      raw.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await raw.nextTextOrCode()).toBe("żółw 👍");
    raw.destroy();
  });

  test("a close frame is answered with its code, and the message before it is stored", async () => {
    const { room, raw, listener } = await pair();
    const close = Buffer.concat([Buffer.from([3, 0xe8]), Buffer.from("bye")]);
    raw.write(encode("last words"), encodeFrame(close, { opcode: opcodes.close }));
    expect(await raw.close()).toMatchObject({ code: 1000 });
    await raw.ended;
    expect(await listener.nextText()).toBe("last words");
    expect(await storedTexts(room)).toEqual(["last words"]);
  });

  test("1,000 messages in one write arrive once each and in order, at the sender and at others", async () => {
    const { raw, listener } = await pair();
    const texts = Array.from({ length: 1000 }, (_, index) => `message ${index}`);
    raw.write(...texts.map(encode));
    for (const text of texts) {
      expect(await raw.nextTextOrCode()).toBe(text);
      expect(await listener.nextText()).toBe(text);
    }
    raw.destroy();
  });

  test("valid and invalid messages in one write are each answered, and the valid ones keep their order", async () => {
    const { raw, listener } = await pair();
    const valid = Array.from({ length: 50 }, (_, index) => `message ${index}`);
    raw.write(...valid.flatMap((text) => [encode(text), encodeFrame("{}")]));
    const answers: string[] = [];
    while (answers.length < 100) answers.push(await raw.nextTextOrCode());
    const code = dialect === "classic" ? "invalid_message" : "invalid_command";
    expect(answers.filter((answer) => answer !== code)).toEqual(valid);
    for (const text of valid) expect(await listener.nextText()).toBe(text);
    raw.destroy();
  });

  test("frames that come right after the 101 are handled after the first frame, in order", async () => {
    const room = await server.createRoom([alice, bob]);
    const raw = await openRaw(dialect, server.host, room, await server.token(alice));
    const texts = Array.from({ length: 20 }, (_, index) => `message ${index}`);
    raw.write(...texts.map(encode));
    const first = await raw.next();
    if (dialect === "classic") expect(first).toEqual([]);
    else expect(first).toMatchObject({ type: "hello", rev: 0, messages: [] });
    for (const text of texts) expect(await raw.nextTextOrCode()).toBe(text);
    raw.destroy();
  });
});

async function sendAtOnce(room: string, email: string): Promise<{ raw: RawConnection; status: number }> {
  const raw = await RawConnection.open(server.host);
  const authorization = `Bearer ${await server.token(email)}`;
  const headers = { authorization, "sec-websocket-protocol": "chat.v2" };
  const texts = ["one", "two", "three"].map((text) => encodeText("chat.v2", text));
  raw.write(handshake(server.host, `/ws/chat/${room}/`, headers), ...texts);
  const { status } = await raw.answer();
  return { raw, status };
}

/** Repeats until the user is known, with everything that is looked up. */
async function sendAtOnceAsKnownUser(room: string, email: string): Promise<RawConnection> {
  let { raw, status } = await sendAtOnce(room, email);
  await waitUntil("the user is known", async () => {
    if (status === 101) return true;
    expect(status).toBe(400);
    raw.destroy();
    ({ raw, status } = await sendAtOnce(room, email));
    return false;
  });
  return raw;
}

/** The texts of the room, once nobody but Bob is in it. */
async function textsWhenAlone(room: string): Promise<string[]> {
  let texts: string[] = [];
  await waitUntil("Bob is alone", async () => {
    const client = await server.connectV2(room, bob);
    texts = client.initialTexts;
    await client.close();
    return client.hello.online.length === 1;
  });
  return texts;
}

// RFC 6455, section 4.1: a client waits for the 101 before it sends frames. Bun refuses an upgrade that has bytes behind it
// and is not answered in the turn in which it came, which is so for a user who must be looked up first.
describe("messages in one segment with the handshake", () => {
  test("of a known member are handled after the first frame", async () => {
    const room = await server.createRoom([alice, bob]);
    const raw = await sendAtOnceAsKnownUser(room, alice);
    expect(await raw.next()).toMatchObject({ type: "hello", rev: 0, messages: [] });
    for (const text of ["one", "two", "three"]) expect(await raw.nextTextOrCode()).toBe(text);
    raw.destroy();
    expect(await textsWhenAlone(room)).toEqual(["one", "two", "three"]);
  });

  test("of a known user who is not a member are ignored", async () => {
    const room = await server.createRoom([bob]);
    const raw = await sendAtOnceAsKnownUser(room, alice);
    expect(await raw.close()).toMatchObject({ code: 4404 });
    raw.destroy();
    expect(await textsWhenAlone(room)).toEqual([]);
  });

  test.each([true, false])("of a new user are refused as a whole (member: %p)", async (isMember) => {
    const email = `new-${crypto.randomUUID()}@example.com`;
    const room = await server.createRoom(isMember ? [bob, email] : [bob]);
    const { raw, status } = await sendAtOnce(room, email);
    expect(status).toBe(400);
    raw.destroy();
    expect(await textsWhenAlone(room)).toEqual([]);
  });
});

test("bytes that are not HTTP, half a request and half a frame do not harm the server", async () => {
  const garbage = await RawConnection.open(server.host);
  garbage.write("\u0016\u0003\u0001 hello\r\n\r\n");
  await garbage.ended;
  const half = await RawConnection.open(server.host);
  half.write("GET /ws/chat/lobby/ HTTP/1.1\r\nhost: x\r\nupgr");
  half.destroy();
  const room = await server.createRoom([alice]);
  const raw = await connectRaw("classic", server.host, room, await server.token(alice));
  raw.write(encodeFrame("half a mess", { claim: 100n }));
  raw.destroy();
  expect((await server.connectClassic(room, alice)).history).toEqual([]);
});
