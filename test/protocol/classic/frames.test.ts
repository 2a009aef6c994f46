import { describe, expect, test } from "bun:test";

import { asChatError, ChatError } from "../../../src/chat/errors.ts";
import type { Message } from "../../../src/chat/model.ts";
import { defaultClassic } from "../../../src/protocol/classic/classic.ts";
import { MAX_FIRST_FRAME_BYTES } from "../../../src/ws/limits.ts";
import { actor, message, range } from "../../support/samples.ts";

const { frames, parseFrame } = defaultClassic;
const room = { id: "lobby", name: "Lobby" };
const encodeHistory = (messages: readonly Message[], maxBytes: number) =>
  frames.encodeHistory(messages, room, maxBytes);

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

  test("leaves out the oldest messages when it is too long, and no more than it must", () => {
    const messages = [5, 300, 20, 10].map((length, index) =>
      message(index + 1, index + 1, "€".repeat(length)),
    );
    const count = (maxBytes: number) => read(encodeHistory(messages, maxBytes)).length;
    for (const kept of range(1, 4)) {
      const bytes = Buffer.byteLength(encodeHistory(messages.slice(-kept), MAX_FIRST_FRAME_BYTES));
      expect([count(bytes), count(bytes - 1)]).toEqual([kept, kept - 1]);
    }
    const escaped = encodeHistory(filled("\u0001".repeat(10_000)), MAX_FIRST_FRAME_BYTES);
    expect(Buffer.byteLength(escaped)).toBeLessThanOrEqual(MAX_FIRST_FRAME_BYTES);
    expect(read(escaped).length).toBeGreaterThan(10);
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
  const change = { kind: "created", message: message(1, 1, '"\\') } as const;
  expect(frames.encodeChange(change, room)).toBe('{"message":"\\"\\\\"}');
  const error = new ChatError("conflict", "Taken.", { retryAfterMs: 5, details: { seq: 3 } });
  expect(JSON.parse(frames.encodeError(error) ?? "")).toEqual({
    error: { code: "conflict", message: "Taken." },
  });
});

test("a client's frame is an object with a message, whatever else it has", () => {
  const sent = { type: "send", text: " hi ", clientId: null } as const;
  expect(parseFrame('{"message":" hi ","other":1}', "lobby")).toEqual(sent);
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
        return parseFrame(frame, "lobby");
      } catch (error) {
        return asChatError(error).code;
      }
    })();
    expect([frame, code]).toEqual([frame, "invalid_message"]);
  }
});
