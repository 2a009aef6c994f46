import { expect, test } from "bun:test";

import { operator, type Role } from "../../src/chat/model.ts";
import type { World } from "./world.ts";

export function membersContract(world: () => World): void {
  test("members are listed owners first, then by email", async () => {
    const w = world();
    const room = await w.room();
    const mails = ["c", "a", "b", "d"].map((letter) => `${letter}.${w.name()}@example.com`);
    const roles: Role[] = ["member", "moderator", "member", "owner"];
    for (const [index, email] of mails.entries()) await w.grant(room, { email }, roles[index]);
    const [c, a, b, d] = mails as [string, string, string, string];
    expect((await w.store.members(room.key)).map(({ user, role }) => [user.email, role])).toEqual([
      [d, "owner"],
      [a, "moderator"],
      [b, "member"],
      [c, "member"],
    ]);
  });

  test("a member is found by email and by sub, in his own room only", async () => {
    const w = world();
    const [alice, bob] = [await w.user(), await w.user()];
    const [room, other] = [await w.room(alice, bob), await w.room(bob)];
    const [byEmail, bySub] = [{ email: alice.email ?? "" }, { sub: alice.id ?? "" }];
    for (const who of [byEmail, bySub]) {
      expect(await w.grant(room, who)).toMatchObject({ added: false, member: { user: { key: alice.key } } });
      expect(await w.store.removeMember(other.key, who, operator)).toBeUndefined();
    }
    for (const nobody of [{ email: "nobody@example.com" }, { sub: byEmail.email }])
      expect(await w.store.removeMember(room.key, nobody, operator)).toBeUndefined();
    expect(await w.store.roster(room.key)).toEqual(new Set([alice.key, bob.key]));
    expect(await w.store.removeMember(room.key, byEmail, operator)).toMatchObject({
      user: { key: alice.key },
      role: "member",
    });
    expect(await w.store.roster(room.key)).toEqual(new Set([bob.key]));
  });

  test("a role is of one user in one room, and gone with his membership or the room", async () => {
    const w = world();
    const [alice, bob] = [await w.user(), await w.user()];
    const [room, other] = [await w.room(alice, bob), await w.room(bob)];
    await w.grant(room, { sub: alice.id ?? "" }, "moderator");
    expect(await w.store.role(room.key, alice.key)).toBe("moderator");
    expect(await w.store.role(room.key, bob.key)).toBe("member");
    expect(await w.store.role(other.key, alice.key)).toBeUndefined();
    await w.remove(room, bob);
    expect(await w.store.role(room.key, bob.key)).toBeUndefined();
    await w.delete(room);
    expect(await w.store.role(room.key, alice.key)).toBeUndefined();
    expect(await w.store.role(2 ** 40, alice.key)).toBeUndefined();
  });

  test("granting again changes the role, and makes no second membership", async () => {
    const w = world();
    const alice = await w.user();
    const room = await w.room();
    const who = { email: alice.email ?? "" };
    expect(await w.grant(room, who)).toMatchObject({
      added: true,
      member: { role: "member", user: { key: alice.key } },
    });
    expect(await w.grant(room, who, "moderator")).toMatchObject({
      added: false,
      member: { role: "moderator" },
    });
    expect(await w.store.members(room.key)).toMatchObject([{ role: "moderator", joinedAt: 1 }]);
  });

  test("a room that had an owner keeps one", async () => {
    const w = world();
    const [alice, bob] = [await w.user(), await w.user()];
    const room = await w.createRoom(w.name("room"), alice);
    const [first, second] = [{ sub: alice.id ?? "" }, { sub: bob.id ?? "" }];
    for (const role of ["member", "moderator"] as const)
      expect(await w.grant(room, first, role)).toBe("last_owner");
    expect(await w.remove(room, alice)).toBe("last_owner");
    expect(await w.grant(room, first, "owner")).toMatchObject({ added: false, member: { role: "owner" } });

    // A moderator beside him does not count; a second owner does.
    await w.grant(room, second, "moderator");
    expect(await w.remove(room, alice)).toBe("last_owner");
    await w.grant(room, second, "owner");
    expect(await w.grant(room, first, "member")).toMatchObject({ member: { role: "member" } });
    expect(await w.remove(room, bob)).toBe("last_owner");
    expect(await w.remove(room, alice)).toMatchObject({ user: { key: alice.key } });
    expect(await w.remove(room, alice)).toBeUndefined();
    expect(await w.store.roster(room.key)).toEqual(new Set([bob.key]));
  });

  test("a room takes as many members as it may have, invited ones included", async () => {
    const w = world();
    const room = await w.room();
    const mail = () => ({ email: `${w.name()}@example.com` });
    const [first, late] = [mail(), mail()];
    expect(await w.grant(room, first, "member", 2)).toBeObject();
    expect(await w.grant(room, mail(), "member", 2)).toBeObject();
    expect(await w.grant(room, late, "member", 2)).toBe("too_many_members");
    expect((await w.store.members(room.key)).map(({ user }) => user.email)).not.toContain(late.email);
    // A change of role needs no place; 0 lifts the limit.
    expect(await w.grant(room, first, "moderator", 2)).toMatchObject({ added: false });
    expect(await w.grant(room, late, "member", 0)).toMatchObject({ added: true });
  });

  test("signing in again is the same user, with the newest email and name", async () => {
    const w = world();
    const sub = w.name("sub");
    const first = await w.store.signIn({ sub });
    expect(first).toEqual({ key: first.key, id: sub, email: null, name: null });
    const email = `${sub}@example.com`;
    const named = { key: first.key, id: sub, email, name: "Al" };
    expect(await w.store.signIn({ sub, email, name: "Al" })).toEqual(named);
    // A token that does not say them takes nothing away.
    expect(await w.store.signIn({ sub })).toEqual(named);
    expect(await w.store.signIn({ sub, name: "Alice" })).toEqual({ ...named, name: "Alice" });
  });

  test("the first to bring an email gets what it was given, for ever", async () => {
    const w = world();
    const email = `${w.name()}@example.com`;
    const [before, after] = [await w.room(), await w.room()];
    await w.grant(before, { email });
    const without = await w.signIn(w.name("sub"));
    const first = await w.signIn(w.name("sub"), email);
    const second = await w.signIn(w.name("sub"), email);
    await w.grant(after, { email });
    for (const room of [before, after]) expect(await w.store.roster(room.key)).toEqual(new Set([first.key]));
    expect(new Set([without.key, first.key, second.key]).size).toBe(3);
    // Also once the first has another email.
    expect((await w.signIn(first.id ?? "", `${w.name()}@example.com`)).key).toBe(first.key);
    await w.signIn(second.id ?? "", email);
    expect(await w.grant(after, { email })).toMatchObject({
      added: false,
      member: { user: { key: first.key } },
    });
  });

  test("a user known by sub who brings an email gets its memberships beside his own", async () => {
    const w = world();
    const [own, both, invited] = [await w.room(), await w.room(), await w.room()];
    const [sub, email] = [w.name("sub"), `${w.name()}@example.com`];
    for (const room of [own, both]) await w.grant(room, { sub });
    for (const room of [both, invited]) await w.grant(room, { email });
    const user = await w.signIn(sub, email);
    for (const room of [own, both, invited])
      expect(await w.store.roster(room.key)).toEqual(new Set([user.key]));
  });

  test("a room whose owner was invited by email has an owner still when a member brings that email", async () => {
    const w = world();
    const room = await w.room();
    const [sub, email] = [w.name("sub"), `${w.name()}@example.com`];
    await w.grant(room, { sub });
    await w.grant(room, { email }, "owner");
    expect((await w.store.members(room.key)).map(({ role }) => role)).toEqual(["owner", "member"]);
    await w.signIn(sub, email);
    expect((await w.store.members(room.key)).map(({ role }) => role)).toEqual(["owner"]);
  });
}
