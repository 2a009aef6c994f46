import { expect, test } from "bun:test";

import { send } from "../support/samples.ts";
import { type StoreHarness, subOf } from "./store-harness.ts";

export function usersContract(harness: () => StoreHarness): void {
  test("a user who signs in again is the same, with the newest email and name", async () => {
    const h = harness();
    const [sub, email] = [h.name("sub"), h.email()];
    const first = await h.store.signIn({ sub });
    expect(first).toEqual({ key: first.key, id: sub, email: null, name: null });
    const named = { key: first.key, id: sub, email, name: "Al" };
    expect(await h.store.signIn({ sub, email, name: "Al" })).toEqual(named);
    // A token that names neither takes neither away.
    expect(await h.store.signIn({ sub })).toEqual(named);
    expect(await h.store.signIn({ sub, name: "Alice" })).toEqual({ ...named, name: "Alice" });
    const other = h.email();
    expect(await h.store.signIn({ sub, email: other })).toEqual({ ...named, email: other, name: "Alice" });
  });

  test("an invitation by email becomes the membership of the next user who signs in with it", async () => {
    const h = harness();
    const [email, other] = [h.email(), h.email()];
    const room = await h.room();
    const { member } = await h.grant(room, { email }, "moderator");
    expect(member).toEqual({
      user: { key: member.user.key, id: null, email, name: null },
      role: "moderator",
      joinedAt: 1,
    });
    // Users without an email, or with another one, are not meant.
    await h.signIn(h.name("sub"));
    await h.signIn(h.name("sub"), other);
    const alice = await h.signIn(h.name("sub"), email);
    expect(await h.store.members(room.key)).toMatchObject([
      { user: { key: alice.key, id: alice.id, email }, role: "moderator", joinedAt: 1 },
    ]);
    expect(await h.act(room, alice, send("x"))).toEqual(["created 1/1"]);
  });

  test("an invitation by sub becomes the membership of the user with this sub", async () => {
    const h = harness();
    const [sub, email] = [h.name("sub"), h.email()];
    const room = await h.room();
    const { member } = await h.grant(room, { sub });
    expect(member.user).toEqual({ key: member.user.key, id: sub, email: null, name: null });
    expect(await h.signIn(sub, email)).toMatchObject({ key: member.user.key, email });
    expect(await h.store.members(room.key)).toMatchObject([{ user: { id: sub, email } }]);
  });

  test("an email belongs to the user who last signed in with it; memberships stay with those who have them", async () => {
    const h = harness();
    const email = h.email();
    const [before, after] = [await h.room(), await h.room()];
    await h.grant(before, { email });
    const first = await h.signIn(h.name("sub"), email);
    const second = await h.signIn(h.name("sub"), email);
    expect(first.key).not.toBe(second.key);
    await h.grant(after, { email });
    expect(await h.store.memberKeys(before.key)).toEqual(new Set([first.key]));
    expect(await h.store.memberKeys(after.key)).toEqual(new Set([second.key]));
    // The first user presents it again, and owns it again.
    await h.signIn(first.id ?? "", email);
    expect(await h.grant(after, { email })).toMatchObject({
      added: true,
      member: { user: { key: first.key } },
    });
    // A token without an email, or with another one, gives up nothing.
    await h.signIn(first.id ?? "");
    await h.signIn(first.id ?? "", h.email());
    expect(await h.grant(after, { email })).toMatchObject({
      added: false,
      member: { user: { key: first.key } },
    });
  });

  test("a user who signs in with an invited email keeps their own memberships beside the new ones", async () => {
    const h = harness();
    const [own, both, invited] = [await h.room(), await h.room(), await h.room()];
    const [sub, email] = [h.name("sub"), h.email()];
    for (const room of [own, both]) await h.grant(room, { sub });
    for (const room of [both, invited]) await h.grant(room, { email });
    const user = await h.signIn(sub, email);
    for (const room of [own, both, invited])
      expect(await h.store.memberKeys(room.key)).toEqual(new Set([user.key]));
  });

  test("of two roles in one room the user keeps the higher one", async () => {
    const h = harness();
    for (const [own, invited] of [
      ["member", "owner"],
      ["owner", "member"],
    ] as const) {
      const room = await h.room();
      const [sub, email] = [h.name("sub"), h.email()];
      await h.grant(room, { sub }, own);
      await h.grant(room, { email }, invited);
      await h.signIn(sub, email);
      expect((await h.store.members(room.key)).map(({ role }) => role)).toEqual(["owner"]);
    }
  });

  test("an invitation that is withdrawn gives nobody anything", async () => {
    const h = harness();
    const room = await h.room();
    const [sub, email] = [h.name("sub"), h.email()];
    for (const who of [{ sub }, { email }]) {
      await h.grant(room, who);
      expect(await h.remove(room, who)).toMatchObject({ role: "member" });
    }
    await h.signIn(sub, email);
    expect(await h.store.memberKeys(room.key)).toEqual(new Set());
  });

  test("an invitation that is withdrawn in one room stays in another", async () => {
    const h = harness();
    const [room, other] = [await h.room(), await h.room()];
    const [sub, email] = [h.name("sub"), h.email()];
    for (const who of [{ sub }, { email }]) {
      for (const each of [room, other]) await h.grant(each, who);
      await h.remove(room, who);
    }
    const [bySub, byEmail] = [await h.signIn(sub), await h.signIn(h.name("sub"), email)];
    expect(await h.store.memberKeys(other.key)).toEqual(new Set([bySub.key, byEmail.key]));
  });

  test("a user who was invited by sub is never forgotten either, once they have signed in", async () => {
    const h = harness();
    const room = await h.room();
    const sub = h.name("sub");
    await h.grant(room, { sub });
    const user = await h.signIn(sub);
    await h.act(room, user, send("x"));
    await h.remove(room, { sub });
    const { member } = await h.grant(room, { email: h.email() });
    expect(member.user.key).not.toBe(user.key);
    expect((await h.newest(room))?.sender.id).toBe(sub);
  });

  test("a user who has signed in is never forgotten, though they are a member of no room any more", async () => {
    const h = harness();
    const room = await h.room();
    const email = h.email();
    const alice = await h.signIn(h.name("sub"), email);
    await h.grant(room, subOf(alice));
    await h.act(room, alice, send("x"));
    await h.remove(room, subOf(alice));
    for (let each = 0; each < 3; each++) await h.grant(room, { email: h.email() });
    expect((await h.newest(room))?.sender).toMatchObject({ id: alice.id, email });
    expect(await h.signIn(alice.id ?? "")).toEqual(alice);
    expect(await h.grant(room, { email })).toMatchObject({
      added: true,
      member: { user: { key: alice.key } },
    });
  });
}
