import { afterEach, beforeEach, expect, jest, test } from "bun:test";

import * as fc from "fast-check";

import type { Change, Position } from "../../src/chat/model.ts";
import { range, settle } from "../support/samples.ts";
import { createSync, type Published } from "../support/sync-harness.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test("a room is followed from where it is: later changes are published, each once", async () => {
  const { store, key, sync, published, hear, follow } = createSync(3);
  await follow();
  expect(sync.position(key)).toEqual({ seq: 3, rev: 3 });
  const [fourth, fifth, edit] = [store.add(), store.add(), store.edit(2)];
  hear(fourth);
  hear(fifth, edit);
  // Heard again, in part and in whole.
  hear(fifth, edit);
  hear(fourth);
  await settle();
  expect(published).toEqual(["created 4@4", "created 5@5", "edited 2@6"]);
  expect(sync.position(key)).toEqual({ seq: 5, rev: 6 });
  expect(store.waiting).toEqual([]);
});

test("a gap before a change makes it read what is missing", async () => {
  const { store, key, sync, published, hear, follow } = createSync();
  await follow();
  store.add();
  store.add();
  hear(store.add());
  expect([published, store.waiting]).toEqual([[], ["changes 0"]]);
  await store.answerAll();
  expect(published).toEqual(["missed new 1@1", "missed new 2@2", "missed new 3@3"]);
  expect(sync.position(key)).toEqual({ seq: 3, rev: 3 });
});

test("a message that was changed twice while it was missed is published once, as it is now", async () => {
  const { store, published, hear, follow } = createSync(2);
  await follow();
  store.edit(1);
  store.add();
  store.edit(3);
  hear(store.edit(1));
  await store.answerAll();
  expect(published).toEqual(["missed new 3@5", "missed change 1@6"]);
  hear(store.add());
  expect(published.at(-1)).toBe("created 4@7");
});

test("changes that are heard while the store is being read are published after it, once", async () => {
  const { store, published, hear, follow } = createSync();
  await follow();
  store.add();
  hear(store.add());
  expect(store.waiting).toEqual(["changes 0"]);
  hear(store.add());
  hear(store.add());
  expect(published).toEqual([]);
  store.answer();
  await settle();
  expect(published).toEqual(["missed new 1@1", "missed new 2@2"]);
  await store.answerAll();
  expect(published.slice(2)).toEqual(["missed new 3@3", "missed new 4@4"]);
});

test("a change that is heard in the very turn in which a read ends is published", async () => {
  for (const microtasks of range(0, 12)) {
    const { store, key, sync, hear, follow } = createSync();
    await follow();
    store.add();
    hear(store.add());
    store.answer();
    for (let each = 0; each < microtasks; each++) await Promise.resolve();
    hear(store.add());
    await store.answerAll();
    expect([microtasks, sync.position(key)?.rev]).toEqual([microtasks, 3]);
  }
});

test("changes that no event told of are found by a refresh", async () => {
  const { store, sync, published, follow } = createSync(1);
  await follow();
  store.add();
  store.edit(1);
  void sync.refreshAll();
  await store.answerAll();
  expect(published).toEqual(["missed new 2@2", "missed change 1@3"]);
});

test("a refresh that is asked for during a read is not forgotten", async () => {
  const { store, sync, published, follow } = createSync();
  await follow();
  void sync.refreshAll();
  await settle();
  expect(store.waiting).toEqual(["head"]);
  // Written after the head was read, and before it was answered.
  store.add();
  void sync.refreshAll();
  await store.answerAll();
  expect(published).toEqual(["missed new 1@1"]);
});

test("page after page is read until nothing is missing", async () => {
  const { store, published, hear, follow } = createSync();
  await follow();
  for (let each = 0; each < 1200; each++) store.add();
  hear(store.add());
  await store.answerAll();
  expect(published).toEqual(range(1, 1201).map((seq) => `missed new ${seq}@${seq}`));
});

test("a message that comes with a later page than its neighbours is still new", async () => {
  const { store, published, hear, follow } = createSync(1);
  await follow();
  for (let each = 0; each < 700; each++) store.add();
  store.edit(2);
  store.edit(1);
  // The event names no more than the first page.
  const [heard] = store.stored.slice(500);
  if (heard) hear({ kind: "created", message: heard });
  await store.answerAll();
  expect(published).toHaveLength(701);
  expect(published.slice(0, 2)).toEqual(["missed new 3@3", "missed new 4@4"]);
  expect(published.slice(-2)).toEqual(["missed new 2@702", "missed change 1@703"]);
});

test("a room that is deleted while it is read is not read on", async () => {
  const { store, key, sync, hear, follow } = createSync(1);
  await follow();
  for (let each = 0; each < 700; each++) store.add();
  // The first page lacks a message that comes with the second.
  hear(store.edit(2));
  store.readsAsOf = "answer";
  store.answer();
  await settle();
  store.exists = false;
  for (let reads = 0; store.waiting.length > 0; reads++) {
    expect(reads).toBeLessThan(5);
    store.answer();
    await settle();
  }
  expect(sync.position(key)).toEqual({ seq: 501, rev: 501 });
});

test("an empty page, whose messages were all changed again later, moves the position too", async () => {
  const { store, key, sync, published, hear, follow } = createSync(1);
  await follow();
  for (let each = 0; each < 1200; each++) store.edit(1);
  hear(store.add());
  const positions: (number | undefined)[] = [];
  while (store.waiting.length > 0) {
    store.answer();
    await settle();
    positions.push(sync.position(key)?.rev);
  }
  expect(positions).toEqual([501, 1001, 1202]);
  expect(published).toEqual(["missed change 1@1201", "missed new 2@1202"]);
});

test("catching up to a rev reads up to it, once for all who ask", async () => {
  const { store, key, sync, published, follow } = createSync(1);
  await follow();
  await sync.catchUpTo(key, 1);
  store.add();
  store.edit(1);
  let reached = 0;
  for (const rev of [2, 3]) void sync.catchUpTo(key, rev).then(() => reached++);
  await settle();
  expect([store.waiting, reached]).toEqual([["changes 1"], 0]);
  store.answer();
  await settle();
  expect([store.waiting, reached]).toEqual([[], 2]);
  expect(published).toEqual(["missed new 2@2", "missed change 1@3"]);
});

test("catching up during a read waits for it, and reads again if that was not far enough", async () => {
  const { store, key, sync, published, hear, follow } = createSync();
  await follow();
  store.add();
  hear(store.add());
  store.edit(1);
  let reached = false;
  void sync.catchUpTo(key, 3).then(() => (reached = true));
  store.answer();
  await settle();
  expect([published, reached]).toEqual([["missed new 1@1", "missed new 2@2"], false]);
  expect(store.waiting).toEqual(["changes 2"]);
  store.answer();
  await settle();
  expect([published.at(-1), reached]).toEqual(["missed change 1@3", true]);
});

test("catching up rejects when the room cannot be read, and does nothing for a room that is not followed", async () => {
  const { store, key, sync, published, follow } = createSync(1);
  await sync.catchUpTo(key, 9);
  await follow();
  store.add();
  const reached = sync.catchUpTo(key, 2);
  const outcome = reached.catch((error: unknown) => String(error));
  await settle();
  store.fail();
  expect(await outcome).toContain("broken");
  expect(published).toEqual([]);
  const second = sync.catchUpTo(key, 2);
  await store.answerAll();
  await second;
  expect(published).toEqual(["missed new 2@2"]);
});

test("a read that fails is reported, and made up for by the next event", async () => {
  const { store, published, failures, hear, follow } = createSync();
  await follow();
  store.add();
  hear(store.add());
  store.fail();
  await settle();
  expect([failures.length, published.length]).toEqual([1, 0]);
  hear(store.add());
  await store.answerAll();
  expect(published).toEqual(["missed new 1@1", "missed new 2@2", "missed new 3@3"]);
  expect(failures).toMatchObject([{ message: "broken" }]);
});

test.each(["event", "refresh"] as const)(
  "a read for an %s that fails is tried again after a second",
  async (cause) => {
    const { store, sync, published, failures, hear, follow } = createSync();
    await follow();
    store.add();
    if (cause === "event") hear(store.add());
    else void sync.refreshAll();
    store.fail();
    await settle();
    expect([failures.length, store.waiting]).toEqual([1, []]);
    jest.advanceTimersByTime(1000);
    await store.answerAll();
    expect(published).toEqual(store.stored.map(({ seq }) => `missed new ${seq}@${seq}`));
  },
);

test("a room whose position could not be read is followed from the next new message on", async () => {
  const { store, key, ref, sync, published, hear } = createSync(5);
  sync.follow(ref);
  const ready = sync.ready(key);
  store.fail();
  expect(ready).rejects.toThrow("broken");
  await settle();
  expect(sync.position(key)).toBeUndefined();
  hear(store.edit(1));
  expect(published).toEqual([]);
  hear(store.edit(2), store.add());
  expect(published).toEqual(["created 6@8"]);
  expect(sync.position(key)).toEqual({ seq: 6, rev: 8 });
});

test("a room that nobody follows is neither read nor published", async () => {
  const { store, key, sync, published, hear, follow } = createSync();
  hear(store.add());
  await sync.ready(key);
  await follow();
  hear(store.add());
  sync.unfollow(key);
  hear(store.add());
  await sync.refreshAll();
  expect(sync.position(key)).toBeUndefined();
  expect([store.waiting, published]).toEqual([[], ["created 2@2"]]);
});

test("a read for those who have left is of no use to those who come after them", async () => {
  const { store, key, ref, sync, published, hear, follow } = createSync();
  await follow();
  store.add();
  hear(store.add());
  sync.unfollow(key);
  sync.follow(ref);
  const ready = sync.ready(key);
  store.answer(1);
  await ready;
  expect(sync.position(key)).toEqual({ seq: 2, rev: 2 });
  store.answer(0);
  await settle();
  expect(published).toEqual([]);
});

/** A connection that is told what is published, from a position on. */
class Listener {
  /** Undefined until it has joined. */
  since: Position | undefined;
  left = false;
  readonly revs: number[] = [];
  readonly created: number[] = [];
  readonly known = new Map<number, number>();

  hear = (published: readonly Published[]): void => {
    for (const { kind, message } of published) {
      this.revs.push(message.rev);
      if (kind === "created" || kind === "missed new") this.created.push(message.seq);
      this.known.set(message.seq, message.rev);
    }
  };
}

test("in whatever order events and answers come, no change is missed or published twice", async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("send", "send unheard", "edit", "edit unheard") },
    { weight: 5, arbitrary: fc.constantFrom("answer first", "answer last") },
    { weight: 4, arbitrary: fc.constantFrom("fail", "reopen", "join", "refresh", "hear late", "hear early") },
  );
  const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
    const { store, key, ref, sync, listeners, hear } = createSync(2);
    const unheard: Change[] = [];
    const all: Listener[] = [];
    const join = () => {
      const listener = new Listener();
      const start = () => {
        if (listener.left) return;
        listener.since = sync.position(key);
        listeners.add(listener.hear);
      };
      all.push(listener);
      void sync.ready(key).then(start, () => undefined);
    };
    const reopen = () => {
      for (const each of all) each.left = true;
      listeners.clear();
      sync.unfollow(key);
      sync.follow(ref);
      join();
    };
    const actions: Record<string, () => unknown> = {
      send: () => hear(store.add()),
      "send unheard": () => unheard.push(store.add()),
      edit: () => hear(store.edit(1)),
      "edit unheard": () => unheard.push(store.edit(2)),
      "answer first": () => store.answer(),
      "answer last": () => store.answer(store.waiting.length - 1),
      fail: () => store.fail(),
      refresh: () => void sync.refreshAll(),
      "hear late": () => hear(...unheard.splice(-1)),
      "hear early": () => hear(...unheard.splice(0, 1)),
      join,
      reopen,
    };
    reopen();
    for (const each of steps) {
      actions[each]?.();
      await settle();
    }
    await store.answerAll();
    void sync.refreshAll();
    await store.answerAll();
    for (const { since, left, revs, created, known } of all) {
      if (!since) continue;
      expect(revs).toEqual([...new Set(revs)].toSorted((a, b) => a - b));
      const firstNew = since.seq + 1;
      expect(created).toEqual(range(firstNew, firstNew + created.length - 1));
      if (revs.length > 0) expect(revs[0]).toBeGreaterThan(since.rev);
      // Until it left, it knew everything up to the last change that it was told of.
      const upTo = revs.at(-1) ?? since.rev;
      if (!left) expect(upTo).toBe(store.rev);
      for (const { seq, rev } of store.stored)
        if (rev > since.rev && rev <= upTo) expect(known.get(seq)).toBe(rev);
    }
  });
  await fc.assert(property, { numRuns: 1500 });
}, 30_000);
