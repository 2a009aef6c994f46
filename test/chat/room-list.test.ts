import { describe, expect, spyOn, test } from "bun:test";

import { type Actor, defaultSettings, operator, type Room } from "../../src/chat/model.ts";
import { RoomList } from "../../src/chat/room-list.ts";
import { StoreHarness, subOf } from "../contract/store-harness.ts";
import { send } from "../support/samples.ts";
import { openSqliteStore } from "../support/sqlite-store.ts";

/** A room list on a store, with the reads of last messages counted and a clock that the test sets. */
async function openList() {
  const opened = openSqliteStore();
  const { store } = opened;
  const h = new StoreHarness(store);
  const clock = { now: 0 };
  const list = new RoomList({ store, now: () => clock.now });
  const [alice, bob] = [await h.user(), await h.user()];
  const lastMessages = spyOn(store, "lastMessages");
  return {
    h,
    store,
    list,
    clock,
    alice,
    bob,
    /** Rooms whose last messages were read since the last call, one array for each read. */
    reads: () => lastMessages.mock.calls.splice(0).map(([keys]) => keys.toSorted((a, b) => a - b)),
    sendAt: (room: Room, at: number, sender: Actor = alice) =>
      store.append([{ ...h.draft(room, sender, send(`at ${at}`)), at }]),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

test("a user's rooms are listed by their last activity, a room without messages by its creation", async () => {
  await using at = await openList();
  const { h, store, list, alice } = at;
  const create = async (id: string, createdAt: number) => {
    await store.createRoom({
      id,
      name: id,
      owner: alice.key,
      ...defaultSettings,
      createdAt,
      roomsPerUser: 0,
    });
    return (await store.membership(id, alice.key))?.room ?? expect.unreachable();
  };
  const [c, a, b, old] = [
    await create("c", 5),
    await create("a", 5),
    await create("b", 7),
    await create("d", 1),
  ];
  const order = async () => (await list.of(alice.key)).map(({ room }) => room.id);
  expect(await order()).toEqual(["b", "a", "c", "d"]);
  await at.sendAt(old, 6);
  await at.sendAt(c, 7);
  expect(await order()).toEqual(["b", "c", "d", "a"]);
  // Deleting the last message gives the room the activity of the one before.
  await at.sendAt(a, 3);
  await at.sendAt(a, 9);
  expect(await order()).toEqual(["a", "b", "c", "d"]);
  await h.act(a, alice, { type: "delete", seq: 2 });
  expect(await order()).toEqual(["b", "c", "d", "a"]);
  expect(b.id).toBe("b");
});

test("one room is summarized like in the list, and only for its members", async () => {
  await using at = await openList();
  const { h, list, alice, bob } = at;
  const room = await h.room(alice);
  await h.fill(room, alice, 2);
  const [listed] = await list.of(alice.key);
  expect(listed).toMatchObject({ role: "member", read: 2, unread: 0, lastMessage: { seq: 2 } });
  expect(await list.one(alice.key, room.key)).toEqual(listed);
  expect(await list.one(bob.key, room.key)).toBeUndefined();
  await h.delete(room);
  expect(await list.one(alice.key, room.key)).toBeUndefined();
});

describe("last messages", () => {
  test("are read once for all users, with one statement, and stay the same objects", async () => {
    await using at = await openList();
    const { h, list, alice, bob } = at;
    const rooms = [await h.room(alice, bob), await h.room(alice, bob), await h.room(alice)];
    for (const room of rooms.slice(1)) await h.fill(room, alice, 2);
    const ofAlice = await list.of(alice.key);
    expect(at.reads()).toEqual([rooms.map(({ key }) => key)]);
    const ofBob = await list.of(bob.key);
    expect(ofBob).toHaveLength(2);
    for (const { room, lastMessage } of ofBob) {
      const same = ofAlice.find((each) => each.room.key === room.key);
      expect([same?.room === room, same?.lastMessage === lastMessage]).toEqual([true, true]);
    }
    // A moved mark is no change of the room.
    await h.act(rooms[1] ?? expect.unreachable(), bob, { type: "read", seq: 1 });
    expect((await list.one(bob.key, rooms[1]?.key ?? 0))?.read).toBe(1);
    expect(at.reads()).toEqual([]);
  });

  test("are read again after a change of their room, and only of that room", async () => {
    await using at = await openList();
    const { h, list, alice } = at;
    const [room, other] = [await h.room(alice), await h.room(alice)];
    for (const each of [room, other]) await h.fill(each, alice, 2);
    await list.of(alice.key);
    at.reads();
    for (const action of [
      { type: "edit", seq: 2, text: "edited" },
      { type: "react", seq: 2, emoji: "👍", on: true },
      { type: "delete", seq: 2 },
      { type: "delete", seq: 1 },
      send("three"),
    ] as const) {
      await h.act(room, alice, action);
      const summary = (await list.of(alice.key)).find((each) => each.room.key === room.key);
      expect(summary?.lastMessage).toEqual((await at.store.lastMessages([room.key])).get(room.key) ?? null);
      expect(at.reads()).toEqual([[room.key], [room.key]]);
    }
  });

  test("show a room's new name without being read again", async () => {
    await using at = await openList();
    const { h, store, list, alice } = at;
    const room = await h.room(alice);
    await h.fill(room, alice, 1);
    const [before] = await list.of(alice.key);
    await store.changeRoom(room.key, { name: "New" }, operator);
    at.reads();
    for (let time = 0; time < 2; time++) {
      const [after] = await list.of(alice.key);
      expect([after?.room.name, after?.lastMessage === before?.lastMessage]).toEqual(["New", true]);
    }
    expect(at.reads()).toEqual([]);
  });

  test("are read again after a minute, because their senders' names may change, or when told to", async () => {
    await using at = await openList();
    const { h, store, list, clock, alice } = at;
    const room = await h.room(alice);
    await h.fill(room, alice, 1);
    await list.of(alice.key);
    const { id: sub, email } = alice;
    const rename = (name: string) => store.signIn({ sub: sub ?? "", email: email ?? "", name });
    const shown = async () => (await list.of(alice.key))[0]?.lastMessage?.sender.name;
    await rename("Alice");
    clock.now = 59_999;
    expect(await shown()).toBeNull();
    clock.now = 60_000;
    expect(await shown()).toBe("Alice");
    await rename("Alicia");
    list.invalidate();
    expect(await shown()).toBe("Alicia");
  });

  test("of up to 4,096 rooms are kept, the newest ones", async () => {
    await using at = await openList();
    const { store, list, alice } = at;
    const rooms = Array.from({ length: 4098 }, (_, index) => ({
      room: { key: index, id: `${index}`, name: "", ...defaultSettings, seq: 0, rev: 0, createdAt: 0 },
      role: "member" as const,
      read: 0,
      unread: 0,
      mentions: 0,
    }));
    using roomsOf = spyOn(store, "roomsOf").mockResolvedValue(rooms);
    using roomOf = spyOn(store, "roomOf");
    expect(await list.of(alice.key)).toHaveLength(4098);
    expect(roomsOf).toHaveBeenCalledTimes(1);
    at.reads();
    for (const each of rooms.toReversed().slice(0, -2)) {
      roomOf.mockResolvedValue(each);
      await list.one(alice.key, each.room.key);
    }
    expect(at.reads()).toEqual([]);
    for (const each of rooms.slice(0, 2)) {
      roomOf.mockResolvedValue(each);
      await list.one(alice.key, each.room.key);
    }
    expect(at.reads()).toEqual([[0], [1]]);
  });

  test("are cut after 200 UTF-16 units, so that a long one takes little memory", async () => {
    await using at = await openList();
    const { h, list, alice } = at;
    const room = await h.room(alice);
    await h.act(room, alice, send("x".repeat(5000)));
    expect((await list.of(alice.key))[0]?.lastMessage?.text).toBe("x".repeat(200));
  });

  test("with very many reactions are shown, and not kept", async () => {
    await using at = await openList();
    const { h, list, alice } = at;
    const room = await h.room(alice);
    await h.fill(room, alice, 1);
    const long = await h.signIn(`sub|${"x".repeat(220)}`);
    await h.grant(room, subOf(long));
    for (let each = 0; each < 20; each++)
      await h.act(room, long, { type: "react", seq: 1, emoji: `:${each}:`, on: true });
    for (let time = 0; time < 2; time++)
      expect((await list.of(alice.key))[0]?.lastMessage?.reactions).toHaveLength(20);
    expect(at.reads()).toHaveLength(2);
  });

  test("that changed while the list was read are not kept for the room as it was", async () => {
    await using at = await openList();
    const { h, store, list, alice } = at;
    const room = await h.room(alice);
    await h.fill(room, alice, 1);
    const before = await store.roomsOf(alice.key);
    await h.fill(room, alice, 1);
    using roomsOf = spyOn(store, "roomsOf").mockResolvedValue(before);
    expect((await list.of(alice.key))[0]?.lastMessage?.seq).toBe(2);
    await list.of(alice.key);
    expect(roomsOf).toHaveBeenCalledTimes(2);
    expect(at.reads()).toHaveLength(2);
  });
});
