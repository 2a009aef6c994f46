import { expect, test } from "bun:test";

import * as fc from "fast-check";

import { History } from "../../src/chat/history.ts";
import type { Change, Message } from "../../src/chat/model.ts";
import { Feed } from "../../src/chat/room-sync.ts";
import type { Page } from "../../src/chat/store.ts";
import { settle } from "../support/people.ts";
import { SlowRoom } from "../support/slow-room.ts";

const key = 7;

/** A room that is followed from the start, in a store that answers when the test says so. */
async function setUp(stored = 0) {
  const room = new SlowRoom();
  for (let each = 0; each < stored; each++) room.add();
  const listeners = new Set<(message: Message, live: boolean) => void>();
  const outlet = {
    live: (_: number, changes: readonly Change[]) =>
      changes.forEach(({ message }) => listeners.forEach((hear) => hear(message, true))),
    missed: (_: number, { messages }: Page) =>
      messages.forEach((message) => listeners.forEach((hear) => hear(message, false))),
  };
  const feed = new Feed({ head: room.head, changes: room.changes }, outlet, () => undefined);
  const clock = { now: 0 };
  const store = { messages: room.range, changes: room.changes };
  const history = new History(store, feed, () => clock.now);
  const opened = feed.open(key);
  room.answer();
  await opened;
  const hear = (...changes: Change[]) => feed.receive(key, changes);
  /** Reads, and notes what came of it. */
  const read = (promise: Promise<Page>) => {
    const pending = { page: undefined as Page | undefined, error: undefined as unknown };
    const check = (page: Page) => {
      // Never ahead of what was published, nor of itself.
      expect(page.rev).toBeLessThanOrEqual(feed.position(key)?.rev ?? 0);
      for (const { rev } of page.messages) expect(rev).toBeLessThanOrEqual(page.rev);
      pending.page = page;
    };
    promise.then(check).catch((error: unknown) => void (pending.error = error));
    return pending;
  };
  const last = () => read(history.last(key));
  const after = (rev: number, limit = 100) => read(history.after(key, rev, limit));
  return { room, feed, history, listeners, clock, hear, last, after };
}

/** A page in a word: its messages as `seq@rev`, and how far it goes. */
function told(page: Page | undefined): string | undefined {
  return page && [...page.messages.map(({ seq, rev }) => `${seq}@${rev}`), `→ ${page.rev}`].join(" ");
}

test("a newcomer gets the last messages, oldest first, each as it is now, up to what was published", async () => {
  const { room, hear, last } = await setUp(3);
  hear(room.edit(2));
  const newcomer = last();
  expect(room.waiting).toEqual(["messages 0-4"]);
  room.answer();
  await settle();
  expect(told(newcomer.page)).toBe("1@1 2@4 3@3 → 4");
  expect(newcomer.page?.messages[1]?.text).toBe("edit 4");
  const { room: long, last: lastOfLong } = await setUp(60);
  const later = lastOfLong();
  await long.answerAll(settle);
  expect(later.page?.messages.map(({ seq }) => seq)).toEqual(
    Array.from({ length: 50 }, (_, index) => index + 11),
  );
});

test("an empty room is level at once", async () => {
  const { room, last, after } = await setUp();
  const [newcomer, resumed] = [last(), after(0)];
  await room.answerAll(settle);
  expect([told(newcomer.page), told(resumed.page)]).toEqual(["→ 0", "→ 0"]);
});

test("what is published while a history is being read is in it", async () => {
  const { room, hear, last } = await setUp(2);
  const newcomer = last();
  hear(room.edit(1));
  hear(room.add());
  room.answer();
  await settle();
  // What was read is older: the rest is read after it.
  expect(newcomer.page).toBeUndefined();
  expect(room.waiting).toEqual(["changes 2"]);
  hear(room.edit(3));
  await room.answerAll(settle);
  expect(told(newcomer.page)).toBe("1@3 2@2 3@5 → 5");
});

test("an old message that is changed while a history is being read is not dragged into it", async () => {
  const { room, hear, last } = await setUp(60);
  const newcomer = last();
  hear(room.edit(2), room.edit(30));
  await room.answerAll(settle);
  const seqs = newcomer.page?.messages.map(({ seq }) => seq);
  expect(seqs).toEqual(Array.from({ length: 50 }, (_, index) => index + 11));
  expect(newcomer.page?.rev).toBe(62);
  expect(newcomer.page?.messages.find(({ seq }) => seq === 30)?.rev).toBe(62);
});

test("what was read is not sent before it is published, however far ahead the store is", async () => {
  for (const asOf of ["asking", "answering"] as const) {
    const { room, feed, listeners, last, after } = await setUp(2);
    room.asOf = asOf;
    const heard: number[] = [];
    listeners.add(({ rev }) => heard.push(rev));
    // On disk, and not heard of here.
    room.edit(1);
    const newcomer = last();
    if (asOf === "answering") room.edit(2);
    room.answer();
    await settle();
    // What it read is kept back until everyone else has been told of it.
    expect([room.waiting, newcomer.page, heard]).toEqual([["changes 2"], undefined, []]);
    await room.answerAll(settle);
    expect(told(newcomer.page)).toBe(asOf === "asking" ? "1@3 2@2 → 3" : "1@3 2@4 → 4");
    expect(heard).toEqual(asOf === "asking" ? [3] : [3, 4]);
    const { rev } = feed.position(key) ?? expect.unreachable();
    room.add();
    room.edit(1);
    expect(told((await answered(room, after(rev - 1))).page)).toEndWith(
      `3@${rev + 1} 1@${rev + 2} → ${rev + 2}`,
    );
    expect(feed.position(key)?.rev).toBe(rev + 2);
  }
});

test("a resume reads what changed, page by page, until it is where the room is", async () => {
  const { room, hear, after } = await setUp(4);
  hear(room.edit(2), room.edit(2), room.edit(1), room.edit(2));
  const pages: (string | undefined)[] = [];
  for (let cursor = 2; cursor < 9;) {
    const { page } = await answered(room, after(cursor, 2));
    pages.push(told(page));
    cursor = page?.rev ?? expect.unreachable();
    // Said meanwhile: the last page has it.
    if (cursor === 4) hear(room.add());
    if (pages.length > 9) break;
  }
  expect(pages).toEqual(["3@3 4@4 → 4", "→ 6", "1@7 2@8 → 8", "5@9 → 9"]);
  expect(told((await answered(room, after(9))).page)).toBe("→ 9");
  expect(room.waiting).toEqual([]);
});

/** Answers until the read is done. */
async function answered<T>(room: SlowRoom, pending: T): Promise<T> {
  await room.answerAll(settle);
  return pending;
}

test("whoever knows more than was published here waits until it is", async () => {
  const { room, feed, after } = await setUp(2);
  // Another node's messages.
  for (let each = 0; each < 3; each++) room.add();
  const resumed = after(4);
  expect(feed.position(key)?.rev).toBe(2);
  await room.answerAll(settle);
  expect(feed.position(key)?.rev).toBe(5);
  expect(told(resumed.page)).toBe("5@5 → 5");
});

test("a crowd that comes at once is one read, and a history that is older than a second is read anew", async () => {
  const { room, history, clock, hear, last } = await setUp(2);
  const first = last();
  room.answer();
  await settle();
  const second = last();
  await settle();
  expect(room.waiting).toEqual([]);
  // The very same, so that what it was encoded to can be kept by it.
  expect(second.page?.messages).toBe(first.page?.messages ?? expect.unreachable());
  hear(room.edit(1));
  const third = last();
  expect(room.waiting).toEqual(["messages 0-3"]);
  await room.answerAll(settle);
  expect(told(third.page)).toBe("1@3 2@2 → 3");
  clock.now += 1000;
  last();
  expect(room.waiting.length).toBe(1);
  await room.answerAll(settle);
  history.forget();
  last();
  expect(room.waiting.length).toBe(1);
});

test("a read that fails is a history that fails; the next one is read anew", async () => {
  for (const ask of ["last", "after"] as const) {
    const at = await setUp(2);
    const read = () => (ask === "last" ? at.last() : at.after(0));
    const failed = read();
    await settle();
    at.room.fail();
    await settle();
    expect(failed.error).toMatchObject({ message: "broken" });
    expect(told((await answered(at.room, read())).page)).toBe("1@1 2@2 → 2");
  }
});

test("of a room that is gone there is nothing to read, and nobody waits for more", async () => {
  const { room, after } = await setUp(3);
  room.messages.length = 0;
  room.rev = 0;
  expect(told((await answered(room, after(1))).page)).toBe("→ 3");
});

/** Someone who keeps what he knows of a room as a client does. */
class Reader {
  readonly known = new Map<number, Message>();
  cursor: number | undefined;

  apply({ messages, rev }: Page): void {
    for (const message of messages) this.known.set(message.seq, message);
    this.cursor = rev;
  }

  hear = (message: Message, live: boolean): void => {
    if (live) expect(message.rev).toBe((this.cursor ?? 0) + 1);
    expect(message.rev).toBeGreaterThan(this.cursor ?? 0);
    this.known.set(message.seq, message);
    this.cursor = message.rev;
  };
}

test("whoever comes or comes back at any moment knows the room in the end, and no change comes twice or is skipped", async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("send", "send unheard", "edit", "edit unheard") },
    { weight: 6, arbitrary: fc.constantFrom("answer first", "answer last") },
    { weight: 3, arbitrary: fc.constantFrom("come", "come back", "hear late", "level") },
  );
  const asOf = fc.constantFrom("asking" as const, "answering" as const);
  const steps = fc.array(step, { minLength: 5, maxLength: 40 });
  const property = fc.asyncProperty(
    asOf,
    fc.integer({ min: 1, max: 4 }),
    steps,
    async (when, limit, plan) => {
      const { room, feed, history, listeners, hear } = await setUp(3);
      room.asOf = when;
      const late: Change[] = [];
      const readers: Reader[] = [];
      const arrived = (reader: Reader) => void listeners.add(reader.hear);
      const come = async () => {
        const reader = new Reader();
        readers.push(reader);
        for (;;) {
          const page = await history.last(key);
          expect(page.messages.map(({ seq }) => seq)).toEqual(page.messages.map((_, index) => index + 1));
          reader.apply(page);
          // As a join does: said while this was on its way.
          if (page.rev === feed.position(key)?.rev) return arrived(reader);
        }
      };
      const comeBack = async () => {
        const reader = new Reader();
        readers.push(reader);
        reader.apply({ messages: [...room.messages], rev: room.rev });
        for (;;) {
          const page = await history.after(key, reader.cursor ?? 0, limit);
          for (const { rev } of page.messages) expect(rev).toBeGreaterThan(reader.cursor ?? 0);
          reader.apply(page);
          if (page.rev === feed.position(key)?.rev) return arrived(reader);
        }
      };
      const actions: Record<string, () => unknown> = {
        send: () => hear(room.add()),
        "send unheard": () => late.push(room.add()),
        edit: () => hear(room.edit(1 + (room.rev % room.messages.length))),
        "edit unheard": () => late.push(room.edit(2)),
        "answer first": () => room.answer(),
        "answer last": () => room.answer(room.waiting.length - 1),
        "hear late": () => hear(...late.splice(0, 1)),
        level: () => void feed.level(),
        come,
        "come back": comeBack,
      };
      const pending: unknown[] = [come(), comeBack()];
      for (const each of plan) {
        pending.push(actions[each]?.());
        await settle();
      }
      await room.answerAll(settle);
      void feed.level();
      await room.answerAll(settle);
      await Promise.all(pending);
      for (const { known, cursor } of readers) {
        expect([...known.values()].toSorted((a, b) => a.seq - b.seq)).toEqual(room.messages);
        expect(cursor).toBe(room.rev);
      }
    },
  );
  await fc.assert(property, { numRuns: 1000 });
}, 30_000);
