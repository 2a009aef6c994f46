import { describe, expect, test } from "bun:test";

import { asChatError, ChatError } from "../../src/chat/errors.ts";
import { encodeCreated, encodeError, encodeHistory, parseMessage } from "../../src/protocol/classic.ts";
import { MAX_FIRST_FRAME_BYTES } from "../../src/ws/limits.ts";
import { actor, message, range } from "../support/people.ts";

/** The history of 50 messages with this text, and what a client reads of it. */
const filled = (text: string) => range(1, 50).map((seq) => message(seq, seq, text));
const read = (frame: string) => JSON.parse(frame) as { text: string; sender_email: string }[];

describe("the history", () => {
  test.each(["x".repeat(16_384), "€".repeat(5461), "😀".repeat(4096)])(
    "has all of 50 messages of the greatest length",
    (text) => {
      const frame = encodeHistory(filled(text), MAX_FIRST_FRAME_BYTES);
      expect(read(frame).map((entry) => entry.text)).toEqual(Array(50).fill(text));
      expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(MAX_FIRST_FRAME_BYTES);
    },
  );

  test("leaves out the oldest messages when escapes make it too long, and no more than it must", () => {
    const messages = [...filled("\u0001".repeat(10_000)), message(51, 51, "newest")];
    const [entry] = read(encodeHistory(messages.slice(0, 1), MAX_FIRST_FRAME_BYTES));
    const entryBytes = Buffer.byteLength(JSON.stringify(entry)) + 1;
    const frame = encodeHistory(messages, MAX_FIRST_FRAME_BYTES);
    expect(read(frame).at(-1)?.text).toBe("newest");
    expect(read(frame).length).toBeGreaterThan(10);
    expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(MAX_FIRST_FRAME_BYTES);
    expect(Buffer.byteLength(frame)).toBeGreaterThan(MAX_FIRST_FRAME_BYTES - entryBytes);
  });

  test("names senders by email, or else by sub, and leaves out deleted messages", () => {
    const sender = { ...actor(2), email: null };
    const deleted = { ...message(2), text: null, deletedAt: 1 };
    const messages = [message(1), deleted, { ...message(3), sender }];
    expect(read(encodeHistory(messages, 1000))).toEqual([
      { text: "text 1", sender_email: "user-1@example.com" },
      { text: "text 3", sender_email: "sub|2" },
    ]);
    expect(encodeHistory([], 1000)).toBe("[]");
  });
});

test("a new message and an error have the keys of the old server, and no others", () => {
  expect(encodeCreated(message(1, 1, '"\\'))).toBe('{"message":"\\"\\\\"}');
  const error = new ChatError("conflict", "Taken.", { retryAfterMs: 5, details: { seq: 3 } });
  expect(JSON.parse(encodeError(error))).toEqual({ error: { code: "conflict", message: "Taken." } });
});

test("a client's frame is an object with a message, whatever else it has", () => {
  expect(parseMessage('{"message":" hi ","other":1}')).toBe(" hi ");
  for (const frame of [
    "",
    "{",
    "null",
    "[]",
    '"x"',
    "{}",
    '{"message":1}',
    '{"message":null}',
    '{"Message":"x"}',
  ]) {
    const code = (() => {
      try {
        return parseMessage(frame);
      } catch (error) {
        return asChatError(error).code;
      }
    })();
    expect([frame, code]).toEqual([frame, "invalid_message"]);
  }
});
