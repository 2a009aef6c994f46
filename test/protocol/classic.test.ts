import { expect, test } from "bun:test";

import type { Message } from "../../src/chat/model.ts";
import { history } from "../../src/protocol/classic.ts";
import { message } from "../support/people.ts";

/** What the socket allows: 1 MiB less a frame. */
const most = (1 << 20) - 65_536;

const filled = (count: number, text: string): Message[] =>
  Array.from({ length: count }, (_, index) => message(index + 1, index + 1, text));
const read = (frame: string) => JSON.parse(frame) as { text: string; sender_email: string }[];

test("fifty messages of the greatest length are all in the history, whatever their letters", () => {
  for (const text of ["x".repeat(16_384), "€".repeat(5461), "😀".repeat(4096)]) {
    const frame = history(filled(50, text), most);
    expect(read(frame).map((entry) => entry.text)).toEqual(Array.from({ length: 50 }, () => text));
    expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(most);
  }
});

test("a history that escapes make too long loses its oldest messages, and no more than it must", () => {
  const messages = filled(50, "\u0001".repeat(10_000));
  const [entry] = read(history(messages.slice(0, 1), most));
  const each = Buffer.byteLength(JSON.stringify(entry)) + 1;
  const frame = history([...messages, message(51, 51, "newest")], most);
  const kept = read(frame);
  expect(kept.at(-1)?.text).toBe("newest");
  expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(most);
  expect(Buffer.byteLength(frame)).toBeGreaterThan(most - each);
  expect(kept.length).toBeGreaterThan(10);
});

test("no history is an empty list", () => {
  expect(history([], most)).toBe("[]");
});
