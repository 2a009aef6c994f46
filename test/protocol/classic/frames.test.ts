import { describe, expect, test } from "bun:test";

import { asChatError, ChatError } from "../../../src/chat/errors.ts";
import type { Message } from "../../../src/chat/model.ts";
import { compileClassic, defaultClassic } from "../../../src/protocol/classic/classic.ts";
import type { ClassicFrames } from "../../../src/protocol/classic/frames.ts";
import { messageVariables } from "../../../src/protocol/classic/variables.ts";
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

/** The history of four messages in another order and frame, in which only their numbers stand. */
const encodeNumbers = (order: string, maxBytes: number) => {
  const history = { order, frame: { type: "history", room: "$room_name", messages: "$items" } };
  const { frames: described } = compileClassic({ history, item: "$seq" });
  return described.encodeHistory(
    range(1, 4).map((seq) => message(seq)),
    room,
    maxBytes,
  );
};
const numbersFrame = (seqs: number[]) => JSON.stringify({ type: "history", room: "Lobby", messages: seqs });

describe("described by classic.json", () => {
  const bob = { ...actor(2), name: "Bob" };
  const sentAt = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  const full: Message = {
    ...message(7, 9, "Hi"),
    sender: bob,
    sentAt,
    editedAt: sentAt + 1000,
    clientId: "42",
  };

  test("every variable has its value", () => {
    const names = Object.keys(messageVariables).map((name) => [name, `$${name}`]);
    const { frames: described } = compileClassic({ message: Object.fromEntries(names) });
    const frame = described.encodeChange({ kind: "created", message: full }, room);
    expect(JSON.parse(frame ?? "")).toEqual({
      text: "Hi",
      seq: 7,
      rev: 9,
      id: "lobby:7",
      sender_email: "user-2@example.com",
      sender_id: "sub|2",
      sender_number: null,
      sender_name: "Bob",
      sent_at: "2026-01-02T03:04:05.678Z",
      sent_at_ms: sentAt,
      edited_at: "2026-01-02T03:04:06.678Z",
      client_id: "42",
      meta: null,
      room: "lobby",
      room_name: "Lobby",
    });
  });

  test("a sender without a name, or without an email, is shown with what there is", () => {
    const { frames: described } = compileClassic({
      message: ["$sender_name", "$sender_email", "$sender_id"],
    });
    const shown = (sender: Partial<Message["sender"]>) =>
      described.encodeChange({ kind: "created", message: { ...full, sender: { ...bob, ...sender } } }, room);
    expect(shown({ name: null })).toBe('["user-2@example.com","user-2@example.com","sub|2"]');
    expect(shown({ name: null, email: null })).toBe('["sub|2","sub|2","sub|2"]');
    expect(shown({ name: null, id: null, email: null })).toBe('["","",null]');
  });

  test("an id of digits is a number for clients that compare numbers", () => {
    const { frames: described } = compileClassic({ message: ["$sender_number"] });
    const numberOf = (id: string | null) =>
      described.encodeChange({ kind: "created", message: { ...full, sender: { ...bob, id } } }, room);
    expect(["42", "0", "042", "1e3", "9".repeat(16), "", null].map(numberOf)).toEqual([
      "[42]",
      "[0]",
      ...Array.from({ length: 5 }, () => "[null]"),
    ]);
  });

  test("the history comes in its order and frame, and leaves out the oldest messages in either order", () => {
    expect(encodeNumbers("oldest", 1000)).toBe(numbersFrame([1, 2, 3, 4]));
    expect(encodeNumbers("newest", 1000)).toBe(numbersFrame([4, 3, 2, 1]));
    const bytes = numbersFrame([1, 2]).length;
    expect([encodeNumbers("oldest", bytes), encodeNumbers("newest", bytes)]).toEqual([
      numbersFrame([3, 4]),
      numbersFrame([4, 3]),
    ]);
    expect(encodeNumbers("newest", bytes - 1)).toBe(numbersFrame([4]));
  });

  test("edits and deletions are told where templates say how, and reactions are not", () => {
    const told = compileClassic({ edited: { e: "$seq", t: "$text" }, deleted: { d: "$seq" } }).frames;
    const deleted = { ...full, text: null, deletedAt: 1 };
    const changes = [
      { kind: "edited", message: full },
      { kind: "deleted", message: deleted },
      { kind: "reacted", message: full },
    ] as const;
    const framesOf = (of: ClassicFrames) => changes.map((change) => of.encodeChange(change, room));
    expect(framesOf(told)).toEqual(['{"e":7,"t":"Hi"}', '{"d":7}', undefined]);
    expect(framesOf(defaultClassic.frames)).toEqual([undefined, undefined, undefined]);
    const missed = [message(1), { ...message(2), text: null, deletedAt: 1 }, message(3), full, deleted];
    const created = new Set(missed.slice(0, 2));
    expect(told.encodeMissed(missed, created, room)).toEqual([
      '{"message":"text 1"}',
      undefined,
      undefined,
      '{"e":7,"t":"Hi"}',
      '{"d":7}',
    ]);
  });

  test("errors have a shape of their own, or are not told", () => {
    const error = new ChatError("conflict", "Taken.");
    const encode = (template: unknown) => compileClassic({ error: template }).frames.encodeError(error);
    expect(encode({ type: "error", detail: "$reason", code: "$code" })).toBe(
      '{"type":"error","detail":"Taken.","code":"conflict"}',
    );
    expect(encode(null)).toBeUndefined();
  });
});
