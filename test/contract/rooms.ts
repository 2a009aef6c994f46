import { expect, test } from "bun:test";

import { unwrap } from "../../src/chat/errors.ts";
import { type Actor, defaultSettings, type Membership, operator, type Room } from "../../src/chat/model.ts";
import { send } from "../support/samples.ts";
import { type StoreHarness, subOf } from "./store-harness.ts";

export function roomsContract(harness: () => StoreHarness): void {
  test("a room is created once; its creator is its owner", async () => {
    const h = harness();
    const alice = await h.user();
    const id = h.name("room");
    const room = await h.createRoom(id, alice);
    expect(room).toEqual({ key: room.key, id, name: id, ...defaultSettings, seq: 0, rev: 0, createdAt: 1 });
    const again = { id, name: "another", owner: null, ...defaultSettings, createdAt: 2, roomsPerUser: 0 };
    expect(await h.store.createRoom(again)).toEqual({ refused: "room_id_taken" });
    expect(await h.store.membership(id, alice.key)).toEqual({ room, role: "owner" });
    expect((await h.store.rooms()).filter((each) => each.id === id)).toEqual([room]);
  });

  test("a room of the operator has no owner, and ids differ by case", async () => {
    const h = harness();
    const id = h.name("room");
    const [lower, upper] = [await h.createRoom(id), await h.createRoom(id.toUpperCase())];
    expect(lower.key).not.toBe(upper.key);
    expect(await h.store.members(lower.key)).toEqual([]);
  });

  test("the rooms that a user has created count against their limit, until they are deleted", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const create = (owner: Actor | null, roomsPerUser: number) => {
      const id = h.name("room");
      return h.store.createRoom({
        id,
        name: id,
        owner: owner?.key ?? null,
        ...defaultSettings,
        createdAt: 1,
        roomsPerUser,
      });
    };
    const first = unwrap(await create(alice, 2));
    unwrap(await create(alice, 2));
    expect(await create(alice, 2)).toEqual({ refused: "too_many_rooms" });
    // Those of another user and of the operator do not; 0 lifts the limit.
    for (const created of [create(bob, 2), create(null, 2), create(alice, 0)]) unwrap(await created);
    expect(await create(alice, 3)).toEqual({ refused: "too_many_rooms" });
    await h.delete(first);
    unwrap(await create(alice, 3));
  });

  test("a membership is the room with the role of this user, and undefined for a room that is not there", async () => {
    const h = harness();
    const [alice, stranger] = [await h.user(), await h.user()];
    const room = await h.room(alice);
    await h.fill(room, alice, 2);
    const now = { ...room, seq: 2, rev: 2 };
    expect(await h.store.membership(room.id, alice.key)).toEqual({ room: now, role: "member" });
    expect(await h.store.membership(room.id, stranger.key)).toEqual({ room: now, role: null });
    expect(await h.store.membership(h.name("room"), alice.key)).toBeUndefined();
  });

  test("all rooms are listed by id, in pages, with the role of one user", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const [own, foreign] = [await h.room(alice), await h.room(bob)];
    const deleted = await h.room(alice);
    await h.delete(deleted);
    const read: Membership[] = [];
    for (let after: string | undefined; ;) {
      const page = await h.store.memberships(alice.key, { after, limit: 2 });
      read.push(...page);
      after = page.at(-1)?.room.id;
      if (page.length < 2) break;
    }
    expect(read.map(({ room }) => room)).toEqual(await h.store.rooms());
    const roleIn = ({ key }: Room) => read.find(({ room }) => room.key === key)?.role;
    expect([own, foreign, deleted].map(roleIn)).toEqual(["member", null, undefined]);
  });

  test("a room is renamed, and keeps everything else", async () => {
    const h = harness();
    const alice = await h.user();
    const [room, other] = [await h.room(alice), await h.room(alice)];
    await h.fill(room, alice, 2);
    unwrap(await h.store.changeRoom(room.key, { name: "Büro 🏢" }, operator));
    const renamed = { ...room, name: "Büro 🏢", seq: 2, rev: 2 };
    expect(await h.store.membership(room.id, alice.key)).toEqual({ room: renamed, role: "member" });
    const list = (await h.store.roomsOf(alice.key)).map((each) => each.room);
    expect(list.toSorted((a, b) => a.key - b.key)).toEqual([renamed, other]);
    expect((await h.store.rooms()).filter(({ key }) => key === room.key)).toEqual([renamed]);
  });

  test("a deleted room is gone at once, for everybody", async () => {
    const h = harness();
    const alice = await h.user();
    const room = await h.room(alice);
    await h.fill(room, alice, 3);
    await h.delete(room);
    expect(await h.store.membership(room.id, alice.key)).toBeUndefined();
    expect(await h.store.roomsOf(alice.key)).toEqual([]);
    expect((await h.store.rooms()).map(({ key }) => key)).not.toContain(room.key);
  });

  test("a room that is created again under the id of a deleted one has nothing of it, also while that is purged", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const [old, kept] = [await h.room(alice, bob), await h.room(alice)];
    await h.act(old, alice, send("old", "c"));
    await h.fill(old, alice, 2500);
    const texts = await h.fill(kept, alice, 3);
    await h.delete(old);
    const room = await h.createRoom(old.id, alice);
    expect(room.key).not.toBe(old.key);
    let turns = 0;
    for (; turns < 100 && (await h.store.purge()); turns++)
      if (turns === 1) expect(await h.act(room, alice, send("new", "c"))).toEqual(["created 1/1"]);
    expect(turns).toBeGreaterThan(2);
    expect(await h.store.purge()).toBe(false);
    expect([await h.texts(old), await h.texts(room), await h.texts(kept)]).toEqual([[], ["new"], texts]);
    expect(await h.store.memberKeys(room.key)).toEqual(new Set([alice.key]));
    expect(await h.store.membership(old.id, bob.key)).toMatchObject({ room: { key: room.key }, role: null });
    // A connection that is still joining the old room does not get into the new one.
    expect(await h.store.role(old.key, alice.key)).toBeUndefined();
    expect([await h.store.head(old.key), await h.store.history(old.key, 1)]).toEqual([undefined, undefined]);
  });

  test("those who were invited to a deleted room are not invited to the next one", async () => {
    const h = harness();
    const [room, email] = [await h.room(), h.email()];
    await h.grant(room, { email });
    await h.delete(room);
    const again = await h.createRoom(room.id);
    while (await h.store.purge());
    const user = await h.signIn(h.name("sub"), email);
    expect([await h.store.roomsOf(user.key), await h.store.memberKeys(again.key)]).toEqual([[], new Set()]);
    expect(await h.grant(again, subOf(user))).toMatchObject({ added: true });
  });

  test("the members of a deleted room are removed step by step", async () => {
    const h = harness();
    const room = await h.room();
    const emails = Array.from({ length: 120 }, () => h.email());
    for (const email of emails) await h.grant(room, { email });
    await h.delete(room);
    let steps = 0;
    while (await h.store.purge()) steps++;
    expect(steps).toBeGreaterThan(2);
    const user = await h.signIn(h.name("sub"), emails.at(-1));
    expect(await h.store.roomsOf(user.key)).toEqual([]);
  });

  test("a probe leaves nothing behind", async () => {
    const { store } = harness();
    const before = await store.rooms();
    await store.probe();
    await store.probe();
    expect(await store.rooms()).toEqual(before);
  });
}
