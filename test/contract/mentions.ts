import { expect, test } from "bun:test";

import { unwrap } from "../../src/chat/errors.ts";
import type { Action, Actor, Room } from "../../src/chat/model.ts";
import { range, send } from "../support/samples.ts";
import { type StoreHarness, subOf } from "./store-harness.ts";

const edit = (seq: number, text: string): Action => ({ type: "edit", seq, text });
const remove = (seq: number): Action => ({ type: "delete", seq });

/** A user with a name, who is a member of the room. */
async function member(h: StoreHarness, room: Room, name: string): Promise<Actor> {
  const sub = h.name("sub");
  const user = await h.store.signIn({ sub, email: `${sub}@example.com`, name });
  await h.grant(room, { sub });
  return { ...user, admin: false };
}
/** What the store did with an action. */
async function done(h: StoreHarness, room: Room, user: Actor, action: Action) {
  const [outcome] = await h.store.append([h.draft(room, user, action)]);
  return unwrap(outcome ?? expect.unreachable());
}

export function mentionsContract(harness: () => StoreHarness): void {
  /** A room with two members, whose names no other test uses. */
  const setUp = async () => {
    const h = harness();
    const room = await h.createRoom();
    const name = h.name("Ada");
    const ada = await member(h, room, `${name} Lovelace`);
    const bob = await member(h, room, h.name("Bob"));
    /** Whom the newest message mentions. */
    const say = async (text: string, sender = bob): Promise<unknown> => {
      await h.act(room, sender, send(text));
      return JSON.parse((await h.newest(room))?.mentions ?? "null");
    };
    const count = async (user: Actor, of = room) =>
      (await h.store.roomsOf(user.key)).find((each) => each.room.key === of.key)?.mentions;
    return { h, room, name, ada, bob, say, count };
  };

  test("members are mentioned by name in any case, by email, and all at once", async () => {
    const { name, ada, bob, say, count } = await setUp();
    expect(await say(`hi @${name.toUpperCase()} LOVELACE!`)).toEqual({ users: [ada.id] });
    expect(await say(`@${ada.email}: and @${bob.name}`)).toEqual({ users: [ada.id, bob.id] });
    expect(await say(`@room and @${ada.email}`)).toEqual({ users: [ada.id], room: true });
    for (const text of ["hi", `@${name}`, `${ada.email}`, "@everyone"]) expect(await say(text)).toBeNull();
    expect([await count(ada), await count(bob)]).toEqual([3, 0]);
  });

  test("only members of the room are mentioned, as they are shown when the message is stored", async () => {
    const { h, room, name, ada, bob, say, count } = await setUp();
    const other = await h.createRoom();
    await h.grant(other, subOf(bob));
    await h.act(other, bob, send(`@${ada.name}`));
    expect((await h.newest(other))?.mentions).toBeNull();
    await h.store.signIn({ sub: ada.id ?? "", name: `${name} King` });
    expect(await say(`@${ada.name}`)).toBeNull();
    expect(await say(`@${name} King`)).toEqual({ users: [ada.id] });
    await h.remove(room, subOf(ada));
    expect(await say(`@${name} King`)).toBeNull();
    await h.grant(room, subOf(ada));
    // Nothing is unread yet.
    expect(await count(ada)).toBe(0);
  });

  test("members of one name are all mentioned, 50 in one message at most", async () => {
    const { h, room, say } = await setUp();
    const name = h.name("Twin");
    const twins = [];
    for (const _ of range(1, 60)) twins.push(await member(h, room, name));
    const { users } = (await say(`@${name}, @${twins.at(-1)?.email}`)) as { users: string[] };
    expect(users).toHaveLength(50);
    expect(new Set(users).size).toBe(50);
  });

  test("edits resolve again, deletions leave nothing, and what was before is told if it was different", async () => {
    const { h, room, ada, bob, say, count } = await setUp();
    await say("nobody");
    const users = [ada.id];
    const steps: [Action, before: string | null | undefined, count: number][] = [
      [edit(1, `@${ada.email}`), null, 1],
      [edit(1, `@${ada.email}!`), undefined, 1],
      [edit(1, `@room`), JSON.stringify({ users }), 1],
      [edit(1, `@room @${ada.email}`), '{"users":[],"room":true}', 1],
      [{ type: "react", seq: 1, emoji: "👍", on: true }, undefined, 1],
      [edit(1, `@${bob.email}`), JSON.stringify({ users, room: true }), 0],
      [remove(1), JSON.stringify({ users: [bob.id] }), 0],
    ];
    for (const [action, before, mentions] of steps) {
      const { change } = await done(h, room, bob, action);
      expect(change?.mentionsBefore).toBe(before);
      expect(await count(ada)).toBe(mentions);
    }
    expect((await h.newest(room))?.mentions).toBeNull();
  });

  test("messages after the mark are counted, up to 1,000, and in the mark's own move too", async () => {
    const { h, room, ada, bob, count } = await setUp();
    await h.act(room, bob, ...range(1, 1003).map(() => send("@room")));
    await h.act(room, bob, send(`@${ada.email}`), remove(1003));
    expect(await count(ada)).toBe(1000);
    const moved = (seq: number) => done(h, room, ada, { type: "read", seq });
    expect(await moved(2)).toMatchObject({ mark: { seq: 2, unread: 1001, mentions: 1000 } });
    expect(await moved(1001)).toMatchObject({ mark: { seq: 1001, unread: 2, mentions: 2 } });
    expect(await moved(1004)).toMatchObject({ mark: { seq: 1004, unread: 0, mentions: 0 } });
    expect(await count(ada)).toBe(0);
  });

  test("a member who has only been invited is mentioned by email, and has an id from their sign-in on", async () => {
    const { h, room, say, count } = await setUp();
    const [email, known] = [h.email(), h.email()];
    const earlier = await h.user();
    for (const each of [email, known]) await h.grant(room, { email: each });
    expect(await say(`@${email} @${known}`)).toEqual({ users: [] });
    const users = [await h.signIn(h.name("sub"), email), await h.signIn(earlier.id ?? "", known)];
    expect(JSON.parse((await h.newest(room))?.mentions ?? "")).toEqual({ users: users.map(({ id }) => id) });
    expect(await Promise.all(users.map((user) => count(user)))).toEqual([1, 1]);
    // They are told like any others when the message is deleted.
    expect(await say(`@${email}`)).toEqual({ users: [users[0]?.id] });
  });

  test("an invitation of a member under another email, and one that was withdrawn, leave no mentions behind", async () => {
    const { h, room, ada, say, count } = await setUp();
    const [second, withdrawn] = [h.email(), h.email()];
    for (const email of [second, withdrawn]) await h.grant(room, { email });
    expect(await say(`@${second} @${withdrawn}`)).toEqual({ users: [] });
    await h.signIn(ada.id ?? "", second);
    await h.remove(room, { email: withdrawn });
    expect(await count(ada)).toBe(0);
    // Their row is used again.
    const email = h.email();
    await h.grant(room, { email });
    expect(await count(await h.signIn(h.name("sub"), email))).toBe(0);
    expect(JSON.parse((await h.newest(room))?.mentions ?? "")).toEqual({ users: [] });
  });

  test("last messages and changes have their mentions", async () => {
    const { h, room, ada, say } = await setUp();
    const mentions = JSON.stringify(await say(`@${ada.email}`));
    expect((await h.store.lastMessages([room.key])).get(room.key)).toMatchObject({ mentions });
    expect(await h.changes(room, 0)).toMatchObject([{ mentions }]);
  });
}
