import { expect, test } from "bun:test";

import { HistoryReader } from "../../src/chat/history.ts";
import type { Page } from "../../src/chat/model.ts";
import type { History } from "../../src/chat/store.ts";
import { range, settle } from "../support/samples.ts";
import { createSync } from "../support/sync-harness.ts";

/** A room that is followed from the start, in a store whose reads the test answers. */
async function setUp(messages = 0) {
  const { store, key, sync, listeners, hear, follow } = createSync(messages);
  await follow();
  const clock = { now: 0 };
  const history = new HistoryReader(store, sync, () => clock.now);
  /** Notes how a read ends. What it returns must have been published by then. */
  const watch = <T extends Page | History>(read: Promise<T>) => {
    const pending = { result: undefined as T | undefined, error: undefined as unknown };
    const finish = async () => {
      try {
        const result = await read;
        expect(result.rev).toBeLessThanOrEqual(sync.position(key)?.rev ?? 0);
        for (const { rev } of result.messages) expect(rev).toBeLessThanOrEqual(result.rev);
        pending.result = result;
      } catch (error) {
        pending.error = error;
      }
    };
    void finish();
    return pending;
  };
  const last = () => watch(history.last(key, 50));
  const changesSince = (rev: number, limit = 100) => watch(history.changesSince(key, rev, limit));
  return { store, key, sync, history, listeners, clock, hear, last, changesSince };
}

/** A result in one line: its messages as `seq@rev`, and how far it goes. */
function line(result: Page | undefined): string | undefined {
  return result && [...result.messages.map(({ seq, rev }) => `${seq}@${rev}`), `→ ${result.rev}`].join(" ");
}

test("the history is the last 50 messages, oldest first, each as it is now", async () => {
  const { store, hear, last } = await setUp(60);
  hear(store.edit(12));
  const read = last();
  await store.answerAll();
  expect(read.result?.messages.map(({ seq }) => seq)).toEqual(range(11, 60));
  expect(read.result?.messages[1]).toMatchObject({ seq: 12, rev: 61, text: "edit 61" });
  expect(read.result).toMatchObject({ seq: 60, rev: 61 });
});

test("an empty room has an empty history and no changes", async () => {
  const { store, last, changesSince } = await setUp();
  const reads = [last(), changesSince(0)];
  await store.answerAll();
  expect(reads.map(({ result }) => line(result))).toEqual(["→ 0", "→ 0"]);
});

test("nothing is returned before it is published, however far ahead the store is", async () => {
  for (const readsAsOf of ["call", "answer"] as const) {
    const { store, listeners, last } = await setUp(2);
    store.readsAsOf = readsAsOf;
    const published: number[] = [];
    listeners.add((changes) => published.push(...changes.map(({ message }) => message.rev)));
    // Stored by another node, and no event so far.
    store.edit(1);
    const read = last();
    if (readsAsOf === "answer") store.edit(2);
    store.answer();
    await settle();
    expect([store.waiting, read.result, published]).toEqual([["changes 2"], undefined, []]);
    await store.answerAll();
    expect(line(read.result)).toBe(readsAsOf === "call" ? "1@3 2@2 → 3" : "1@3 2@4 → 4");
    expect(published).toEqual(readsAsOf === "call" ? [3] : [3, 4]);
  }
});

test("a resume that knows more than was published here waits until it is published", async () => {
  const { store, key, sync, changesSince } = await setUp(2);
  for (let each = 0; each < 3; each++) store.add();
  const read = changesSince(4);
  expect(sync.position(key)?.rev).toBe(2);
  await store.answerAll();
  expect(sync.position(key)?.rev).toBe(5);
  expect(line(read.result)).toBe("5@5 → 5");
});

test("changes are read page by page until the room's position is reached", async () => {
  const { store, hear, changesSince } = await setUp(4);
  hear(store.edit(2), store.edit(2), store.edit(1), store.edit(2));
  const pages: (string | undefined)[] = [];
  for (let cursor = 2; cursor < 9;) {
    const read = changesSince(cursor, 2);
    await store.answerAll();
    pages.push(line(read.result));
    cursor = read.result?.rev ?? expect.unreachable();
    // Published meanwhile: the last page has it.
    if (cursor === 4) hear(store.add());
  }
  expect(pages).toEqual(["3@3 4@4 → 4", "→ 6", "1@7 2@8 → 8", "5@9 → 9"]);
  const atEnd = changesSince(9);
  await settle();
  expect([line(atEnd.result), store.waiting]).toEqual(["→ 9", []]);
});

test("a history that was read less than a second ago is the same, unless the room has changed", async () => {
  const { store, history, clock, hear, last } = await setUp(2);
  const first = last();
  store.answer();
  await settle();
  const second = last();
  await settle();
  expect(store.waiting).toEqual([]);
  // The same array, so that its encodings are cached with it.
  expect(second.result?.messages).toBe(first.result?.messages ?? expect.unreachable());
  hear(store.edit(1));
  const third = last();
  await store.answerAll();
  expect(line(third.result)).toBe("1@3 2@2 → 3");
  clock.now += 1000;
  last();
  expect(store.waiting).toEqual(["history"]);
  await store.answerAll();
  history.invalidate();
  last();
  expect(store.waiting).toEqual(["history"]);
});

test.each(["last", "changesSince"] as const)(
  "a failing read rejects %s, and the next one reads anew",
  async (name) => {
    const { store, last, changesSince } = await setUp(2);
    const read = () => (name === "last" ? last() : changesSince(0));
    const failed = read();
    await settle();
    store.fail();
    await settle();
    expect(failed.error).toMatchObject({ message: "broken" });
    const second = read();
    await store.answerAll();
    expect(line(second.result)).toBe("1@1 2@2 → 2");
  },
);

test("a room that is deleted has no history, and a connection that catches up in it has nothing left to read", async () => {
  const { store, last, changesSince } = await setUp(3);
  store.exists = false;
  const reads = [last(), changesSince(1)];
  await store.answerAll();
  expect(reads[0]?.error).toMatchObject({ code: "room_deleted" });
  expect(line(reads[1]?.result)).toBe("→ 3");
});
