import { describe, expect, test } from "bun:test";

import { type ClassicClient, dialects, V2Client } from "../support/client.ts";
import { unlimited, useServer } from "../support/server.ts";

// What a message's text may be, in both dialects. The rules are tested one by one in chat/validation.test.ts.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";
const MAX_TEXT_BYTES = 16_384;

/** The text that everybody gets, or the code of the error. */
async function resultOf(client: ClassicClient | V2Client, text: string): Promise<string> {
  client.post(text);
  return client.nextTextOrCode();
}

/** The same for an edit of message 1. */
async function resultOfEdit(client: V2Client, text: string): Promise<string | undefined> {
  const answer = await client.command({ type: "edit", seq: 1, text });
  return answer.type === "error" ? answer.code : client.messages.get(1)?.text;
}

describe.each([...dialects])("%s", (dialect) => {
  test.each<[name: string, code: string, text: string]>([
    ["no characters", "invalid_message", ""],
    ["white space", "invalid_message", " \t\r\n \u00a0\u2003\u3000\ufeff\u2028\u2029\u1680"],
    ["invisible characters", "invalid_message", "\u200b\u2800\u3164\ufe0f\u202e\u034f"],
    ["control characters", "invalid_message", "\u0001\u007f"],
    ["a lone high surrogate", "invalid_message", "a\ud800"],
    ["a lone low surrogate", "invalid_message", "\udc00a"],
    ["a NUL", "invalid_message", "a\0b"],
    ["one byte too much", "message_too_long", `${"é".repeat(MAX_TEXT_BYTES / 2)}x`],
    ["too many three-byte letters", "message_too_long", "€".repeat(MAX_TEXT_BYTES / 3 + 1)],
    ["too many emoji", "message_too_long", "😀".repeat(MAX_TEXT_BYTES / 4 + 1)],
  ])("a text of %s is refused as %s, to the sender alone, and is not stored", async (_, code, text) => {
    const room = await server.createRoom([alice]);
    const [client, other] = [
      await server.connect(dialect, room, alice),
      await server.connect(dialect, room, alice),
    ];
    expect(await resultOf(client, "first")).toBe("first");
    expect(await resultOf(client, text)).toBe(code);
    if (client instanceof V2Client) expect(await resultOfEdit(client, text)).toBe(code);
    expect(await resultOf(client, "last")).toBe("last");
    for (const expected of ["first", "last"]) expect(await other.nextText()).toBe(expected);
    expect((await server.connect(dialect, room, alice)).initialTexts).toEqual(["first", "last"]);
  });

  test.each<[name: string, text: string]>([
    ["ASCII", "x".repeat(MAX_TEXT_BYTES)],
    ["two-byte letters", "é".repeat(MAX_TEXT_BYTES / 2)],
    ["three-byte letters", `${"€".repeat(5461)}x`],
    ["emoji", "😀".repeat(MAX_TEXT_BYTES / 4)],
    // They are longer as JSON.
    ["control characters and a letter", `${"\u0001".repeat(10_000)}x`],
  ])("a text of %s may be as long as the limit", async (_, text) => {
    const client = await server.connect(dialect, await server.createRoom([alice]), alice);
    expect(await resultOf(client, text)).toBe(text);
    if (client instanceof V2Client) expect(await resultOfEdit(client, text)).toBe(text);
  });

  test("a text is broadcast and stored exactly as it was sent", async () => {
    const room = await server.createRoom([alice]);
    const client = await server.connect(dialect, room, alice);
    const texts = [
      '"\\/\b\f\n\r\t',
      "  spaces around  ",
      "żółw 你好 👩‍👩‍👧 \u202e",
      "e\u0301 is not é",
      "</script>\u2028",
      "{}",
      "0",
      "\u0001\u007fx",
    ];
    for (const text of texts) expect(await resultOf(client, text)).toBe(text);
    expect((await server.connect(dialect, room, alice)).initialTexts).toEqual(texts);
  });

  test("PARLEY_MAX_TEXT sets the limit, and 0 lifts it", async () => {
    for (const [limit, long] of [
      ["10", "message_too_long"],
      ["0", "éééééa"],
    ] as const) {
      await using parley = await server.startAnother({ env: { PARLEY_MAX_TEXT: limit } });
      const room = await parley.createRoom([alice]);
      const client = await parley.connect(dialect, room, alice);
      for (const text of ["0123456789", "ééééé"]) expect(await resultOf(client, text)).toBe(text);
      expect(await resultOf(client, "éééééa")).toBe(long);
    }
  });
});
