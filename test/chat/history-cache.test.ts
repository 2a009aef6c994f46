import { expect, test } from "bun:test";

import { HistoryCache } from "../../src/chat/history-cache.ts";
import type { History } from "../../src/chat/store.ts";
import { message, range } from "../support/samples.ts";

const history = (text = "text"): History => ({ seq: 1, rev: 1, messages: [message(1, 1, text)] });

test("a history is kept for a second, as of its rev", () => {
  let now = 0;
  const cache = new HistoryCache(() => now);
  const kept = history();
  cache.set(7, 50, kept);
  now = 999;
  expect(cache.get(7, 50, 1)).toBe(kept);
  expect([cache.get(7, 50, 2), cache.get(8, 50, 1)]).toEqual([undefined, undefined]);
  now = 1000;
  expect(cache.get(7, 50, 1)).toBeUndefined();
});

test("histories of 256 rooms are kept; the oldest makes way for another", () => {
  const cache = new HistoryCache(() => 0);
  const kept = () => range(0, 256).filter((room) => cache.get(room, 50, 1) !== undefined);
  for (const room of range(0, 255)) cache.set(room, 50, history());
  cache.set(0, 50, history());
  expect(kept()).toEqual(range(0, 255));
  cache.set(256, 50, history());
  expect(kept()).toEqual([0, ...range(2, 256)]);
});

test("a history with more than 64 Ki of text and metadata is not kept, nor the one that it replaces", () => {
  const cache = new HistoryCache(() => 0);
  cache.set(7, 50, history("x".repeat(65_536)));
  expect(cache.get(7, 50, 1)).toBeDefined();
  cache.set(7, 50, history("x".repeat(65_537)));
  expect(cache.get(7, 50, 1)).toBeUndefined();
  const withMeta = { ...message(1, 1, "x".repeat(65_535)), meta: "{}" };
  cache.set(7, 50, { ...history(), messages: [withMeta] });
  expect(cache.get(7, 50, 1)).toBeUndefined();
});
