import { expect, test } from "bun:test";

import * as fc from "fast-check";

import { Feed } from "../../src/chat/feed.ts";
import type { Change, Position } from "../../src/chat/model.ts";
import { settle } from "../support/people.ts";
import { SlowRoom } from "../support/slow-room.ts";

const key = 7;

function setUp(stored = 0) {
  const room = new SlowRoom();
  for (let each = 0; each < stored; each++) room.add();
  const delivered: string[] = [];
  const failures: unknown[] = [];
  const listeners = new Set<(changes: readonly Change[], after: Position) => void>();
  const deliver = (_: number, changes: readonly Change[], after: Position) => {
    for (const { kind, message } of changes) delivered.push(`${kind} ${message.seq}@${message.rev}`);
    for (const listener of listeners) listener(changes, after);
  };
  const feed = new Feed({ head: room.head, changes: room.changes }, deliver, (error) => failures.push(error));
  const hear = (...changes: Change[]) => feed.receive(key, changes);
  /** Follows the room until its position is known. */
  const follow = async () => {
    const opened = feed.open(key);
    room.answer();
    await opened;
  };
  return { room, feed, delivered, failures, listeners, hear, follow };
}

test("a room is followed from where it is: what comes next is delivered, what was before is not", async () => {
  const { room, feed, delivered, hear, follow } = setUp(3);
  await follow();
  expect(feed.position(key)).toEqual({ seq: 3, rev: 3 });
  const [fourth, fifth, edit] = [room.add(), room.add(), room.edit(2)];
  hear(fourth);
  hear(fifth, edit);
  expect(delivered).toEqual(["created 4@4", "created 5@5", "edited 2@6"]);
  expect(feed.position(key)).toEqual({ seq: 5, rev: 6 });
  expect(room.waiting).toEqual([]);
  // Heard again, in part and in whole.
  hear(fifth, edit);
  hear(fourth);
  await settle();
  expect(delivered.length).toBe(3);
  expect(room.waiting).toEqual([]);
});

test("a change that is later than the next one makes the feed read what is missing", async () => {
  const { room, feed, delivered, hear, follow } = setUp();
  await follow();
  room.add();
  room.add();
  hear(room.add());
  expect(delivered).toEqual([]);
  expect(room.waiting).toEqual(["changes 0"]);
  room.answer();
  await settle();
  expect(delivered).toEqual(["created 1@1", "created 2@2", "created 3@3"]);
  expect(feed.position(key)).toEqual({ seq: 3, rev: 3 });
});

test("a message that was changed twice while it was missed is delivered once, as it is now", async () => {
  const { room, delivered, hear, follow } = setUp(2);
  await follow();
  room.edit(1);
  room.add();
  room.edit(3);
  hear(room.edit(1));
  room.answer();
  await settle();
  expect(delivered).toEqual(["created 3@5", "edited 1@6"]);
  hear(room.add());
  expect(delivered.at(-1)).toBe("created 4@7");
});

test("what is heard while the store is being read is delivered after it, once", async () => {
  const { room, delivered, hear, follow } = setUp();
  await follow();
  room.add();
  hear(room.add());
  expect(room.waiting).toEqual(["changes 0"]);
  // Asked before, answered after.
  hear(room.add());
  hear(room.add());
  expect(delivered).toEqual([]);
  room.answer();
  await settle();
  expect(delivered).toEqual(["created 1@1", "created 2@2"]);
  await room.answerAll(settle);
  expect(delivered).toEqual(["created 1@1", "created 2@2", "created 3@3", "created 4@4"]);
});

test("a read that fails is told, and made good at the next hint", async () => {
  const { room, delivered, failures, hear, follow } = setUp();
  await follow();
  room.add();
  hear(room.add());
  room.fail();
  await settle();
  expect([failures.length, delivered.length]).toEqual([1, 0]);
  hear(room.add());
  await room.answerAll(settle);
  expect(delivered).toEqual(["created 1@1", "created 2@2", "created 3@3"]);
  expect(failures.length).toBe(1);
});

test("a room whose position could not be read is followed from the next hint on", async () => {
  const { room, feed, delivered, hear } = setUp(5);
  const opened = feed.open(key);
  room.fail();
  expect(opened).rejects.toThrow("broken");
  expect(feed.position(key)).toBeUndefined();
  hear(room.add());
  expect(delivered).toEqual(["created 6@6"]);
  expect(feed.position(key)).toEqual({ seq: 6, rev: 6 });
});

test("what nobody published is found when the feed is asked to look", async () => {
  const { room, feed, delivered, follow } = setUp(1);
  await follow();
  room.add();
  room.edit(1);
  void feed.level();
  await room.answerAll(settle);
  expect(delivered).toEqual(["created 2@2", "edited 1@3"]);
});

test("a page of what was missed after another, until nothing is missing", async () => {
  const { room, delivered, hear, follow } = setUp();
  await follow();
  for (let each = 0; each < 1200; each++) room.add();
  hear(room.add());
  await room.answerAll(settle);
  expect(delivered).toEqual(Array.from({ length: 1201 }, (_, index) => `created ${index + 1}@${index + 1}`));
});

test("a room that nobody follows costs nothing, and one that is left by some is followed for the others", async () => {
  const { room, feed, delivered, hear, follow } = setUp();
  hear(room.add());
  expect(room.waiting).toEqual([]);
  await follow();
  await feed.open(key);
  feed.close(key);
  hear(room.add());
  expect(delivered).toEqual(["created 2@2"]);
  feed.close(key);
  hear(room.add());
  await feed.level();
  expect(feed.position(key)).toBeUndefined();
  expect([room.waiting.length, delivered.length]).toEqual([0, 1]);
});

test("who comes after all had left is not told again what was being read for them", async () => {
  const { room, feed, delivered, hear, follow } = setUp();
  await follow();
  room.add();
  hear(room.add());
  feed.close(key);
  const opened = feed.open(key);
  // The newcomer's first, then the one that was for those who left.
  room.answer(1);
  await opened;
  expect(feed.position(key)).toEqual({ seq: 2, rev: 2 });
  room.answer(0);
  await settle();
  expect(delivered).toEqual([]);
});

test("to be asked to look while a room is being read is not forgotten", async () => {
  const { room, feed, delivered, follow } = setUp();
  await follow();
  void feed.level();
  await settle();
  expect(room.waiting).toEqual(["head"]);
  // Written after the head was read, and before it was answered.
  room.add();
  void feed.level();
  await room.answerAll(settle);
  expect(delivered).toEqual(["created 1@1"]);
});

/** Someone who follows a room: from where, and what he was told since. */
class Follower {
  since: Position | undefined;
  readonly revs: number[] = [];
  readonly created: number[] = [];
  readonly messages = new Map<number, number>();

  hear = (changes: readonly Change[]): void => {
    for (const { kind, message } of changes) {
      this.revs.push(message.rev);
      if (kind === "created") this.created.push(message.seq);
      this.messages.set(message.seq, message.rev);
    }
  };
}

test("however hints and answers come, nobody misses or doubles a change", async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("send", "send unheard", "edit", "edit unheard") },
    { weight: 5, arbitrary: fc.constantFrom("answer first", "answer last") },
    { weight: 4, arbitrary: fc.constantFrom("fail", "open", "close", "level", "hear late", "hear early") },
  );
  const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
    const { room, feed, listeners, hear } = setUp(2);
    const late: Change[] = [];
    const following: Follower[] = [];
    const done: Follower[] = [];
    const open = () => {
      const follower = new Follower();
      const arrive = () => {
        follower.since = feed.position(key);
        listeners.add(follower.hear);
        following.push(follower);
      };
      void feed.open(key).then(arrive, () => feed.close(key));
    };
    const close = () => {
      const follower = following.shift();
      if (!follower) return;
      listeners.delete(follower.hear);
      feed.close(key);
      done.push(follower);
    };
    const actions: Record<string, () => unknown> = {
      send: () => hear(room.add()),
      "send unheard": () => late.push(room.add()),
      edit: () => hear(room.edit(1)),
      "edit unheard": () => late.push(room.edit(2)),
      "answer first": () => room.answer(),
      "answer last": () => room.answer(room.waiting.length - 1),
      fail: () => room.fail(),
      level: () => void feed.level(),
      "hear late": () => hear(...late.splice(-1)),
      "hear early": () => hear(...late.splice(0, 1)),
      open,
      close,
    };
    open();
    for (const each of steps) {
      actions[each]?.();
      await settle();
    }
    await room.answerAll(settle);
    void feed.level();
    await room.answerAll(settle);
    for (const { since, revs, created, messages } of [...following, ...done]) {
      expect(revs).toEqual([...new Set(revs)].toSorted((a, b) => a - b));
      const first = (since?.seq ?? 0) + 1;
      expect(created).toEqual(created.map((_, index) => first + index));
      if (revs.length > 0) expect(revs[0]).toBeGreaterThan(since?.rev ?? 0);
      // Until he left he knew all that had happened up to the last thing he was told.
      const known = revs.at(-1) ?? since?.rev ?? 0;
      for (const { seq, rev } of room.messages) {
        if (rev > (since?.rev ?? 0) && rev <= known) expect(messages.get(seq)).toBe(rev);
      }
    }
    for (const { since, revs } of following) expect(revs.at(-1) ?? since?.rev).toBe(room.rev);
  });
  await fc.assert(property, { numRuns: 3000 });
}, 20_000);
