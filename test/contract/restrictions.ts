import { expect, test } from "bun:test";

import { snapshot } from "../../src/chat/audit.ts";
import { isRefused, unwrap } from "../../src/chat/errors.ts";
import {
  type Actor,
  type Invitee,
  operator,
  type Restriction,
  type RestrictionKind,
  type Room,
  type RoomSettings,
} from "../../src/chat/model.ts";
import { send } from "../support/samples.ts";
import { type StoreHarness, subOf } from "./store-harness.ts";

/** A time that is long past, and one that is far in the future. */
const [PAST, FUTURE] = [5, 2 ** 45];

/** The outcome of a write: why it was refused, or "done". */
const outcome = async (write: Promise<unknown>): Promise<string> => {
  const result = await write;
  return isRefused(result) ? result.refused : "done";
};

const restrict = (
  h: StoreHarness,
  { key }: Room,
  who: Invitee,
  kind: RestrictionKind,
  { until = null, at = 1, by = operator }: { until?: number | null; at?: number; by?: Actor } = {},
) => h.store.restrict(key, who, { kind, until, reason: null, at }, by);
const lift = (h: StoreHarness, { key }: Room, who: Invitee, kind: RestrictionKind, by = operator) =>
  h.store.liftRestriction(key, who, { kind, at: 2 }, by);
const change = async (h: StoreHarness, { key }: Room, changes: Partial<RoomSettings>) =>
  unwrap(await h.store.changeRoom(key, changes, operator));
const join = (h: StoreHarness, { key }: Room, by: Actor, joinedAt = 3, membersPerRoom = 0) =>
  h.store.joinRoom(key, { by, joinedAt, membersPerRoom });
const listed = async (h: StoreHarness, { key }: Room, kind: RestrictionKind, now = 2) => {
  const found = await h.store.restrictions(key, { kind, after: undefined, limit: 99, now });
  return found.map(({ user }) => user.id ?? user.email);
};

export function restrictionsContract(harness: () => StoreHarness): void {
  test("a ban ends the membership, and keeps the user out until it is over or lifted", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const room = await h.room(alice, bob);
    await change(h, room, { access: "open" });
    const banned = unwrap(
      await restrict(h, room, subOf(bob), "ban", { until: 10, by: { ...alice, admin: true } }),
    );
    const { key, id, email, name } = bob;
    expect(banned).toEqual({
      restriction: {
        user: { key, id, email, name },
        by: { id: alice.id, email: alice.email, name: alice.name },
        at: 1,
        until: 10,
        reason: null,
      },
      replaced: false,
      ended: { user: { key, id, email, name }, role: "member", joinedAt: 1 },
    });
    expect(await h.store.memberKeys(room.key)).toEqual(new Set([alice.key]));
    const grant = (joinedAt: number) =>
      outcome(
        h.store.setMembers(room.key, [{ who: subOf(bob), role: undefined }], {
          by: operator,
          joinedAt,
          membersPerRoom: 0,
        }),
      );
    expect([await grant(9), await outcome(join(h, room, bob, 9))]).toEqual(["banned", "banned"]);
    expect(await grant(10)).toBe("done");
    unwrap(await restrict(h, room, subOf(bob), "ban"));
    expect(await outcome(join(h, room, bob, FUTURE))).toBe("banned");
    expect(unwrap(await lift(h, room, subOf(bob), "ban"))).toMatchObject({ key });
    expect(unwrap(await lift(h, room, subOf(bob), "ban"))).toBeUndefined();
    expect(await outcome(join(h, room, bob))).toBe("done");
    // Of this room alone.
    const other = await h.room();
    unwrap(await restrict(h, other, subOf(bob), "ban"));
    expect(await h.store.role(room.key, bob.key)).toBe("member");
  });

  test("a ban holds for other accounts with the same email, but does not remove them", async () => {
    const h = harness();
    const email = h.email();
    const first = await h.signIn(h.name("first"), email);
    const before = await h.signIn(h.name("before"), email);
    const room = await h.room(first, before);
    await change(h, room, { access: "open" });
    unwrap(await restrict(h, room, subOf(first), "ban", { until: 10 }));
    const second = await h.signIn(h.name("second"), email);
    expect(await outcome(join(h, room, second, 9))).toBe("banned");
    expect(await outcome(h.setMember(room, subOf(second)))).toBe("banned");
    expect(await outcome(h.setMember(room, subOf(before), "moderator"))).toBe("done");
    expect(await outcome(join(h, room, second, 10))).toBe("done");
  });

  test("of many members of whom one is banned, none is added", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const room = await h.room();
    unwrap(await restrict(h, room, subOf(bob), "ban"));
    const all = [alice, bob].map((each) => ({ who: subOf(each), role: "moderator" }) as const);
    const grant = { by: operator, joinedAt: 3, membersPerRoom: 0 };
    expect(await outcome(h.store.setMembers(room.key, all, grant))).toBe("banned");
    expect(await h.store.memberKeys(room.key)).toEqual(new Set());
    expect(await h.store.audit(room.key, { before: undefined, limit: 9 })).toHaveLength(1);
  });

  test("only an open room can be joined, by users who are not members, up to its limit", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const room = await h.room(alice);
    expect(await outcome(join(h, room, bob))).toBe("room_not_found");
    expect(unwrap(await join(h, room, alice))).toMatchObject({ added: false, member: { role: "member" } });
    await change(h, room, { access: "open" });
    await h.fill(room, alice, 2);
    expect(await outcome(join(h, room, bob, 3, 1))).toBe("too_many_members");
    expect(unwrap(await join(h, room, bob, 3, 2))).toMatchObject({
      added: true,
      member: { user: { key: bob.key }, role: "member", joinedAt: 3 },
    });
    expect(await h.store.readMark(room.key, bob.key)).toBe(2);
    await h.delete(room);
    expect(await outcome(join(h, room, await h.user()))).toBe("room_deleted");
  });

  test("open rooms are listed by id, with the user's role", async () => {
    const h = harness();
    const alice = await h.user();
    const prefix = h.name("zz-open");
    for (const letter of ["c", "a", "b", "d"]) {
      const room = await h.createRoom(`${prefix}-${letter}`);
      if (letter !== "d") await change(h, room, { access: "open" });
      if (letter === "b") await h.grant(room, subOf(alice), "moderator");
    }
    const page = async (after: string, limit: number) =>
      (await h.store.openRooms(alice.key, { after, limit })).map(({ room, role }) => [
        room.id.slice(prefix.length + 1),
        room.access,
        role,
      ]);
    expect(await page(prefix, 2)).toEqual([
      ["a", "open", null],
      ["b", "open", "moderator"],
    ]);
    expect((await page(`${prefix}-b`, 9)).slice(0, 1)).toEqual([["c", "open", null]]);
  });

  test("a mute holds for a whole batch, through leaving and joining, until it is over", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const room = await h.room(alice, bob);
    await h.act(room, bob, send("before", "c"), { type: "react", seq: 1, emoji: "🎉", on: true });
    // The drafts of these tests are of this moment.
    const { at } = h.draft(room, bob, send(""));
    unwrap(await restrict(h, room, subOf(bob), "mute", { until: at + 1 }));
    expect(
      await h.act(
        room,
        bob,
        send("x"),
        send("before", "c"),
        { type: "edit", seq: 1, text: "edited" },
        { type: "react", seq: 1, emoji: "👍", on: true },
        { type: "react", seq: 1, emoji: "🎉", on: false },
        { type: "read", seq: 1 },
        { type: "delete", seq: 1 },
      ),
    ).toEqual([
      `muted ${new Date(at + 1).toISOString()}`,
      "unchanged 1/1",
      `muted ${new Date(at + 1).toISOString()}`,
      `muted ${new Date(at + 1).toISOString()}`,
      "reacted 1/3",
      "unchanged 1/3",
      "deleted 1/4",
    ]);
    expect(await h.act(room, alice, send("others may"))).toEqual(["created 2/5"]);
    await h.remove(room, subOf(bob));
    await h.grant(room, subOf(bob));
    expect(await h.act(room, bob, send("x"))).toEqual([`muted ${new Date(at + 1).toISOString()}`]);
    expect(await h.store.standing(room.key, bob.key)).toEqual({
      role: "member",
      mute: { until: at + 1 },
      posting: "members",
    });
    unwrap(await restrict(h, room, subOf(bob), "mute"));
    expect(await h.act(room, bob, send("x"))).toEqual(["muted"]);
    expect(await h.act(room, { ...bob, admin: true }, send("administrators may"))).toEqual(["created 3/6"]);
    unwrap(await restrict(h, room, subOf(bob), "mute", { until: at }));
    expect(await h.act(room, bob, send("over"))).toEqual(["created 4/7"]);
  });

  test("in a read-only room moderators and owners post", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const room = await h.room(alice, bob);
    await h.act(room, alice, send("mine"));
    await change(h, room, { posting: "moderators" });
    const readOnly = await h.act(
      room,
      alice,
      send("x"),
      { type: "edit", seq: 1, text: "x" },
      { type: "react", seq: 1, emoji: "👍", on: true },
    );
    expect(readOnly).toEqual(["read_only_room", "read_only_room", "reacted 1/2"]);
    await h.grant(room, subOf(bob), "moderator");
    expect(await h.act(room, bob, send("an announcement"))).toEqual(["created 2/3"]);
  });

  test("slow mode counts from a member's last message, also when they left and joined again", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const room = await h.room(alice, bob);
    await change(h, room, { slowMode: 10, access: "open" });
    const at = (seconds: number, by = alice) => ({
      ...h.draft(room, by, send(`${seconds}`)),
      at: seconds * 1000,
    });
    expect(await h.append(at(100), at(101), at(101, bob))).toEqual([
      "created 1/1",
      "slow_mode",
      "created 2/2",
    ]);
    expect(await h.store.append([at(104)])).toEqual([{ refused: "slow_mode", retryAfterMs: 6000 }]);
    // A clock that was set back makes nobody wait longer.
    expect(await h.store.append([at(50)])).toEqual([{ refused: "slow_mode", retryAfterMs: 10_000 }]);
    await h.remove(room, subOf(alice));
    await join(h, room, alice);
    expect(await h.append(at(109))).toEqual(["slow_mode"]);
    expect(await h.append(at(110), at(119))).toEqual(["created 3/3", "slow_mode"]);
    await h.grant(room, subOf(alice), "moderator");
    expect(await h.append(at(111), at(111))).toEqual(["created 4/4", "created 5/5"]);
    await change(h, room, { slowMode: 0 });
    expect(await h.append(at(111, bob), at(111, bob))).toEqual(["created 6/6", "created 7/7"]);
  });

  test("a restriction is of a member with an id or a shown email, otherwise of the email's owner", async () => {
    const h = harness();
    const email = h.email();
    const first = await h.signIn(h.name("sub"), email);
    const second = await h.signIn(h.name("sub"), email);
    const room = await h.room(first);
    const restricted = async (who: Invitee) => {
      const result = await restrict(h, room, who, "mute");
      return isRefused(result) ? result : result.restriction.user.key;
    };
    expect(await restricted({ email })).toBe(first.key);
    // The other one owns the email, but is not in the room.
    await h.remove(room, subOf(first));
    unwrap(await lift(h, room, subOf(first), "mute"));
    unwrap(await restrict(h, room, subOf(first), "mute", { at: 0, until: 1 }));
    // Nor does a mute count that is over.
    expect(await restricted({ email })).toBe(second.key);
    await h.grant(room, subOf(first));
    expect(await restricted({ email })).toEqual({
      refused: "ambiguous_email",
      details: { users: [first.id ?? "", second.id ?? ""] },
    });
    expect(await restricted(subOf(second))).toBe(second.key);
    expect(unwrap(await lift(h, room, { email }, "mute"))).toMatchObject({ key: second.key });
    const unknown = { email: h.email() };
    expect(typeof (await restricted(unknown))).toBe("number");
    expect(await listed(h, room, "mute")).toEqual([unknown.email]);
  });

  test("a user who is not known is kept as long as they are banned or muted somewhere", async () => {
    const h = harness();
    const [room, other] = [await h.room(), await h.room()];
    const who = { email: h.email() };
    unwrap(await restrict(h, room, who, "ban"));
    unwrap(await restrict(h, other, who, "mute"));
    unwrap(await lift(h, room, who, "ban"));
    expect(await listed(h, other, "mute")).toEqual([who.email]);
    await h.grant(other, who);
    await h.remove(other, who);
    expect(await listed(h, other, "mute")).toEqual([who.email]);
    unwrap(await lift(h, other, who, "mute"));
    const next = { email: h.email() };
    await h.grant(other, next);
    expect((await h.store.findMembers(other.key, next))[0]?.user.email).toBe(next.email);
  });

  test("a ban of an invited user holds for the user who signs in with their email", async () => {
    const h = harness();
    const email = h.email();
    const [room, other] = [await h.room(), await h.room()];
    await h.grant(other, { email });
    for (const kind of ["ban", "mute"] as const) unwrap(await restrict(h, room, { email }, kind));
    // A sub that is new, which takes over the record.
    const alice = await h.signIn(h.name("sub"), email);
    expect(await outcome(h.setMember(room, subOf(alice)))).toBe("banned");
    expect(await h.store.role(other.key, alice.key)).toBe("member");
    expect(await listed(h, room, "mute")).toEqual([alice.id]);
  });

  test("a user who signs in with a banned email loses a plain membership, and what waits for the email", async () => {
    const h = harness();
    const email = h.email();
    const [bob, carol] = [await h.user(), await h.user()];
    const [plain, moderated, waiting, owned, over] = [
      await h.room(bob),
      await h.room(bob),
      await h.room(),
      await h.room(),
      await h.room(bob),
    ];
    await h.grant(moderated, subOf(bob), "moderator");
    for (const room of [plain, moderated]) unwrap(await restrict(h, room, { email }, "ban"));
    unwrap(await restrict(h, over, { email }, "ban", { until: PAST }));
    unwrap(await restrict(h, plain, { email }, "mute", { until: FUTURE }));
    unwrap(await restrict(h, plain, subOf(bob), "mute", { until: FUTURE + 1 }));
    // Bob is banned where their invitation waits.
    unwrap(await restrict(h, waiting, subOf(bob), "ban"));
    await h.grant(waiting, { email });
    // The last owner cannot be banned.
    unwrap(await restrict(h, owned, subOf(bob), "ban"));
    await h.grant(owned, { email }, "owner");
    const signedIn = await h.store.signIn({ sub: bob.id ?? "", email });
    expect(signedIn).toMatchObject({ key: bob.key, removedFrom: [plain.key] });
    const role = (room: Room) => h.store.role(room.key, bob.key);
    expect(await Promise.all([plain, moderated, waiting, owned, over].map(role))).toEqual([
      undefined,
      "moderator",
      undefined,
      "owner",
      "member",
    ]);
    expect([await listed(h, plain, "ban"), await listed(h, moderated, "ban")]).toEqual([[bob.id], [bob.id]]);
    const [mute] = await h.store.restrictions(plain.key, {
      kind: "mute",
      after: undefined,
      limit: 9,
      now: 2,
    });
    expect(mute).toMatchObject({ user: { key: bob.key }, until: FUTURE + 1 });
    expect(await h.store.signIn({ sub: bob.id ?? "", email })).not.toHaveProperty("removedFrom");
    expect(await h.store.role(plain.key, carol.key)).toBeUndefined();
  });

  test("restrictions are listed newest first, in pages, without those that are over", async () => {
    const h = harness();
    const room = await h.room();
    const emails = Array.from({ length: 6 }, () => h.email());
    for (const [index, email] of emails.entries())
      unwrap(
        await restrict(h, room, { email }, "ban", {
          at: index < 3 ? 1 : index,
          until: index === 5 ? 6 : null,
        }),
      );
    let last: Restriction | undefined;
    const page = async (now: number) => {
      const after = last && { at: last.at, user: last.user.key };
      const found = await h.store.restrictions(room.key, { kind: "ban", after, limit: 2, now });
      last = found.at(-1);
      return found.map(({ user }) => emails.indexOf(user.email ?? ""));
    };
    expect(await page(5)).toEqual([5, 4]);
    last = undefined;
    expect(await page(6)).toEqual([4, 3]);
    expect(await page(6)).toEqual([2, 1]);
    expect(await page(6)).toEqual([0]);
    expect(await page(6)).toEqual([]);
    expect(
      await h.store.restrictions(room.key, { kind: "mute", after: undefined, limit: 9, now: 6 }),
    ).toEqual([]);
  });

  test("the last owner cannot be banned", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const room = await h.createRoom(h.name("room"), alice);
    expect(await outcome(restrict(h, room, subOf(alice), "ban"))).toBe("last_owner");
    expect(await outcome(restrict(h, room, subOf(alice), "mute"))).toBe("done");
    await h.grant(room, subOf(bob), "owner");
    expect(await outcome(restrict(h, room, subOf(alice), "ban"))).toBe("done");
    expect(await h.store.memberKeys(room.key)).toEqual(new Set([bob.key]));
  });

  test("what was done is in the audit list of the room, newest first", async () => {
    const h = harness();
    const [alice, bob, carol] = [await h.user(), await h.user(), await h.user()];
    const room = await h.createRoom(h.name("room"), alice);
    const [byAlice, user] = [snapshot(alice), snapshot(bob)];
    await h.setMember(room, subOf(bob), "member", { by: alice });
    await h.setMember(room, subOf(bob), "moderator", { by: alice });
    await h.setMember(room, subOf(bob), "moderator", { by: alice });
    await h.setMember(room, subOf(bob), "member", { by: alice });
    await h.grant(room, subOf(carol), "owner");
    await h.act(room, bob, send("one"), send("two"));
    await h.act(room, bob, { type: "delete", seq: 1 });
    await h.act(room, alice, { type: "delete", seq: 1 }, { type: "delete", seq: 2 });
    await change(h, room, { name: room.name });
    unwrap(await h.store.changeRoom(room.key, { name: "New", slowMode: 5 }, alice));
    for (const kind of ["mute", "ban"] as const) {
      unwrap(await restrict(h, room, subOf(bob), kind, { until: 9, by: alice }));
      unwrap(await lift(h, room, subOf(bob), kind, alice));
    }
    await h.setMember(room, subOf(bob), undefined, { by: alice });
    unwrap(await h.store.removeMember(room.key, subOf(bob), alice));
    await h.setMember(room, subOf(bob), undefined, { by: alice });
    unwrap(await h.store.removeMember(room.key, subOf(bob), bob));
    const entries = await h.store.audit(room.key, { before: undefined, limit: 99 });
    expect(entries.map(({ n }) => n)).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    expect(entries.toReversed().map(({ n, at, ...entry }) => (n > 0 && at > 0 ? entry : { n, at }))).toEqual([
      { actor: byAlice, action: "role_changed", user, role: "moderator", before: "member" },
      { actor: byAlice, action: "role_changed", user, role: "member", before: "moderator" },
      { actor: null, action: "role_changed", user: snapshot(carol), role: "owner", before: null },
      { actor: byAlice, action: "message_deleted", user, seq: 2 },
      { actor: byAlice, action: "room_changed", changes: { name: "New", slowMode: 5 } },
      { actor: byAlice, action: "muted", user, until: 9, reason: null },
      { actor: byAlice, action: "mute_lifted", user },
      { actor: byAlice, action: "banned", user, until: 9, reason: null },
      { actor: byAlice, action: "ban_lifted", user },
      { actor: byAlice, action: "member_removed", user },
    ]);
    expect((await h.store.audit(room.key, { before: 9, limit: 2 })).map(({ n }) => n)).toEqual([8, 7]);
  });

  test("a deleted room is purged with its restrictions and its audit list", async () => {
    const h = harness();
    const alice = await h.user();
    const room = await h.room(alice);
    for (const kind of ["ban", "mute"] as const)
      for (let each = 0; each < 60; each++) unwrap(await restrict(h, room, { email: h.email() }, kind));
    await h.delete(room);
    while (await h.store.purge());
    expect(await h.store.audit(room.key, { before: undefined, limit: 9 })).toEqual([]);
    expect([await listed(h, room, "ban"), await listed(h, room, "mute")]).toEqual([[], []]);
    expect(await outcome(restrict(h, room, subOf(alice), "ban"))).toBe("room_deleted");
  });
}
