import { expect, test } from "bun:test";

import { operator, type Role } from "../../src/chat/model.ts";
import { type StoreHarness, subOf } from "./store-harness.ts";

export function membersContract(harness: () => StoreHarness): void {
  test("members are listed owners first, then by email", async () => {
    const h = harness();
    const room = await h.room();
    const emails = ["c", "a", "b", "d"].map((letter) => `${letter}.${h.email()}`);
    const roles: Role[] = ["member", "moderator", "member", "owner"];
    for (const [index, email] of emails.entries()) await h.grant(room, { email }, roles[index]);
    const [c, a, b, d] = emails as [string, string, string, string];
    expect((await h.store.members(room.key)).map(({ user, role }) => [user.email, role])).toEqual([
      [d, "owner"],
      [a, "moderator"],
      [b, "member"],
      [c, "member"],
    ]);
  });

  test("a grant adds a member once, and then changes their role", async () => {
    const h = harness();
    const alice = await h.user();
    const room = await h.room();
    const who = { email: alice.email ?? "" };
    const { key, id, email, name } = alice;
    const user = { key, id, email, name };
    expect(await h.grant(room, who)).toEqual({ added: true, member: { user, role: "member", joinedAt: 1 } });
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
