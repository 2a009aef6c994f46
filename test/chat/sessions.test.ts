import { describe, expect, test } from "bun:test";

import { actor, settle } from "../support/samples.ts";
import { createSessions, expectKnown } from "../support/sessions-harness.ts";

// What sessions are told of their users' rooms, whatever happens while these are being read. What a session knows of rooms that
// change after it was told of them comes by other ways: it is not part of these tests.

/** A session whose list of rooms 1 and 2 has been asked for. */
function reading(isSlow = false) {
  const harness = createSessions();
  harness.rooms.set(1, [1, 2]);
  harness.rooms.set(2, [1, 2]);
  harness.rooms.set(3, [2]);
  const { session, started } = harness.open(actor(1), { isSlow });
  return { ...harness, session, started };
}
type Harness = ReturnType<typeof reading>;

describe("while the list is being read", () => {
  const events: [string, (harness: Harness) => void][] = [
    ["a change", ({ change }) => change(1)],
    [
      "a read mark that moves",
      ({ rooms, receive }) => {
        rooms.room(1).rev = 7;
        const mark = { seq: 1, unread: 0, mentions: 0, head: { seq: 1, rev: 7 } };
        receive({ kind: "read", room: 1, user: actor(1), mark, sent: false });
      },
    ],
    ["a room that the user is added to", ({ add }) => add(3, 1)],
    ["a room that the user is removed from", ({ remove }) => remove(1, 1)],
    [
      "a room that the user is removed from and added to",
      ({ remove, add }) => {
        remove(1, 1);
        add(1, 1, "moderator");
      },
    ],
    [
      "a room that the user is added to and removed from",
      ({ remove, add }) => {
        add(3, 1);
        remove(3, 1);
      },
    ],
    ["a room that is deleted", ({ deleteRoom }) => deleteRoom(1)],
    [
      "a room that is deleted and made again",
      ({ rooms, deleteRoom, receive }) => {
        deleteRoom(1);
        rooms.set(4, [1], { id: "room-1", name: "Another" });
        receive({ kind: "member_added", room: 4, user: 1 });
      },
    ],
    [
      "memberships that came with a sign-in",
      ({ rooms, receive }) => {
        rooms.room(3).members.set(1, "member");
        receive({ kind: "rooms_changed", user: 1 });
      },
    ],
    [
      "what another process has done",
      ({ rooms, receive }) => {
        rooms.room(3).members.set(1, "member");
        rooms.stored.delete(2);
        receive({ kind: "invalidate" });
      },
    ],
    ["another name", ({ rename }) => rename(1, "another")],
    [
      "another role",
      ({ rooms, receive }) => {
        rooms.room(1).members.set(1, "owner");
        receive({ kind: "notice", room: 1, notice: { type: "member", user: actor(1), role: "owner" } });
      },
    ],
  ];

  test.each(events)("%s is not missed", async (_, happen) => {
    const harness = reading();
    happen(harness);
    await harness.rooms.answerAll();
    await harness.started;
    expectKnown(harness.session, harness);
  });

  test.each(events)("%s is not missed if a second session starts meanwhile", async (_, happen) => {
    const harness = reading();
    const second = harness.open();
    happen(harness);
    // The second list is answered first.
    await harness.rooms.answer(1);
    await harness.rooms.answerAll();
    await Promise.all([harness.started, second.started]);
    for (const session of [harness.session, second.session]) expectKnown(session, harness);
  });

  test.each(events)("%s is not missed if another session of the user is told first", async (_, happen) => {
    const harness = createSessions();
    harness.rooms.set(1, [1, 2]);
    harness.rooms.set(2, [1, 2]);
    harness.rooms.set(3, [2]);
    await harness.start();
    const { session, started } = harness.open();
    happen({ ...harness, session, started });
    await harness.rooms.answerAll({ except: 1 });
    await harness.rooms.answerAll();
    await started;
    expectKnown(session, harness);
  });

  test.each(events)("%s is not missed if it happens while the list is being sent", async (_, happen) => {
    const harness = reading(true);
    await harness.rooms.answer();
    happen(harness);
    await harness.rooms.answerAll();
    harness.session.resume();
    await harness.rooms.answerAll();
    await harness.started;
    expectKnown(harness.session, harness);
  });

  test.each(events)("%s is told to a session that has started", async (name, happen) => {
    const harness = createSessions();
    harness.rooms.set(1, [1, 2]);
    harness.rooms.set(2, [1, 2]);
    harness.rooms.set(3, [2]);
    const session = await harness.start();
    happen({ ...harness, session, started: Promise.resolve() });
    await harness.rooms.answerAll();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await harness.rooms.answerAll();
    // Changes, marks and roles come by other ways.
    const others = ["a change", "a read mark that moves", "another role"];
    if (!others.includes(name)) expectKnown(session, harness);
  });

  test("nothing is told before the start", async () => {
    const { session, started, add, remove, rooms } = reading();
    add(3, 1);
    remove(1, 1);
    await settle();
    expect(session.told).toEqual([]);
    await rooms.answerAll();
    await started;
    expect(session.told[0]).toBe("start room-2");
  });
});

describe("nothing is kept", () => {
  test("after the last session of a user has ended", async () => {
    const { rooms, sessions, online, start, close } = createSessions();
    rooms.set(1, [1]);
    const [first, second] = [await start(), await start()];
    expect(online).toEqual(["1 in 1"]);
    await close(first);
    expect(sessions.has(1, 1)).toBeTrue();
    await close(second);
    expect([sessions.has(1, 1), sessions.hasUser(1), sessions.idOf(1), sessions.keyOf(1, "room-1")]).toEqual([
      false,
      false,
      undefined,
      undefined,
    ]);
    expect(online).toEqual([]);
  });

  test.each(["before its list has been read", "while its list is being sent"])(
    "of a session that ends %s, and those that follow work",
    async (when) => {
      const harness = createSessions();
      const { rooms, sessions, online, open, start, close, add } = harness;
      rooms.set(1, [1]);
      rooms.set(2, []);
      const other = await start();
      const { session, started } = open(actor(1), { isSlow: true });
      if (when.startsWith("while")) await rooms.answer();
      await close(session);
      await rooms.answerAll();
      await started;
      // The first of the others ends while another one starts.
      const next = open();
      await close(other);
      await rooms.answerAll();
      await next.started;
      add(2, 1);
      await rooms.answerAll();
      expectKnown(next.session, harness);
      expect(online.toSorted()).toEqual(["1 in 1", "1 in 2"]);
      await close(next.session);
      expect([sessions.hasUser(1), online]).toEqual([false, []]);
    },
  );

  test("of a session whose list cannot be read", async () => {
    const { rooms, sessions, online, open, opened } = createSessions();
    rooms.set(1, [1]);
    const { started } = open();
    await rooms.fail();
    expect(await started.catch((error: Error) => error.message)).toContain("broken");
    expect([sessions.hasUser(1), online, opened[0]?.told]).toEqual([false, [], []]);
  });
});

test("a failed read of a user's memberships is retried", async () => {
  const { rooms, failures, start, add } = createSessions();
  rooms.set(1, []);
  const session = await start();
  add(1, 1);
  await rooms.fail();
  expect(failures).toHaveLength(1);
  expect(rooms.waiting).toEqual([]);
  await Bun.sleep(1100);
  await rooms.answerAll();
  expect(session.told).toEqual(["start", "joined room-1"]);
});

describe("when another process has written", () => {
  test("a room that it deleted and made again is told as left and then as joined", async () => {
    const { rooms, start, receive } = createSessions();
    rooms.set(1, [1]);
    const session = await start();
    rooms.stored.delete(1);
    rooms.set(2, [1], { id: "room-1" });
    receive({ kind: "invalidate" });
    await rooms.answerAll();
    expect(session.told).toEqual(["start room-1", "left room-1 room_deleted", "joined room-1"]);
  });

  test("another name is told to the room", async () => {
    const { rooms, start, receive, renamed } = createSessions();
    rooms.set(1, [1]);
    await start();
    rooms.room(1).name = "another";
    receive({ kind: "invalidate" });
    await rooms.answerAll();
    expect(renamed).toEqual(["another"]);
  });

  test("another role is told to the user's sessions, once", async () => {
    const { rooms, start, receive } = createSessions();
    rooms.set(1, [1]);
    const session = await start();
    rooms.room(1).members.set(1, "owner");
    for (let times = 0; times < 2; times++) receive({ kind: "invalidate" });
    await rooms.answerAll();
    expect(session.told).toEqual(["start room-1", "refreshed room-1"]);
    expect(session.known.get("room-1")).toContain("owner");
  });

  test("a user who was removed is told so, and one who was added again is not", async () => {
    const { rooms, start, receive } = createSessions();
    rooms.set(1, [1]);
    rooms.set(2, [1]);
    const session = await start();
    for (const key of [1, 2]) rooms.room(key).members.delete(1);
    receive({ kind: "invalidate" });
    // The list has been read by now.
    rooms.room(2).members.set(1, "member");
    await rooms.answerAll();
    expect(session.told).toEqual(["start room-1 room-2", "left room-1 removed"]);
  });
});

test("one user's memberships are read at a time, and once more if another process has written meanwhile", async () => {
  const { rooms, start, receive } = createSessions();
  rooms.set(1, [1, 2, 3]);
  for (const user of [1, 2, 3]) await start(actor(user));
  receive({ kind: "invalidate" });
  await settle();
  for (let times = 0; times < 3; times++) receive({ kind: "invalidate" });
  await settle();
  const read: string[] = [];
  while (rooms.waiting.length > 0) {
    expect(rooms.waiting).toHaveLength(1);
    read.push(...rooms.waiting);
    await rooms.answer();
  }
  expect(read).toEqual(["of 1", "of 1", "of 2", "of 3"]);
});

test("a change of one room while the membership of another is read costs no read", async () => {
  const { rooms, start, add, change } = createSessions();
  rooms.set(1, [1]);
  rooms.set(2, []);
  await start();
  add(2, 1);
  change(1);
  expect(rooms.waiting).toEqual(["one 1 2"]);
  await rooms.answer();
  expect(rooms.waiting).toEqual([]);
});

test("a session that missed activity is told of all rooms again, and loses one that it had not been told of", async () => {
  const harness = createSessions();
  const { rooms, sessions, start, add, remove } = harness;
  rooms.set(1, [1]);
  rooms.set(2, []);
  const session = await start();
  const refreshed = (async () => {
    add(2, 1);
    await sessions.refresh(session);
  })();
  await settle();
  // The refresh is answered before the membership is looked up.
  await rooms.answer(rooms.waiting.indexOf("of 1"));
  await refreshed;
  remove(2, 1);
  await rooms.answerAll();
  expectKnown(session, harness);
});
