import { expect, test } from "bun:test";

import { key, openFeed } from "../support/followed.ts";
import { settle } from "../support/people.ts";
import { waitUntil } from "../support/wait.ts";

test("a room is followed from where it is: what comes next is delivered, what was before is not", async () => {
  const { room, feed, delivered, hear, follow } = openFeed(3);
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
  const { room, feed, delivered, hear, follow } = openFeed();
  await follow();
  room.add();
  room.add();
  hear(room.add());
  expect(delivered).toEqual([]);
  expect(room.waiting).toEqual(["changes 0"]);
  room.answer();
  await settle();
  expect(delivered).toEqual(["missed 1@1", "missed 2@2", "missed 3@3"]);
  expect(feed.position(key)).toEqual({ seq: 3, rev: 3 });
});

test("a message that was changed twice while it was missed is delivered once, as it is now", async () => {
  const { room, delivered, hear, follow } = openFeed(2);
  await follow();
  room.edit(1);
  room.add();
  room.edit(3);
  hear(room.edit(1));
  room.answer();
  await settle();
  expect(delivered).toEqual(["missed 3@5", "changed 1@6"]);
  hear(room.add());
  expect(delivered.at(-1)).toBe("created 4@7");
});

test("what is heard while the store is being read is delivered after it, once", async () => {
  const { room, delivered, hear, follow } = openFeed();
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
  expect(delivered).toEqual(["missed 1@1", "missed 2@2"]);
  await room.answerAll(settle);
  expect(delivered).toEqual(["missed 1@1", "missed 2@2", "missed 3@3", "missed 4@4"]);
});

test("a read that fails is told, and made good at the next hint", async () => {
  const { room, delivered, failures, hear, follow } = openFeed();
  await follow();
  room.add();
  hear(room.add());
  room.fail();
  await settle();
  expect([failures.length, delivered.length]).toEqual([1, 0]);
  hear(room.add());
  await room.answerAll(settle);
  expect(delivered).toEqual(["missed 1@1", "missed 2@2", "missed 3@3"]);
  expect(failures.length).toBe(1);
});

test("a room whose position could not be read is followed from the next hint on", async () => {
  const { room, feed, delivered, hear } = openFeed(5);
  const opened = feed.open(key);
  room.fail();
  expect(opened).rejects.toThrow("broken");
  expect(feed.position(key)).toBeUndefined();
  hear(room.add());
  expect(delivered).toEqual(["created 6@6"]);
  expect(feed.position(key)).toEqual({ seq: 6, rev: 6 });
});

test("what nobody published is found when the feed is asked to look", async () => {
  const { room, feed, delivered, follow } = openFeed(1);
  await follow();
  room.add();
  room.edit(1);
  void feed.level();
  await room.answerAll(settle);
  expect(delivered).toEqual(["missed 2@2", "changed 1@3"]);
});

test("a page of what was missed after another, until nothing is missing", async () => {
  const { room, delivered, hear, follow } = openFeed();
  await follow();
  for (let each = 0; each < 1200; each++) room.add();
  hear(room.add());
  await room.answerAll(settle);
  expect(delivered).toEqual(Array.from({ length: 1201 }, (_, index) => `missed ${index + 1}@${index + 1}`));
});

test("a message that was changed after the page in which it was made is new when it comes, and only then", async () => {
  const { room, delivered, hear, follow } = openFeed(1);
  await follow();
  for (let each = 0; each < 700; each++) room.add();
  room.edit(2);
  room.edit(1);
  // Heard of is no more than the first page.
  const [heard] = room.messages.slice(500);
  if (heard) hear({ kind: "created", message: heard });
  await room.answerAll(settle);
  expect(delivered).toHaveLength(701);
  expect(delivered.slice(0, 2)).toEqual(["missed 3@3", "missed 4@4"]);
  expect(delivered.slice(-2)).toEqual(["missed 2@702", "changed 1@703"]);
});

test("a page that holds nothing, since all of it was changed again later, brings the room on too", async () => {
  const { room, feed, delivered, hear, follow } = openFeed(1);
  await follow();
  for (let each = 0; each < 1200; each++) room.edit(1);
  hear(room.add());
  const positions: (number | undefined)[] = [];
  while (room.waiting.length > 0) {
    room.answer();
    await settle();
    positions.push(feed.position(key)?.rev);
    expect(positions).toEqual([501, 1001, 1202].slice(0, positions.length));
  }
  expect(delivered).toEqual(["changed 1@1201", "missed 2@1202"]);
});

test("to reach a rev is to read up to there, and no more than once", async () => {
  const { room, feed, delivered, follow } = openFeed(1);
  await follow();
  await feed.reach(key, 1);
  expect(room.waiting).toEqual([]);
  room.add();
  room.edit(1);
  let reached = 0;
  for (const rev of [2, 3]) void feed.reach(key, rev).then(() => reached++);
  await settle();
  expect([room.waiting, reached]).toEqual([["changes 1"], 0]);
  room.answer();
  await settle();
  expect([room.waiting, reached]).toEqual([[], 2]);
  expect(delivered).toEqual(["missed 2@2", "changed 1@3"]);
});

test("to reach a rev while the room is being read is to wait for that, and to read again if it is further", async () => {
  const { room, feed, delivered, hear, follow } = openFeed();
  await follow();
  room.add();
  hear(room.add());
  room.edit(1);
  let reached = false;
  void feed.reach(key, 3).then(() => (reached = true));
  room.asOf = "asking";
  room.answer();
  await settle();
  expect([delivered, reached]).toEqual([["missed 1@1", "missed 2@2"], false]);
  expect(room.waiting).toEqual(["changes 2"]);
  room.answer();
  await settle();
  expect([delivered.at(-1), reached]).toEqual(["changed 1@3", true]);
});

test("a rev that can't be reached is told to whoever waits for it; in a room that is not followed nobody waits", async () => {
  const { room, feed, delivered, follow } = openFeed(1);
  await feed.reach(key, 9);
  await follow();
  room.add();
  const reached = feed.reach(key, 2).then(
    () => "reached",
    (error: unknown) => String(error),
  );
  await settle();
  room.fail();
  expect(await reached).toContain("broken");
  expect(delivered).toEqual([]);
  const again = feed.reach(key, 2);
  await room.answerAll(settle);
  await again;
  expect(delivered).toEqual(["missed 2@2"]);
});

test("a room that nobody follows costs nothing, and one that is left by some is followed for the others", async () => {
  const { room, feed, delivered, hear, follow } = openFeed();
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
  const { room, feed, delivered, hear, follow } = openFeed();
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

test("a look that fails is made good by itself, though nothing was heard", async () => {
  const { room, feed, delivered, failures, follow } = openFeed();
  await follow();
  room.add();
  void feed.level();
  room.fail();
  await settle();
  expect([failures.length, room.waiting.length]).toEqual([1, 0]);
  await waitUntil("it looks again", () => room.waiting.length > 0);
  await room.answerAll(settle);
  expect(delivered).toEqual(["missed 1@1"]);
});

test("to be asked to look while a room is being read is not forgotten", async () => {
  const { room, feed, delivered, follow } = openFeed();
  await follow();
  void feed.level();
  await settle();
  expect(room.waiting).toEqual(["head"]);
  // Written after the head was read, and before it was answered.
  room.add();
  void feed.level();
  await room.answerAll(settle);
  expect(delivered).toEqual(["missed 1@1"]);
});

test("what is heard in the very turn in which a read ends is delivered", async () => {
  for (let microtasks = 0; microtasks < 12; microtasks++) {
    const { room, feed, hear, follow } = openFeed();
    await follow();
    room.add();
    hear(room.add());
    room.answer();
    for (let each = 0; each < microtasks; each++) await Promise.resolve();
    hear(room.add());
    await room.answerAll(settle);
    expect([microtasks, feed.position(key)?.rev]).toEqual([microtasks, 3]);
  }
});

test("a read that fails is tried again by itself, though nothing more is heard", async () => {
  const { room, delivered, hear, follow } = openFeed();
  await follow();
  room.add();
  hear(room.add());
  room.fail();
  await waitUntil("it is read again", () => room.waiting.length > 0);
  await room.answerAll(settle);
  expect(delivered).toEqual(["missed 1@1", "missed 2@2"]);
});
