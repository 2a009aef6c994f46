import { expect, test } from "bun:test";

import type { Action } from "../../src/chat/model.ts";
import { send } from "../support/samples.ts";
import { type StoreHarness, subOf } from "./store-harness.ts";

const read = (seq: number): Action => ({ type: "read", seq });
const remove = (seq: number): Action => ({ type: "delete", seq });

export function readMarksContract(harness: () => StoreHarness): void {
  /** A room with two members. */
  const setUp = async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    return { h, alice, bob, room: await h.room(alice, bob) };
  };

  test("a mark moves forward only, to the newest message at most, and is no change of the room", async () => {
    const { h, alice, bob, room } = await setUp();
    await h.fill(room, bob, 5);
    const steps: [seq: number, outcome: string, unread: number][] = [
      [0, "unchanged 0/5", 5],
      [2, "marked 2/5", 3],
      [1, "unchanged 2/5", 3],
      [Number.MAX_SAFE_INTEGER, "marked 5/5", 0],
    ];
    for (const [seq, outcome, unread] of steps) {
      expect(await h.act(room, alice, read(seq))).toEqual([outcome]);
      expect(await h.unread(room, alice)).toBe(unread);
    }
    expect(await h.store.head(room.key)).toEqual({ seq: 5, rev: 5 });
    await h.fill(room, bob, 1);
    expect(await h.unread(room, alice)).toBe(1);
  });

  test("a sender has read up to their message, but not up to one that was sent before", async () => {
    const { h, alice, bob, room } = await setUp();
    await h.append(h.draft(room, alice, send("one", "c")), h.draft(room, bob, send("two")));
    expect([await h.unread(room, alice), await h.unread(room, bob)]).toEqual([1, 0]);
    await h.act(room, alice, send("one", "c"), { type: "edit", seq: 1, text: "uno" });
    expect(await h.unread(room, alice)).toBe(1);
    await h.act(room, alice, send("three"), read(1));
    expect([await h.unread(room, alice), await h.unread(room, bob)]).toEqual([0, 1]);
  });

  test("a mark is of one user in one room", async () => {
    const { h, alice, bob, room } = await setUp();
    const other = await h.room(alice, bob);
    for (const each of [room, other]) await h.fill(each, bob, 3);
    await h.append(h.draft(room, alice, read(3)), h.draft(other, alice, read(1)));
    expect([await h.unread(room, alice), await h.unread(other, alice)]).toEqual([0, 2]);
  });

  test("deleted messages are not unread", async () => {
    const { h, alice, bob, room } = await setUp();
    await h.fill(room, bob, 5);
    await h.act(room, alice, read(2));
    expect(await h.unread(room, alice)).toBe(3);
    await h.act(room, bob, remove(1), remove(4));
    expect(await h.unread(room, alice)).toBe(2);
    await h.act(room, bob, remove(3), remove(5));
    expect(await h.unread(room, alice)).toBe(0);
  });

  test("a new member has nothing unread, nor does one who rejoins", async () => {
    const { h, alice, bob, room } = await setUp();
    await h.fill(room, bob, 3);
    const carol = await h.user();
    await h.grant(room, subOf(carol));
    expect(await h.unread(room, carol)).toBe(0);
    await h.fill(room, bob, 1);
    expect([await h.unread(room, carol), await h.unread(room, alice)]).toEqual([1, 4]);
    // Another role is no new membership.
    await h.grant(room, subOf(carol), "moderator");
    expect(await h.unread(room, carol)).toBe(1);
    await h.remove(room, subOf(carol));
    await h.fill(room, bob, 2);
    await h.grant(room, subOf(carol));
    expect(await h.unread(room, carol)).toBe(0);
  });

  test("a mark goes with its membership, as that of an administrator who left one behind does", async () => {
    const { h, bob, room } = await setUp();
    const admin = { ...(await h.user()), admin: true };
    await h.fill(room, bob, 3);
    expect(await h.act(room, admin, read(3))).toEqual(["marked 3/3"]);
    await h.fill(room, bob, 1);
    await h.grant(room, subOf(admin));
    expect(await h.unread(room, admin)).toBe(0);
    await h.remove(room, subOf(admin));
    expect(await h.act(room, admin, read(2))).toEqual(["marked 2/4"]);
  });

  test("the mark of an invitation moves along when somebody signs in with its email", async () => {
    const { h, bob, room } = await setUp();
    const [known, email, other] = [await h.user(), h.email(), h.email()];
    await h.fill(room, bob, 2);
    for (const each of [email, other]) await h.grant(room, { email: each });
    await h.fill(room, bob, 3);
    const unknown = await h.signIn(h.name("sub"), email);
    await h.signIn(known.id ?? "", other);
    expect([await h.unread(room, unknown), await h.unread(room, known)]).toEqual([3, 3]);
  });

  test("the mark of an invitation replaces one that its user left behind as an administrator", async () => {
    const { h, bob, room } = await setUp();
    const [admin, email] = [{ ...(await h.user()), admin: true }, h.email()];
    await h.fill(room, bob, 3);
    await h.act(room, admin, read(1));
    await h.grant(room, { email });
    await h.fill(room, bob, 1);
    await h.signIn(admin.id ?? "", email);
    expect(await h.unread(room, admin)).toBe(1);
  });

  test("a member who was invited a second time under another email keeps their own mark", async () => {
    const { h, alice, bob, room } = await setUp();
    await h.fill(room, bob, 2);
    await h.act(room, alice, read(1));
    const email = h.email();
    await h.grant(room, { email });
    await h.signIn(alice.id ?? "", email);
    expect(await h.unread(room, alice)).toBe(1);
  });

  test("a user's list has their rooms with role, read mark and unread count", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const [b, a, c] = [await h.createRoom(h.name("b")), await h.createRoom(h.name("a")), await h.room(bob)];
    await h.grant(b, subOf(alice), "moderator");
    await h.grant(a, subOf(alice));
    await h.grant(b, subOf(bob));
    await h.fill(b, bob, 3);
    await h.fill(c, bob, 1);
    await h.act(b, alice, read(1));
    const list = await h.store.roomsOf(alice.key);
    expect(list.toSorted((one, other) => (one.room.id < other.room.id ? -1 : 1))).toEqual([
      { room: a, role: "member", read: 0, unread: 0, mentions: 0 },
      { room: { ...b, seq: 3, rev: 3 }, role: "moderator", read: 1, unread: 2, mentions: 0 },
    ]);
    for (const entry of list) expect(await h.store.roomOf(alice.key, entry.room.key)).toEqual(entry);
    // Not a member, no longer a member, deleted.
    expect(await h.store.roomOf(alice.key, c.key)).toBeUndefined();
    await h.remove(a, subOf(alice));
    await h.delete(b);
    for (const { key } of [a, b]) expect(await h.store.roomOf(alice.key, key)).toBeUndefined();
    expect(await h.store.roomsOf(alice.key)).toEqual([]);
  });

  test("the last message of a room is the newest that is not deleted, as it is now", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const [room, empty, other] = [await h.room(alice, bob), await h.room(), await h.room(bob)];
    await h.fill(room, alice, 1);
    await h.fill(room, bob, 2);
    await h.fill(other, bob, 1);
    const keys = [room.key, empty.key, other.key];
    const last = () => h.store.lastMessages(keys);
    const message = async (key: number, seq: number) =>
      (await h.store.messages(key, { before: seq + 1, limit: 1 }))[0] ?? null;
    expect(await last()).toEqual(
      new Map([
        [room.key, await message(room.key, 3)],
        [empty.key, null],
        [other.key, await message(other.key, 1)],
      ]),
    );
    await h.act(room, bob, remove(3), { type: "edit", seq: 2, text: "edited" });
    await h.act(room, alice, { type: "react", seq: 2, emoji: "👍", on: true });
    expect((await last()).get(room.key)).toEqual(await message(room.key, 2));
    await h.act(room, bob, remove(2));
    await h.act(room, alice, remove(1));
    expect((await last()).get(room.key)).toBeNull();
    expect(await h.store.lastMessages([])).toEqual(new Map());
  });

  test("the read marks of a room are those of its members, up to a limit", async () => {
    const { h, alice, bob, room } = await setUp();
    const admin = { ...(await h.user()), admin: true };
    await h.fill(room, bob, 3);
    await h.act(room, admin, read(3));
    await h.act(room, alice, read(2));
    const invited = h.email();
    await h.grant(room, { email: invited });
    const marks = (await h.store.readMarks(room.key, 3)) ?? [];
    expect(new Map(marks.map(({ user, seq }) => [user.email, seq]))).toEqual(
      new Map([
        [alice.email, 2],
        [bob.email, 3],
        [invited, 3],
      ]),
    );
    const { admin: _, ...user } = alice;
    expect(marks.find(({ user: { key } }) => key === alice.key)?.user).toEqual(user);
    expect(await h.store.readMarks(room.key, 2)).toBeUndefined();
    const single = [alice, bob, admin].map(({ key }) => h.store.readMark(room.key, key));
    expect(await Promise.all(single)).toEqual([2, 3, 3]);
    expect(await h.store.readMark(room.key, (await h.user()).key)).toBe(0);
    // A member who has read nothing is one all the same.
    const fresh = await h.room(alice);
    expect(await h.store.readMarks(fresh.key, 1)).toMatchObject([{ seq: 0 }]);
    await h.delete(room);
    expect(await h.store.readMarks(room.key, 9)).toBeUndefined();
  });
}
