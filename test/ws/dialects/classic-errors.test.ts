import { expect, test } from "bun:test";

import { connectRaw, encodeFrame, encodeText, opcodes } from "../../support/raw.ts";
import { unlimited, useServer } from "../../support/server.ts";

// Frames that are not a message, and texts at the limit of their length.

const server = useServer({ env: unlimited });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

const MAX_TEXT_BYTES = 16_384;
const MAX_FRAME_BYTES = 65_536;

/** A room with Alice on a raw connection and Bob as a listener. */
async function createPair() {
  const room = await createRoom([alice, bob]);
  const raw = await connectRaw("classic", server.host, room, await token(alice));
  return { room, raw, listener: await server.connectClassic(room, bob) };
}

const json = (message: unknown) => JSON.stringify({ message });

const refused: [what: string, frame: string | Buffer, code?: string][] = [
  ["text that is not JSON", "hello"],
  ["an empty frame", ""],
  ["an unfinished JSON object", '{"message":"x"'],
  ["JSON with something after it", '{"message":"x"}x'],
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
  ["a message of Unicode spaces", json("\u00a0\u2003\u3000\ufeff\u2028\u2029\u1680")],
  ["a message in __proto__", '{"__proto__":{"message":"x"}}'],
  ["a message in a constructor's prototype", '{"constructor":{"prototype":{"message":"x"}}}'],
  ["a key in another case", '{"Message":"x"}'],
  ["a lone high surrogate", '{"message":"a\\ud800"}'],
  ["a lone low surrogate", '{"message":"\\udc00a"}'],
  ["a NUL", '{"message":"a\\u0000b"}'],
  ["arrays nested as deep as a frame allows", "[".repeat(MAX_FRAME_BYTES)],
  ["objects nested as deep as a frame allows", '{"message":'.repeat(5900)],
  ["a text one byte too long", json(`${"é".repeat(MAX_TEXT_BYTES / 2)}x`), "message_too_long"],
  [
    "a text of three-byte characters that is too long",
    json("€".repeat(MAX_TEXT_BYTES / 3 + 1)),
    "message_too_long",
  ],
  ["a text of emoji that is too long", json("😀".repeat(MAX_TEXT_BYTES / 4 + 1)), "message_too_long"],
  ["a binary frame", encodeFrame(json("x"), { opcode: opcodes.binary })],
];

test.each(refused)(
  "%s is refused, to the sender alone, and nothing is stored",
  async (_, frame, code = "invalid_message") => {
    const { room, raw, listener } = await createPair();
    raw.write(typeof frame === "string" ? encodeFrame(frame) : frame);
    expect(await raw.next()).toStrictEqual({ error: { code, message: expect.stringMatching(/./) } });
    raw.write(encodeText("classic", "fine"));
    expect(await raw.next()).toEqual({ message: "fine" });
    expect(await listener.next()).toEqual({ message: "fine" });
    const { history } = await server.connectClassic(room, bob);
    expect(history).toEqual([{ text: "fine", sender_email: alice }]);
    raw.destroy();
  },
);

test.each([
  ["ASCII", "x".repeat(MAX_TEXT_BYTES)],
  ["two-byte characters", "é".repeat(MAX_TEXT_BYTES / 2)],
  ["three-byte characters", `${"€".repeat(5461)}x`],
  ["emoji", "😀".repeat(MAX_TEXT_BYTES / 4)],
])("a text of %s that is exactly as long as allowed is sent", async (_, text) => {
  expect(Buffer.byteLength(text)).toBe(MAX_TEXT_BYTES);
  const { raw, listener } = await createPair();
  raw.write(encodeText("classic", text));
  expect(await raw.next()).toEqual({ message: text });
  expect(await listener.next()).toEqual({ message: text });
  raw.destroy();
});
