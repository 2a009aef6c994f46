import { expect, test } from "bun:test";

import { operator } from "../../src/chat/model.ts";
import type { World } from "./world.ts";

export function roomsContract(world: () => World): void {
  test("a room is made once; its maker is its owner", async () => {
    const w = world();
    const alice = await w.user();
    const id = w.name("room");
    const room = await w.createRoom(id, alice);
    expect(room).toMatchObject({ id, name: id, seq: 0, rev: 0, createdAt: 1 });
    expect(await w.store.membership(id, alice.key)).toEqual({ room, role: "owner" });
    const again = { id, name: "another", owner: null, createdAt: 2 };
    expect(await w.store.createRoom(again, 0)).toBe("taken");
    expect(await w.store.membership(id, alice.key)).toEqual({ room, role: "owner" });
    expect((await w.store.rooms()).filter((each) => each.id === id)).toEqual([room]);
  });

  test("a room of the operator's has no owner", async () => {
    const w = world();
    expect(await w.store.members((await w.createRoom(w.name("room"))).key)).toEqual([]);
  });

  test("ids differ by case", async () => {
    const w = world();
    const id = w.name("room");
    const [lower, upper] = [await w.createRoom(id), await w.createRoom(id.toUpperCase())];
    expect(lower.key).not.toBe(upper.key);
  });

  test("rooms that a user made count against his limit, until they are deleted", async () => {
    const w = world();
    const [alice, bob] = [await w.user(), await w.user()];
    const make = (owner: typeof alice | null, limit: number) =>
      w.store.createRoom({ id: w.name("room"), name: "", owner: owner?.key ?? null, createdAt: 1 }, limit);
    const first = await make(alice, 2);
    expect(await make(alice, 2)).toBeObject();
    expect(await make(alice, 2)).toBe("too_many");
    // Another user's, the operator's, and 0 for no limit.
    for (const made of [make(bob, 2), make(null, 2), make(alice, 0)]) expect(await made).toBeObject();
    expect(await make(alice, 3)).toBe("too_many");
    if (typeof first !== "string") await w.delete(first);
    expect(await make(alice, 3)).toBeObject();
  });

  test("an unknown room, and a room for whom it does not hold, look like that", async () => {
    const w = world();
    const [alice, stranger] = [await w.user(), await w.user()];
    const room = await w.room(alice);
    expect(await w.store.membership(room.id, alice.key)).toEqual({ room, role: "member" });
    expect(await w.store.membership(room.id, stranger.key)).toEqual({ room, role: null });
    expect(await w.store.membership(w.name("room"), alice.key)).toBeUndefined();
    expect(await w.store.head(2 ** 40)).toBeUndefined();
    expect(await w.store.roster(2 ** 40)).toBeUndefined();
  });

  test("a deleted room is gone at once, for everyone", async () => {
    const w = world();
    const alice = await w.user();
    const room = await w.room(alice);
    await w.fill(room, alice, 3);
    await w.delete(room);
    expect(await w.store.deleteRoom(room.key, operator)).toBe("room_deleted");
    expect(await w.store.membership(room.id, alice.key)).toBeUndefined();
    expect(await w.store.head(room.key)).toBeUndefined();
    expect(await w.store.roster(room.key)).toBeUndefined();
    expect(await w.store.roomsOf(alice.key)).toEqual([]);
    expect((await w.store.rooms()).map(({ key }) => key)).not.toContain(room.key);
    expect(await w.append(w.draft(room, alice))).toEqual(["room_deleted"]);
    expect(await w.grant(room, { sub: alice.id ?? "" })).toBe("room_deleted");
  });

  test("a room made again under a deleted one's id has nothing of it, also while that is being purged", async () => {
    const w = world();
    const [alice, bob] = [await w.user(), await w.user()];
    const old = await w.room(alice, bob);
    const kept = await w.room(alice);
    await w.store.append([w.draft(old, alice, "old", "c")]);
    await w.fill(old, alice, 2500);
    const said = await w.fill(kept, alice, 3);
    await w.delete(old);
    const room = await w.createRoom(old.id, alice);
    expect(room.key).not.toBe(old.key);

    let turns = 0;
    for (; turns < 100 && (await w.store.purge()); turns++) {
      if (turns === 1) {
        expect(await w.append(w.draft(room, alice, "new", "c"))).toEqual(["created 1/1"]);
      }
    }
    expect(turns).toBeGreaterThan(2);
    expect(await w.texts(old)).toEqual([]);
    expect(await w.texts(room)).toEqual(["new"]);
    expect(await w.texts(kept)).toEqual(said);
    expect(await w.store.roster(room.key)).toEqual(new Set([alice.key]));
    expect(await w.store.membership(old.id, bob.key)).toMatchObject({ role: null });
    expect(await w.store.purge()).toBe(false);
  });

  test("a user's list has his rooms by id, with role, unread count and last message", async () => {
    const w = world();
    const [alice, bob] = [await w.user(), await w.user()];
    const [b, a, c] = [await w.createRoom(w.name("b")), await w.createRoom(w.name("a")), await w.room(bob)];
    await w.grant(b, { sub: alice.id ?? "" }, "moderator");
    await w.grant(a, { sub: alice.id ?? "" });
    await w.grant(b, { sub: bob.id ?? "" });
    const texts = await w.fill(b, bob, 3);
    await w.fill(c, bob, 1);
    expect(await w.store.roomsOf(alice.key)).toMatchObject([
      { room: { id: a.id, seq: 0 }, role: "member", unread: 0, lastMessage: null },
      {
        room: { id: b.id, seq: 3 },
        role: "moderator",
        unread: 3,
        lastMessage: { seq: 3, text: texts[2] ?? "" },
      },
    ]);
    // Whoever says something has read what was there.
    expect(await w.store.roomsOf(bob.key)).toMatchObject([
      { room: { id: b.id }, unread: 0 },
      { room: { id: c.id }, unread: 0, lastMessage: { seq: 1 } },
    ]);
    await w.append(w.does(b, alice, { type: "read", seq: 2 }), w.draft(b, bob));
    expect(await w.store.roomsOf(alice.key)).toMatchObject([{ unread: 0 }, { unread: 2 }]);
  });

  test("a probe leaves nothing behind", async () => {
    const w = world();
    const before = await w.store.rooms();
    await w.store.probe();
    await w.store.probe();
    expect(await w.store.rooms()).toEqual(before);
  });
}
