import { expect, test } from "bun:test";

import { type Result, unwrap } from "../../src/chat/errors.ts";
import {
  type Actor,
  type Invitee,
  operator,
  type Room,
  type RoomKey,
  type UserKey,
} from "../../src/chat/model.ts";
import type { OpenedDirect } from "../../src/chat/store.ts";
import { send } from "../support/samples.ts";
import { type StoreHarness, subOf } from "./store-harness.ts";

const open = (h: StoreHarness, by: Actor, who: Invitee, { roomsPerUser = 0, id = h.name("room") } = {}) =>
  h.store.openDirect({ by, who, id, createdAt: 1, roomsPerUser });
const opened = async (result: Promise<Result<OpenedDirect>>) => unwrap(await result);

/** The room of a conversation. */
async function roomOf(h: StoreHarness, user: Actor, key: RoomKey): Promise<Room> {
  const entry = await h.store.roomOf(user.key, key);
  return entry?.room ?? expect.unreachable();
}

/** The other users of somebody's conversations. */
async function others(h: StoreHarness, user: Actor): Promise<Set<UserKey>> {
  const entries = await h.store.roomsOf(user.key);
  return new Set(entries.flatMap(({ directWith }) => directWith?.key ?? []));
}

/** Two users who share a room. */
async function pair(h: StoreHarness) {
  const [alice, bob] = [await h.user(), await h.user()];
  return { alice, bob, shared: await h.room(alice, bob) };
}

export function directContract(harness: () => StoreHarness): void {
  test("a conversation is created once, whoever opens it, and each of its users is told of the other", async () => {
    const h = harness();
    const { alice, bob } = await pair(h);
    const [first, second] = await Promise.all([
      opened(open(h, alice, subOf(bob))),
      opened(open(h, bob, { email: alice.email ?? "" })),
    ]);
    expect([first, second]).toEqual([
      { room: first.room, other: bob.key, created: true },
      { room: first.room, other: alice.key, created: false },
    ]);
    const members = await h.store.members(first.room);
    expect(members.map(({ user, role }) => [user.key, role])).toEqual([
      [alice.key, "member"],
      [bob.key, "member"],
    ]);
    const entry = await h.store.roomOf(alice.key, first.room);
    const { admin: _, ...shown } = bob;
    expect(entry).toMatchObject({
      room: { name: `${alice.email}, ${bob.email}`, access: "members" },
      directWith: shown,
      unread: 0,
    });
    const id = entry?.room.id ?? "";
    expect(await h.store.membership(id, alice.key)).toMatchObject({ role: "member", directWith: shown });
    expect((await h.store.membership(id, bob.key))?.directWith?.key).toBe(alice.key);
    expect(await others(h, bob)).toEqual(new Set([alice.key]));
    const all = await h.store.memberships(alice.key, { after: undefined, limit: 10_000 });
    expect(all.find(({ room }) => room.id === id)?.directWith).toEqual(shown);
  });

  test("the rooms of others, and an administrator who is not in it, show nobody", async () => {
    const h = harness();
    const { alice, bob, shared } = await pair(h);
    const { room } = await opened(open(h, alice, subOf(bob)));
    const { id } = await roomOf(h, alice, room);
    const stranger = await h.user();
    expect(await h.store.membership(id, stranger.key)).toMatchObject({ role: null });
    expect((await h.store.membership(id, stranger.key))?.directWith).toBeUndefined();
    expect((await h.store.membership(shared.id, alice.key))?.directWith).toBeUndefined();
    expect((await h.store.roomOf(alice.key, shared.key))?.directWith).toBeUndefined();
  });

  test("users who share no room are as unknown to each other as users who do not exist", async () => {
    const h = harness();
    const [alice, stranger] = [await h.user(), await h.user()];
    const former = await h.room(alice, stranger);
    await h.delete(former);
    const unknown = { refused: "user_not_found" } as const;
    for (const who of [
      subOf(stranger),
      { email: stranger.email ?? "" },
      { sub: "nobody" },
      { email: h.email() },
    ])
      expect(await open(h, alice, who)).toEqual(unknown);
    const admin = { ...alice, admin: true };
    expect(await open(h, admin, { sub: "nobody" })).toEqual(unknown);
    expect(await open(h, admin, subOf(stranger))).toMatchObject({ created: true });
    // They have the conversation from now on.
    expect(await open(h, stranger, subOf(alice))).toMatchObject({ created: false });
    expect(await open(h, alice, subOf(alice))).toEqual({ refused: "own_direct" });
  });

  test("an invited user has conversations before they sign in", async () => {
    const h = harness();
    const [alice, email] = [await h.user(), h.email()];
    const shared = await h.room(alice);
    await h.grant(shared, { email });
    const { room } = await opened(open(h, alice, { email }));
    await h.act(await roomOf(h, alice, room), alice, send("Welcome"));
    expect((await h.store.roomOf(alice.key, room))?.directWith).toMatchObject({ id: null, email });
    // The invitation may be withdrawn: the conversation stays.
    await h.remove(shared, { email });
    const bob = await h.signIn(h.name("sub"), email);
    expect(await h.store.roomOf(bob.key, room)).toMatchObject({ unread: 1, directWith: { key: alice.key } });
    expect(await open(h, bob, subOf(alice))).toEqual({ room, other: alice.key, created: false });
  });

  test("a user who takes over an invitation takes over its conversations, but has one with each user", async () => {
    const h = harness();
    const [alice, bob, carol] = [await h.user(), await h.user(), await h.user()];
    const email = h.email();
    const shared = await h.room(alice, bob, carol);
    await h.grant(shared, { email });
    const withInvited = await opened(open(h, alice, { email }));
    const withBoth = await opened(open(h, carol, { email }));
    const ownWithCarol = await opened(open(h, bob, subOf(carol)));
    const own = await opened(open(h, bob, { email }));
    await h.signIn(bob.id ?? "", email);
    expect(await open(h, bob, subOf(alice))).toEqual({ ...withInvited, other: alice.key, created: false });
    expect((await h.store.roomOf(alice.key, withInvited.room))?.directWith?.key).toBe(bob.key);
    // The second one with Carol, and the one with themselves, are plain rooms now.
    expect(await open(h, carol, subOf(bob))).toMatchObject({ room: ownWithCarol.room, created: false });
    for (const { room } of [withBoth, own]) {
      expect((await h.store.roomOf(bob.key, room))?.directWith).toBeUndefined();
      expect(await h.store.removeMember(room, subOf(bob), bob)).toMatchObject({ role: "member" });
    }
    expect(await others(h, bob)).toEqual(new Set([alice.key, carol.key]));
  });

  test("counts as a room that its creator has created, and an existing one is opened whatever the limit", async () => {
    const h = harness();
    const { alice, bob, shared } = await pair(h);
    const carol = await h.user();
    await h.grant(shared, subOf(carol));
    const one = { roomsPerUser: 1 };
    await opened(open(h, alice, subOf(bob), one));
    expect(await open(h, alice, subOf(carol), one)).toEqual({ refused: "too_many_rooms" });
    expect(await open(h, alice, subOf(bob), one)).toMatchObject({ created: false });
    expect(await open(h, bob, subOf(carol), one)).toMatchObject({ created: true });
  });

  test("a deleted conversation is created again, empty", async () => {
    const h = harness();
    const { alice, bob } = await pair(h);
    const first = await opened(open(h, alice, subOf(bob)));
    await h.act(await roomOf(h, alice, first.room), alice, send("old"));
    expect(await h.store.deleteRoom(first.room, alice)).toEqual({ refused: "not_allowed" });
    unwrap(await h.store.deleteRoom(first.room, operator));
    const second = await opened(open(h, bob, subOf(alice)));
    expect(second).toEqual({ room: second.room, other: alice.key, created: true });
    expect(second.room).not.toBe(first.room);
    expect(await h.store.head(second.room)).toEqual({ seq: 0, rev: 0 });
  });

  test("its members and settings are fixed, for administrators too", async () => {
    const h = harness();
    const { alice, bob } = await pair(h);
    const carol = await h.user();
    const { room } = await opened(open(h, alice, subOf(bob)));
    const fixed = { refused: "direct_room" } as const;
    const grant = { joinedAt: 1, membersPerRoom: 0 };
    const restriction = { kind: "mute", until: null, reason: null, at: 1 } as const;
    for (const by of [alice, operator, { ...carol, admin: true }]) {
      const { store } = h;
      expect(await store.changeRoom(room, { name: "x" }, by)).toEqual(fixed);
      for (const [who, role] of [
        [carol, undefined],
        [bob, "owner"],
      ] as const)
        expect(await store.setMembers(room, [{ who: subOf(who), role }], { by, ...grant })).toEqual(fixed);
      for (const who of [alice, bob, carol])
        expect(await store.removeMember(room, subOf(who), by)).toEqual(fixed);
      for (const kind of ["ban", "mute"] as const) {
        expect(await store.restrict(room, subOf(bob), { ...restriction, kind }, by)).toEqual(fixed);
        expect(await store.liftRestriction(room, subOf(bob), { kind, at: 1 }, by)).toEqual(fixed);
      }
    }
    expect(await h.store.joinRoom(room, { by: { ...carol, admin: true }, ...grant })).toEqual(fixed);
    expect(await h.store.joinRoom(room, { by: carol, ...grant })).toEqual({ refused: "room_not_found" });
    expect(await h.store.joinRoom(room, { by: alice, ...grant })).toMatchObject({ added: false });
    expect(await h.store.memberKeys(room)).toEqual(new Set([alice.key, bob.key]));
    // For everybody else it is as if it did not exist.
    expect(await h.store.changeRoom(room, { name: "x" }, carol)).toEqual({ refused: "removed" });
  });
}
