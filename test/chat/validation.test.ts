import { describe, expect, test } from "bun:test";

import { asChatError, type Code } from "../../src/chat/errors.ts";
import type { Meta } from "../../src/chat/model.ts";
import {
  checkMessageText,
  emojiKey,
  encodeMeta,
  isClientName,
  isEmail,
  isEmoji,
  isRoomId,
  isUserId,
  normalizeEmail,
  parseInvitee,
  parseRoomName,
} from "../../src/chat/validation.ts";

/** Why it throws; undefined when it does not. */
function refusal(work: () => unknown): { code: Code; message: string } | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    const { code, message } = asChatError(error);
    return { code, message };
  }
}

const xs = (length: number) => "x".repeat(length);

/** The code points of a text, for the name of a test. */
const points = (text: string) =>
  Array.from(text, (each) => `U+${each.codePointAt(0)?.toString(16)}`).join(" ");

const invisible = [
  "",
  " ",
  "\n\t\u00a0\u2003\u3000",
  "\0",
  "\u0007",
  // Variation selectors, fillers, joiners, marks of direction, tags, a byte order mark.
  ...Array.from(
    "\ufe0f\ufe0e\u3164\u115f\u1160\uffa0\u034f\u200b\u200c\u200d\u2060\u202e\u2066\u061c\u180e\ufeff\u{e0061}\u{e0100}",
  ),
  // Blanks that Unicode counts as symbols.
  "\u2800",
  "\u{1d159}",
  // A lone surrogate, a noncharacter.
  "\ud800",
  "\ufffe",
  " \u200b\u2800\ufe0f\u3164 ",
].map((text) => [points(text), text] as const);

describe.each(invisible)("%s shows nothing", (_, text) => {
  test("so it is no message, no reaction and no room name", () => {
    expect(refusal(() => checkMessageText(text, 0))?.code).toBe("invalid_message");
    expect(isEmoji(text)).toBe(false);
    expect(refusal(() => parseRoomName(text))?.code).toBe("invalid_command");
  });
});

describe("a message's text", () => {
  test.each(["a", ".", "\u200ba", "❤️", "👩‍👩‍👧", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "می‌خواهم", "אב\u200f", "\u0301", "한글", " x "])(
    "%p is accepted",
    (text) => {
      expect(refusal(() => checkMessageText(text, 0))).toBeUndefined();
    },
  );

  test.each(["a\0b", "a\ud800", "\udc00a"])("%p is refused: not every database can store it", (text) => {
    expect(refusal(() => checkMessageText(text, 0))).toMatchObject({
      code: "invalid_message",
      message: expect.stringContaining("surrogates"),
    });
  });

  test.each([
    ["12345678", undefined],
    ["€€12", undefined],
    ["😀😀", undefined],
    ["123456789", "message_too_long"],
    ["€€€", "message_too_long"],
    ["😀😀1", "message_too_long"],
    ["         ", "message_too_long"],
  ] as const)("of %p up to 8 bytes of UTF-8 are accepted: %p", (text, code) => {
    expect(refusal(() => checkMessageText(text, 8))?.code).toBe(code);
    expect(refusal(() => checkMessageText(text, 0))?.code).not.toBe("message_too_long");
  });
});

const encode = (json: string) => encodeMeta(JSON.parse(json) as Meta);
/** Objects inside each other. */
const nested = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`;

describe("metadata", () => {
  test.each([
    "{}",
    '{"b":1,"a":[true,false,null,"é😀",-1.5,1e-7,9007199254740991]}',
    '{"__proto__":{"__proto__":1},"constructor":null,"toJSON":"x","":""}',
    nested(16),
    nested(15).replace("{}", "[]"),
  ])("%s is stored as it was sent", (json) => {
    expect(encode(json)).toBe(json);
    expect(encode(` ${json.replaceAll(":", " : ")}\n`)).toBe(json);
  });

  test.each([
    ["NUL", '{"a":"\\u0000"}', "surrogates nor NUL"],
    ["a lone surrogate", '{"a":["\\ud800"]}', "surrogates nor NUL"],
    ["a lone surrogate in a key", '{"a":{"\\udc00":1}}', "surrogates nor NUL"],
    ["17 levels of objects", nested(17), "16 levels"],
    ["17 levels of arrays", `{"a":${"[".repeat(16)}${"]".repeat(16)}}`, "16 levels"],
    ["many levels", nested(5000), "16 levels"],
    ["a whole number that is rounded", '{"a":9007199254740993}', "too large to be exact"],
    ["a whole number of many digits", '{"a":1234567890123456789012}', "too large to be exact"],
    ["a number out of range", '{"a":-1e400}', "too large to be exact"],
  ])("with %s is refused with the reason", (_, json, reason) => {
    expect(refusal(() => encode(json))).toEqual({
      code: "invalid_message",
      message: expect.stringContaining(reason),
    });
  });

  test.each([
    ["x", 1],
    ["é", 2],
    ["€", 3],
    ["😀", 4],
  ])("has up to 4,096 bytes of UTF-8, of %p as of any other character", (character, bytes) => {
    const room = 4096 - '{"a":""}'.length;
    const text = character.repeat(Math.floor(room / bytes)) + "x".repeat(room % bytes);
    expect(Buffer.byteLength(encodeMeta({ a: text }))).toBe(4096);
    expect(refusal(() => encodeMeta({ a: `${text}x` }))).toEqual({
      code: "message_too_long",
      message: expect.stringContaining("4096 bytes"),
    });
  });
});

describe("a reaction", () => {
  test.each(["👍", "❤", "❤️", "👩‍👩‍👧", "👩🏽‍🤝‍👩🏻", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", ":tada:", "+1", "é", "!"])("%p is accepted", (text) => {
    expect(isEmoji(text)).toBe(true);
  });

  test.each(["a b", "👍\n", "\u202e👍", "a\u3164", "x".repeat(33), "👍\u200b"])("%p is refused", (text) => {
    expect(isEmoji(text)).toBe(false);
  });

  test("is the same with and without presentation selectors, and in NFC", () => {
    expect(emojiKey("❤\ufe0f")).toBe(emojiKey("❤"));
    expect(emojiKey("❤\ufe0e")).toBe(emojiKey("❤"));
    expect(emojiKey("1\ufe0f\u20e3")).toBe(emojiKey("1\u20e3"));
    expect(emojiKey("e\u0301")).toBe(emojiKey("é"));
    expect(emojiKey("👍🏽")).not.toBe(emojiKey("👍"));
    expect(emojiKey("👩‍👧")).not.toBe(emojiKey("👩👧"));
  });
});

describe("a room name", () => {
  test.each([
    ["  Büro 🏢 ", "Büro 🏢"],
    ["Cafe\u0301", "Café"],
    ["👩‍👩‍👧 family ❤️", "👩‍👩‍👧 family ❤️"],
    ["اتاق می‌خواهم", "اتاق می‌خواهم"],
    ["x".repeat(200), "x".repeat(200)],
  ])("%p is stored as %p", (text, name) => {
    expect(parseRoomName(text)).toBe(name);
  });

  test.each(["a\u200bb", "a\u202eb", "a\u3164b", "a\u2800b", "a\tb", "a\nb", "a\u2003b", "a\ud800"])(
    "%p is refused: it has an invisible character",
    (text) => {
      expect(refusal(() => parseRoomName(text))?.message).toContain("invisible");
    },
  );

  test.each(["", " ", "x".repeat(201)])("%p is refused for its length", (text) => {
    expect(refusal(() => parseRoomName(text))).toMatchObject({
      code: "invalid_command",
      message: expect.stringContaining("1 to 200"),
    });
  });
});

describe("an invitation", () => {
  test.each([
    ["alice@example.com", { email: "alice@example.com" }],
    [" Alice@Example.COM ", { email: "alice@example.com" }],
    ["alice@intranet", { email: "alice@intranet" }],
    ["jose\u0301@example.com", { email: "josé@example.com" }],
    // The sign for kelvin is a K in NFC. Other letters keep their case.
    ["al\u212Ae@example.com", { email: "alke@example.com" }],
    ["É@example.com", { email: "É@example.com" }],
    ["auth0|5f7c8ec7c33c6c004bbafe82", { sub: "auth0|5f7c8ec7c33c6c004bbafe82" }],
    ["sub:machine@clients", { sub: "machine@clients" }],
    ["sub:x y", { sub: "x y" }],
  ])("of %p is accepted", (text, invitee) => {
    expect(parseInvitee(text)).toEqual(invitee);
  });

  const [user, email] = [/^Expected an email address or a user id/, /^This is not an email address/];
  test.each([
    ["", user],
    [" ", user],
    ["x y", user],
    ["a\0b", user],
    ["a\ud800", user],
    ["a\u200bb", user],
    ["sub:", user],
    ["sub:a\0b", user],
    ["alice@@example.com", email],
    ["@example.com", email],
    ["Alice <alice@example.com>", email],
    ["ali\u200bce@example.com", email],
    ["alice\u3164@example.com", email],
    ["alice@example\u2800.com", email],
  ])("of %p is refused with the reason", (text, reason) => {
    const message = expect.stringMatching(reason);
    expect(refusal(() => parseInvitee(text))).toMatchObject({ code: "invalid_command", message });
  });

  test("of an id or an email that no token can have for its length is refused with the reason", () => {
    for (const prefix of ["", "sub:"]) {
      expect(parseInvitee(`${prefix}${xs(255)}`)).toEqual({ sub: xs(255) });
      expect(refusal(() => parseInvitee(`${prefix}${xs(256)}`))?.message).toContain("at most 255 characters");
    }
    expect(parseInvitee(`${xs(242)}@example.com`)).toEqual({ email: `${xs(242)}@example.com` });
    const tooLong = refusal(() => parseInvitee(`${xs(243)}@example.com`));
    expect(tooLong?.message).toContain("at most 254 characters");
  });
});

test("an email has one @, nothing invisible, and up to 254 characters", () => {
  for (const email of ["a@b", `${"x".repeat(242)}@example.com`, "josé@exämple.com"])
    expect(isEmail(email)).toBe(true);
  for (const text of ["", "a", "a@", "@b", "a@b@c", "a b@c", "a\u00ad@b", `${"x".repeat(243)}@example.com`])
    expect(isEmail(text)).toBe(false);
  expect(normalizeEmail(" E\u0301Q@Example.COM ")).toBe("Éq@example.com");
});

test("a user id has 1 to 255 characters that can be stored", () => {
  for (const id of ["x", " ", "x".repeat(255), "a@b"]) expect(isUserId(id)).toBe(true);
  for (const id of ["", "x".repeat(256), "a\0", "\ud800"]) expect(isUserId(id)).toBe(false);
});

test("a room id has 1 to 100 characters of the URL's own", () => {
  for (const id of ["a", "Team-1_x.y", "-", "9".repeat(100)]) expect(isRoomId(id)).toBe(true);
  for (const id of ["", ".", ".a", "a/b", "a b", "ä", "a\n", "9".repeat(101)])
    expect(isRoomId(id)).toBe(false);
});

test("a client's name for something has 1 to 64 characters, however they are counted", () => {
  for (const name of ["x", " ", "x".repeat(64), "😀".repeat(64)]) expect(isClientName(name)).toBe(true);
  for (const name of ["", "x".repeat(65), "😀".repeat(65), `${"😀".repeat(64)}x`])
    expect(isClientName(name)).toBe(false);
});
