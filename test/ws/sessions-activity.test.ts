import { expect, test } from "bun:test";

import type { ActivityFrame } from "../../src/protocol/frames.ts";
import { newEmail } from "../support/api-users.ts";
import { range } from "../support/samples.ts";
import { unlimited, useServer } from "../support/server.ts";
import type { SessionClient } from "../support/session-client.ts";

// What sessions hear of rooms that are not open.

const server = useServer({ env: unlimited });
const INTERVAL_MS = 250;

async function twoMembers() {
  const [me, other] = [newEmail(), newEmail()];
  const room = await server.createRoom([me, other]);
  const [session, writer] = [await server.connectSession(me), await server.connectSession(other)];
  return { me, other, room, session, writer };
}

const activities = (session: SessionClient) => session.unread("activity") as ActivityFrame[];

test("the first change is told at once, with the latest state and nothing else", async () => {
  const { room, session, writer } = await twoMembers();
  const before = performance.now();
  await writer.say(room, "hello");
  const activity = await session.next("activity");
  expect(performance.now() - before).toBeLessThan(INTERVAL_MS);
  const message = {
    seq: 1,
    rev: 1,
    sender: writer.hello.me,
    text: "hello",
    sent_at: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
    reactions: [],
  };
  expect(activity as unknown).toStrictEqual({
    type: "activity",
    room,
    seq: 1,
    rev: 1,
    last_message: message,
  });
});

test("a busy room is told at most four times a second, and its last state is not missed", async () => {
  const { room, session, writer } = await twoMembers();
  const begin = performance.now();
  let sent = 0;
  while (performance.now() - begin < 1000) {
    await Promise.all(range(1, 10).map(() => writer.say(room, `text ${++sent}`)));
    await Bun.sleep(5);
  }
  await session.until(() => session.room(room).seq === sent);
  const elapsed = performance.now() - begin;
  expect(session.room(room)).toMatchObject({ rev: sent, unread: sent, last_message: { seq: sent } });
  const told = activities(session);
  expect(told.length).toBeGreaterThan(2);
  expect(told.length).toBeLessThanOrEqual(Math.ceil(elapsed / INTERVAL_MS) + 1);
  // Each tells more than the one before.
  const revs = told.map(({ rev }) => rev);
  expect(revs).toEqual([...new Set(revs)].toSorted((a, b) => a - b));
});

test("deletions are told one by one, each with its rev", async () => {
  const { room, session, writer } = await twoMembers();
  await Promise.all(range(1, 5).map((n) => writer.say(room, `text ${n}`)));
  await session.until(() => session.room(room).seq === 5);
  for (const seq of [5, 2]) await writer.ack({ type: "delete", room, seq });
  await session.until(() => session.room(room).rev === 7);
  expect(session.room(room)).toMatchObject({ unread: 3, last_message: { seq: 4 } });
  const told = activities(session).flatMap(({ deleted = [], deleted_revs = [] }) =>
    deleted.map((seq, index) => [seq, deleted_revs[index]]),
  );
  expect(told).toEqual([
    [5, 6],
    [2, 7],
  ]);
  expect(activities(session)[0]).not.toContainKey("deleted");
});

test("a room whose messages are all deleted has no last message", async () => {
  const { room, session, writer } = await twoMembers();
  await writer.say(room, "gone soon");
  await writer.ack({ type: "delete", room, seq: 1 });
  await session.until(() => session.room(room).rev === 2);
  expect(session.room(room)).toMatchObject({ seq: 1, unread: 0, last_message: null });
});

test("edits and reactions are told: the last message is shown as it is", async () => {
  const { room, session, writer } = await twoMembers();
  await writer.say(room, "one");
  await writer.say(room, "two");
  await writer.ack({ type: "edit", room, seq: 2, text: "Two" });
  await writer.ack({ type: "react", room, seq: 2, emoji: "👍", on: true });
  await writer.ack({ type: "edit", room, seq: 1, text: "One" });
  await session.until(() => session.room(room).rev === 5);
  expect(session.room(room).last_message).toMatchObject({
    seq: 2,
    text: "Two",
    reactions: [{ emoji: "👍" }],
  });
  expect(session.room(room).unread).toBe(2);
});

test("the last message has its metadata, unless that is larger than 512 bytes", async () => {
  const { me, room, session, writer } = await twoMembers();
  const send = (length: number) =>
    writer.ack({ type: "send", room, text: "card", meta: { a: "x".repeat(length) } });
  for (const [seq, length] of [504, 505].entries()) {
    await send(length);
    await session.until(() => session.room(room).seq === seq + 1);
    const last = session.room(room).last_message;
    expect(last).toMatchObject({ seq: seq + 1, text: "card" });
    expect(last?.meta).toEqual(length === 504 ? { a: "x".repeat(504) } : undefined);
    expect((await server.connectSession(me)).room(room).last_message).toEqual(last as never);
  }
});

test("an open room has none, and after it is closed nothing is lost", async () => {
  const { room, session, writer } = await twoMembers();
  await session.open(room);
  await writer.say(room, "one");
  await session.reach(room, 1);
  await writer.ack({ type: "delete", room, seq: 1 });
  await session.reach(room, 2);
  const [closing, sending] = [session.leave(room), writer.say(room, "two")];
  await Promise.all([closing, sending]);
  await writer.say(room, "three");
  await session.until(() => session.room(room).rev === 4);
  expect(session.room(room)).toMatchObject({ seq: 3, unread: 2, last_message: { text: "three" } });
});

test("a room that is opened and closed again and again loses nothing, and nothing is counted twice", async () => {
  const { room, session, writer } = await twoMembers();
  const writing = (async () => {
    for (const n of range(1, 200)) {
      await writer.say(room, `text ${n}`);
      if (n % 3 === 0) await writer.ack({ type: "delete", room, seq: n - 1 });
    }
  })();
  for (let times = 0; times < 30; times++) {
    if (times % 2 === 0) await session.open(room);
    else if (session.model.opened.has(room)) await session.resume(room);
    await Bun.sleep(3);
    await session.leave(room);
    await Bun.sleep(7);
  }
  await writing;
  await session.until(() => session.room(room).rev === 266);
  expect(session.room(room)).toMatchObject({ seq: 200, unread: 134, last_message: { seq: 200 } });
}, 20_000);

test("rooms are coalesced each for itself", async () => {
  const [me, other] = [newEmail(), newEmail()];
  const rooms = [await server.createRoom([me, other]), await server.createRoom([me, other])];
  const [session, writer] = [await server.connectSession(me), await server.connectSession(other)];
  await Promise.all(rooms.map((room) => writer.say(room, "hello")));
  const told = [await session.next("activity"), await session.next("activity")];
  expect(told.map(({ room }) => room).toSorted()).toEqual(rooms.toSorted());
});

test("a session that starts between two publications misses nothing", async () => {
  const { me, room, session, writer } = await twoMembers();
  await writer.say(room, "one");
  await session.next("activity");
  await writer.say(room, "two");
  await writer.ack({ type: "delete", room, seq: 2 });
  const late = await server.connectSession(me);
  expect(late.room(room)).toMatchObject({ seq: 2, rev: 3, unread: 1 });
  await writer.say(room, "three");
  await late.until(() => late.room(room).seq === 3);
  expect(late.room(room).unread).toBe(2);
});

test("nothing is told to a user who has the only session, and has the room open", async () => {
  const { room, session, writer } = await twoMembers();
  await session.close();
  await writer.open(room);
  await writer.say(room, "alone");
  await Bun.sleep(INTERVAL_MS);
  await writer.ping();
  expect(writer.unread("activity")).toEqual([]);
});
