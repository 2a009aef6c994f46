import { expect, test } from "bun:test";

import { type Action, operator } from "../../src/chat/model.ts";
import { send } from "../support/people.ts";
import type { World } from "./world.ts";

const edit = (seq: number, text: string): Action => ({ type: "edit", seq, text });
const remove = (seq: number): Action => ({ type: "delete", seq });
const react = (seq: number, emoji: string, on = true): Action => ({ type: "react", seq, emoji, on });

/** Edits, deletions and reactions. */
export function amendingContract(world: () => World): void {
  test("every change of a room takes its next rev, within a batch and from one to the next", async () => {
    const w = world();
    const alice = await w.user();
    const [room, other] = [await w.room(alice), await w.room(alice)];
    const append = (...actions: Action[]) => w.append(...actions.map((each) => w.does(room, alice, each)));
    // Sent and changed in one batch, with another room's message in between.
    expect(
      await w.append(
        w.draft(room, alice, "one"),
        w.does(room, alice, edit(1, "uno")),
        w.draft(other, alice),
        w.does(room, alice, react(1, "👍")),
        w.draft(room, alice, "two"),
      ),
    ).toEqual(["created 1/1", "edited 1/2", "created 1/1", "reacted 1/3", "created 2/4"]);
    expect(await append(remove(1), react(2, "👍"), edit(2, "due"))).toEqual([
      "deleted 1/5",
      "reacted 2/6",
      "edited 2/7",
    ]);
    expect(await append(send("three"))).toEqual(["created 3/8"]);
    expect(await w.store.head(room.key)).toEqual({ seq: 3, rev: 8 });
    expect(await w.store.head(other.key)).toEqual({ seq: 1, rev: 1 });
    expect(await w.texts(room)).toEqual([null, "due", "three"]);
  });

  test("what was answered about a change is what is read afterwards", async () => {
    const w = world();
    const [alice, bob] = [await w.user(), await w.user()];
    const room = await w.room(alice, bob);
    await w.append(w.draft(room, alice, "first"), w.does(room, bob, send("second", "c", 1)));
    const texts = ["it's \"'; DROP TABLE rooms; --", "👩‍👩‍👧 שלום ﷽", "x".repeat(65_536)];
    const actions = [...texts.map((text) => edit(2, text)), react(2, '"\\'), react(2, "👩🏽‍🤝‍👩🏻"), remove(2)];
    for (const [index, action] of actions.entries()) {
      const [outcome] = await w.store.append([{ ...w.does(room, bob, action), at: 1000 + index }]);
      const [read] = await w.store.messages(room.key, { limit: 1 });
      const [changed] = (await w.store.changes(room.key, 2 + index, 9)).messages;
      expect(outcome).toMatchObject({ ack: { seq: 2, rev: 3 + index }, change: { message: read ?? {} } });
      expect(changed).toEqual(read ?? expect.unreachable());
      expect(read).toMatchObject({
        sender: { key: bob.key },
        sentAt: 1_700_000_000_000,
        replyTo: 1,
        clientId: "c",
      });
      if (action.type === "edit")
        expect(read).toMatchObject({ text: action.text, editedAt: 1000 + index, deletedAt: null });
    }
    const [deleted] = await w.store.messages(room.key, { limit: 1 });
    expect(deleted).toMatchObject({ text: null, reactions: [], editedAt: 1002, deletedAt: 1005 });
  });

  test("what is so already is acknowledged where it stands, and changes nothing", async () => {
    const w = world();
    const [alice, bob] = [await w.user(), await w.user()];
    const room = await w.room(alice, bob);
    const append = (...actions: Action[]) => w.append(...actions.map((each) => w.does(room, alice, each)));
    await append(send("one"), send("two"));
    expect(await append(edit(1, "one"), react(1, "👍", false))).toEqual(["unchanged 1/1", "unchanged 1/1"]);
    expect(await append(react(1, "👍"), react(1, "👍"))).toEqual(["reacted 1/3", "unchanged 1/3"]);
    expect(await append(react(1, "👍"), edit(1, "uno"))).toEqual(["unchanged 1/3", "edited 1/4"]);
    expect(await append(edit(1, "uno"))).toEqual(["unchanged 1/4"]);
    expect(await append(remove(1), remove(1))).toEqual(["deleted 1/5", "unchanged 1/5"]);
    expect(await append(remove(1))).toEqual(["unchanged 1/5"]);
    // To take back what another said of it is not to take back one's own.
    await w.append(w.does(room, bob, react(2, "👍")));
    expect(await append(react(2, "👍", false))).toEqual(["unchanged 2/6"]);
    expect(await w.store.head(room.key)).toEqual({ seq: 2, rev: 6 });
  });

  test("a change that is refused fails alone, and leaves no gap", async () => {
    const w = world();
    const [alice, bob, removed] = [await w.user(), await w.user(), await w.user()];
    const [room, gone] = [await w.room(alice, bob, removed), await w.room(alice)];
    await w.fill(room, alice, 2);
    await w.append(w.does(room, alice, remove(2)), w.draft(room, removed), w.draft(gone, alice));
    await w.remove(room, removed);
    await w.delete(gone);
    const outcomes = await w.append(
      w.does(room, alice, react(1, "👍")),
      // Not his; of a message that is deleted; of one that is not there.
      ...[edit(1, "x"), remove(1), react(2, "👍"), react(9, "👍"), edit(0, "x"), remove(-1)].map((each) =>
        w.does(room, bob, each),
      ),
      ...[edit(2, "x"), edit(9, "x"), send("x", null, 9), send("x", null, 4), send("x", null, 0)].map(
        (each) => w.does(room, alice, each),
      ),
      ...[edit(3, "x"), remove(3), react(1, "👍")].map((each) => w.does(room, removed, each)),
      w.does(gone, alice, edit(1, "x")),
      w.does(room, alice, edit(1, "y")),
    );
    const refused = "not_sender not_moderator deleted no_message no_message no_message".split(" ");
    refused.push("deleted", "no_message", "no_message", "no_message", "no_message");
    refused.push("removed", "removed", "removed", "room_deleted");
    expect(outcomes).toEqual(["reacted 1/5", ...refused, "edited 1/6"]);
    expect(await w.store.head(room.key)).toEqual({ seq: 3, rev: 6 });
  });

  test("a reply names a message that is there, be it deleted, or sent in the same batch", async () => {
    const w = world();
    const alice = await w.user();
    const room = await w.room(alice);
    await w.append(w.draft(room, alice), w.does(room, alice, remove(1)));
    const replies = [send("a", null, 1), send("b", null, 2), send("c", null, 5)];
    expect(await w.append(...replies.map((each) => w.does(room, alice, each)))).toEqual([
      "created 2/3",
      "created 3/4",
      "no_message",
    ]);
    expect((await w.store.messages(room.key, { limit: 2 })).map(({ replyTo }) => replyTo)).toEqual([1, 2]);
  });

  test("a role holds as it is when the change is stored", async () => {
    const w = world();
    const [alice, bob] = [await w.user(), await w.user()];
    const room = await w.room(alice, bob);
    await w.fill(room, alice, 4);
    const attempt = (seq: number) => w.append(w.does(room, bob, remove(seq)));
    expect(await attempt(1)).toEqual(["not_moderator"]);
    for (const [seq, role] of [
      [1, "moderator"],
      [2, "owner"],
    ] as const) {
      await w.grant(room, { sub: bob.id ?? "" }, role);
      expect(await attempt(seq)).toEqual([`deleted ${seq}/${4 + seq}`]);
    }
    await w.grant(room, { sub: alice.id ?? "" }, "owner");
    await w.grant(room, { sub: bob.id ?? "" }, "member");
    expect(await attempt(3)).toEqual(["not_moderator"]);
    // An administrator needs no role.
    const admin = { ...(await w.user()), admin: true };
    expect(await w.append(w.does(room, admin, edit(3, "x")), w.does(room, admin, remove(4)))).toEqual([
      "edited 3/7",
      "deleted 4/8",
    ]);
  });

  test("reactions are kept in the order in which they came, and whoever comes again is last", async () => {
    const w = world();
    const users = [await w.user(), await w.user(), await w.user()];
    const room = await w.room(...users);
    const ids = users.map(({ id }) => id ?? "");
    const [a, b, c] = users as [(typeof users)[0], (typeof users)[0], (typeof users)[0]];
    await w.fill(room, a, 1);
    const reactions = async (...steps: [typeof a, string, boolean][]) => {
      await w.append(...steps.map(([who, emoji, on]) => w.does(room, who, react(1, emoji, on))));
      const [read] = await w.store.messages(room.key, { limit: 1 });
      return read?.reactions.map(({ emoji, by }) =>
        [emoji, ...by.map((id) => "abc"[ids.indexOf(id)])].join(" "),
      );
    };
    expect(await reactions([b, "👍", true], [a, "🎉", true], [a, "👍", true])).toEqual(["👍 b a", "🎉 a"]);
    expect(await reactions([c, "👍", true], [b, "👍", false], [b, "👍", true])).toEqual(["👍 a c b", "🎉 a"]);
    expect(await reactions([c, "👍🏽", true], [a, "🎉", false])).toEqual(["👍 a c b", "👍🏽 c"]);
    expect(await reactions([b, "🎉", true], [a, "👍", false])).toEqual(["👍 c b", "👍🏽 c", "🎉 b"]);
    await w.append(w.does(room, a, edit(1, "edited")));
    expect(await reactions()).toEqual(["👍 c b", "👍🏽 c", "🎉 b"]);
    expect(await reactions([c, "👍🏽", false], [c, "👍", false], [b, "👍", false], [b, "🎉", false])).toEqual(
      [],
    );
  });

  test("a room is renamed as long as it is there, and keeps all else", async () => {
    const w = world();
    const alice = await w.user();
    const [room, other] = [await w.room(alice), await w.room(alice)];
    await w.fill(room, alice, 2);
    expect(await w.store.renameRoom(room.key, "Büro 🏢", operator)).toBeUndefined();
    const renamed = { ...room, name: "Büro 🏢", seq: 2, rev: 2 };
    expect(await w.store.membership(room.id, alice.key)).toEqual({ room: renamed, role: "member" });
    expect((await w.store.roomsOf(alice.key)).map((each) => each.room)).toEqual([renamed, other]);
    expect((await w.store.rooms()).filter(({ key }) => key === room.key)).toEqual([renamed]);
    await w.delete(room);
    for (const key of [room.key, 2 ** 40])
      expect(await w.store.renameRoom(key, "late", operator)).toBe("room_deleted");
  });
}
