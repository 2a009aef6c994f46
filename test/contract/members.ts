import { expect, test } from "bun:test";

import { unwrap } from "../../src/chat/errors.ts";
import { type Invitation, type Member, operator, type Role, roles } from "../../src/chat/model.ts";
import { type StoreHarness, subOf } from "./store-harness.ts";

export function membersContract(harness: () => StoreHarness): void {
  test("members are listed owners first, then moderators, in pages of any size", async () => {
    const h = harness();
    const room = await h.room();
    const wanted: Role[] = ["member", "moderator", "member", "owner", "moderator", "owner", "member"];
    const invitations = wanted.map((role) => ({ who: { email: h.email() }, role }));
    await h.store.setMembers(room.key, invitations, { by: operator, joinedAt: 1, membersPerRoom: 0 });
    const emails = (role: Role) =>
      invitations.filter((each) => each.role === role).map(({ who }) => who.email);
    const all = await h.store.members(room.key);
    expect(all.map(({ user }) => user.email)).toEqual(roles.flatMap(emails));
    for (let limit = 1; limit <= all.length + 1; limit++) {
      const read: Member[] = [];
      for (let page = await h.store.members(room.key, { limit }); page.length > 0;) {
        expect(page.length).toBeLessThanOrEqual(limit);
        read.push(...page);
        const { role, user } = page.at(-1) as Member;
        page = await h.store.members(room.key, { after: { role, user: user.key }, limit });
      }
      expect(read).toEqual(all);
    }
  });

  test("a member who leaves between two pages does not shift the second", async () => {
    const h = harness();
    const users = await Promise.all(Array.from({ length: 4 }, () => h.user()));
    const room = await h.room(...users);
    const [first, second] = await h.store.members(room.key, { limit: 2 });
    await h.remove(room, subOf(first?.user ?? expect.unreachable()));
    await h.remove(room, subOf(second?.user ?? expect.unreachable()));
    const after = { role: "member", user: second?.user.key ?? 0 } as const;
    const rest = await h.store.members(room.key, { after, limit: 2 });
    expect(rest.map(({ user }) => user.key)).toEqual(users.slice(2).map(({ key }) => key));
  });

  test("several members are added together, and roles changed, in order", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const room = await h.room(alice);
    const invitations: Invitation[] = [
      { who: subOf(alice), role: undefined },
      { who: subOf(bob), role: "moderator" },
      { who: subOf(bob), role: "owner" },
      { who: { email: h.email() }, role: undefined },
    ];
    const grant = { by: operator, joinedAt: 1, membersPerRoom: 3 };
    const granted = unwrap(await h.store.setMembers(room.key, invitations, grant));
    expect(granted.map(({ member, added, changed }) => [member.role, added, changed])).toEqual([
      ["member", false, false],
      ["moderator", true, true],
      ["owner", false, true],
      ["member", true, true],
    ]);
    expect(await h.store.members(room.key)).toHaveLength(3);
  });

  test("of several members, none is added if one is refused", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const room = await h.room(alice);
    const before = await h.store.members(room.key);
    const email = h.email();
    const invitations = [subOf(bob), { email }].map((who) => ({ who, role: undefined }));
    const grant = { by: operator, joinedAt: 1, membersPerRoom: 2 };
    expect(await h.store.setMembers(room.key, invitations, grant)).toEqual({
      refused: "too_many_members",
      details: { index: 1 },
    });
    expect(await h.store.members(room.key)).toEqual(before);
    expect(await h.store.role(room.key, bob.key)).toBeUndefined();
    // Nor is there an invitation left.
    const carol = await h.signIn(h.name("carol"), email);
    expect(await h.store.roomsOf(carol.key)).toEqual([]);
  });

  test("a grant adds a member once, and then changes their role", async () => {
    const h = harness();
    const alice = await h.user();
    const room = await h.room();
    const who = { email: alice.email ?? "" };
    const { key, id, email, name } = alice;
    const user = { key, id, email, name };
    const member: Member = { user, role: "member", joinedAt: 1 };
    expect(await h.grant(room, who)).toEqual({ added: true, changed: true, member });
    expect(await h.grant(room, who, "moderator")).toMatchObject({
      added: false,
      member: { role: "moderator" },
    });
    expect(await h.grant(room, who)).toMatchObject({ added: false, member: { role: "moderator" } });
    expect(await h.store.members(room.key)).toEqual([{ user, role: "moderator", joinedAt: 1 }]);
  });

  test("a role and a membership are of one user in one room, and go with the membership or the room", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const [room, other] = [await h.room(alice, bob), await h.room(bob)];
    await h.grant(room, subOf(alice), "moderator");
    const { store } = h;
    const state = async () => [
      await store.role(room.key, alice.key),
      await store.role(room.key, bob.key),
      await store.role(other.key, alice.key),
      await store.memberKeys(room.key),
    ];
    expect(await state()).toEqual(["moderator", "member", undefined, new Set([alice.key, bob.key])]);
    await h.remove(room, subOf(bob));
    expect(await state()).toEqual(["moderator", undefined, undefined, new Set([alice.key])]);
    expect(await store.role(other.key, bob.key)).toBe("member");
    await h.delete(room);
    expect(await state()).toEqual([undefined, undefined, undefined, undefined]);
    expect([await store.role(2 ** 40, bob.key), await store.memberKeys(2 ** 40)]).toEqual([
      undefined,
      undefined,
    ]);
    expect(await store.memberKeys((await h.createRoom()).key)).toEqual(new Set());
  });

  test("a member is removed by sub or by the email that they are shown with, from this room alone", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    for (const who of [subOf(alice), { email: alice.email ?? "" }]) {
      const [room, other] = [await h.room(alice, bob), await h.room(alice)];
      expect(await h.remove(room, who)).toMatchObject({ user: { key: alice.key }, role: "member" });
      expect(await h.remove(room, who)).toBeUndefined();
      expect(await h.store.memberKeys(room.key)).toEqual(new Set([bob.key]));
      expect(await h.store.memberKeys(other.key)).toEqual(new Set([alice.key]));
    }
    const room = await h.room(alice);
    for (const nobody of [{ email: "nobody@example.com" }, { sub: alice.email ?? "" }])
      expect(await h.remove(room, nobody)).toBeUndefined();
  });

  test("an email of two members removes neither; an owner is told of their ids", async () => {
    const h = harness();
    const email = h.email();
    const [first, second] = [await h.signIn(h.name("sub"), email), await h.signIn(h.name("sub"), email)];
    const [room, other] = [await h.room(first, second), await h.room(first)];
    expect(await h.store.removeMember(room.key, { email }, operator)).toEqual({
      refused: "ambiguous_email",
      details: { users: [first.id ?? "", second.id ?? ""] },
    });
    expect(await h.store.memberKeys(room.key)).toEqual(new Set([first.key, second.key]));
    // Where only one of them is a member, they are meant, although the email belongs to the other one now.
    expect(await h.remove(other, { email })).toMatchObject({ user: { key: first.key } });
    await h.remove(room, subOf(first));
    expect(await h.remove(room, { email })).toMatchObject({ user: { key: second.key } });
  });

  test("a room that had an owner keeps one", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const room = await h.createRoom(h.name("room"), alice);
    const lastOwner = { refused: "last_owner" } as const;
    const leave = (user: typeof alice) => h.store.removeMember(room.key, subOf(user), { ...user });
    // Owners of other rooms, and moderators of this one, do not count.
    await h.createRoom(h.name("room"), bob);
    await h.grant(room, subOf(bob), "moderator");
    expect([await h.setMember(room, subOf(alice), "member"), await leave(alice)]).toEqual([
      lastOwner,
      lastOwner,
    ]);
    await h.grant(room, subOf(bob), "owner");
    expect(await h.grant(room, subOf(alice), "member")).toMatchObject({ member: { role: "member" } });
    expect(await leave(bob)).toEqual(lastOwner);
    expect(await leave(alice)).toMatchObject({ user: { key: alice.key } });
    expect(await h.store.memberKeys(room.key)).toEqual(new Set([bob.key]));
  });

  test("a room takes as many members as it may have, invited ones included", async () => {
    const h = harness();
    const [room, other] = [await h.room(), await h.room(await h.user(), await h.user())];
    const [first, late] = [{ email: h.email() }, { email: h.email() }];
    const limit = { membersPerRoom: 2 };
    for (const who of [first, { sub: h.name("sub") }]) await h.setMember(room, who, "member", limit);
    expect(await h.setMember(room, late, "member", limit)).toEqual({ refused: "too_many_members" });
    expect(await h.store.memberKeys(room.key)).toHaveProperty("size", 2);
    expect(await h.setMember(room, first, "moderator", limit)).toMatchObject({ added: false });
    expect(await h.setMember(room, late)).toMatchObject({ added: true });
    expect(await h.store.memberKeys(other.key)).toHaveProperty("size", 2);
  });
}
