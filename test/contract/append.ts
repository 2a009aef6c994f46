import { expect, test } from "bun:test";

import type { Action } from "../../src/chat/model.ts";
import { send } from "../support/samples.ts";
import { type StoreHarness, subOf } from "./store-harness.ts";

const edit = (seq: number, text: string): Action => ({ type: "edit", seq, text });
const remove = (seq: number): Action => ({ type: "delete", seq });
const react = (seq: number, emoji: string, on = true): Action => ({ type: "react", seq, emoji, on });

/** What a draft becomes is decided in `chat/decide.ts`: here the store looks up the facts, and keeps what was decided. */
export function appendContract(harness: () => StoreHarness): void {
  test("changes are numbered by room, within a batch and from one to the next", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const [one, two] = [await h.room(alice, bob), await h.room(alice)];
    const batch = [
      h.draft(one, alice, send("a")),
      h.draft(two, alice, send("other")),
      h.draft(one, bob, send("b")),
      h.draft(one, alice, edit(1, "A")),
    ];
    expect(await h.append(...batch)).toEqual(["created 1/1", "created 1/1", "created 2/2", "edited 1/3"]);
    expect(await h.append(h.draft(one, bob, send("c")), h.draft(two, alice, react(1, "👍")))).toEqual([
      "created 3/4",
      "reacted 1/2",
    ]);
    expect(await h.store.head(one.key)).toEqual({ seq: 3, rev: 4 });
    expect(await h.store.head(two.key)).toEqual({ seq: 1, rev: 2 });
    expect([await h.texts(one), await h.texts(two)]).toEqual([["A", "b", "c"], ["other"]]);
  });

  test("an empty batch is stored, and changes nothing", async () => {
    expect(await harness().store.append([])).toEqual([]);
  });

  test("a message is read as it was answered when it was stored", async () => {
    const h = harness();
    const alice = await h.user();
    const room = await h.room(alice);
    for (const text of ["plain", "\n ", "it's \"'; DROP TABLE rooms; --", "👩‍👩‍👧 שלום ﷽", "x".repeat(65_536)]) {
      const [outcome] = await h.store.append([h.draft(room, alice, send(text, h.name("client")))]);
      const read = (await h.newest(room)) ?? expect.unreachable();
      expect(outcome).toMatchObject({ change: { kind: "created", message: read } });
      const unchanged = { editedAt: null, deletedAt: null, replyTo: null, reactions: [] };
      expect(read).toMatchObject({ text, sentAt: 1_700_000_000_000, ...unchanged });
      expect(read.sender).toMatchObject({ key: alice.key, id: alice.id, email: alice.email });
    }
  });

  test("a changed message is read as it was answered, by itself and among the changes", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const room = await h.room(alice, bob);
    await h.append(h.draft(room, alice, send("first")), h.draft(room, bob, send("second", "c", 1)));
    const texts = ["it's \"'; DROP TABLE rooms; --", "👩‍👩‍👧 שלום ﷽", "x".repeat(65_536)];
    const actions = [...texts.map((text) => edit(2, text)), react(2, '"\\'), react(2, "👩🏽‍🤝‍👩🏻"), remove(2)];
    for (const [index, action] of actions.entries()) {
      const [outcome] = await h.store.append([{ ...h.draft(room, bob, action), at: 1000 + index }]);
      const read = (await h.newest(room)) ?? expect.unreachable();
      const [changed] = (await h.store.changes(room.key, 2 + index, 9)).messages;
      expect(outcome).toMatchObject({ ack: { seq: 2, rev: 3 + index }, change: { message: read } });
      expect(changed).toEqual(read);
      const kept = { sentAt: 1_700_000_000_000, replyTo: 1, clientId: "c" };
      expect(read).toMatchObject({ sender: { key: bob.key }, ...kept });
      if (action.type === "edit") expect(read).toMatchObject({ text: action.text, editedAt: 1000 + index });
    }
    const gone = { text: null, reactions: [], editedAt: 1002, deletedAt: 1005 };
    expect(await h.newest(room)).toMatchObject(gone);
  });

  test("metadata is kept as it was sent, through edits and reactions, until the message is deleted", async () => {
    const h = harness();
    const alice = await h.user();
    const room = await h.room(alice);
    const meta = '{"b":1,"a":"😀\u2028","__proto__":{"c":[null]}}';
    await h.act(room, alice, send("text", "c", null, meta), send("without"));
    expect(await h.store.messages(room.key, { limit: 9 })).toMatchObject([{ meta }, { meta: null }]);
    for (const action of [edit(1, "edited"), react(1, "👍")]) {
      await h.act(room, alice, action);
      expect((await h.store.changes(room.key, 2, 9)).messages).toMatchObject([{ seq: 1, meta }]);
    }
    const last = await h.store.lastMessages([room.key]);
    expect(last.get(room.key)).toMatchObject({ seq: 2, meta: null });
    expect(await h.act(room, alice, send("text", "c", null, meta))).toEqual(["unchanged 1/1"]);
    expect(await h.act(room, alice, send("text", "c"))).toEqual(["client_id_used 1"]);
    await h.act(room, alice, remove(1));
    expect((await h.store.changes(room.key, 4, 9)).messages).toMatchObject([{ seq: 1, meta: null }]);
    expect(await h.act(room, alice, send("text", "c"))).toEqual(["unchanged 1/1"]);
  });

  test("a message that is sent and changed in one batch is kept as it is in the end", async () => {
    const h = harness();
    const alice = await h.user();
    const room = await h.room(alice);
    await h.act(room, alice, send("a"), edit(1, "b"), react(1, "👍"), send("c"), remove(2));
    expect(await h.store.messages(room.key, { limit: 9 })).toMatchObject([
      { seq: 1, rev: 3, text: "b", reactions: [{ emoji: "👍", by: [alice.id] }] },
      { seq: 2, rev: 5, text: null },
    ]);
  });

  test("reactions are kept in their order from batch to batch", async () => {
    const h = harness();
    const users = [await h.user(), await h.user(), await h.user()] as const;
    const room = await h.room(...users);
    const [a, b, c] = users;
    const nameOf = (id: string) => "abc"[users.findIndex((user) => user.id === id)];
    await h.fill(room, a, 1);
    const reactions = async (...steps: [typeof a, string, boolean][]) => {
      await h.append(...steps.map(([user, emoji, on]) => h.draft(room, user, react(1, emoji, on))));
      return (await h.newest(room))?.reactions.map(({ emoji, by }) => [emoji, ...by.map(nameOf)].join(" "));
    };
    expect(await reactions([b, "👍", true], [a, "🎉", true], [a, "👍", true])).toEqual(["👍 b a", "🎉 a"]);
    expect(await reactions([c, "👍", true], [b, "👍", false], [b, "👍", true])).toEqual(["👍 a c b", "🎉 a"]);
    expect(await reactions([c, "👍🏽", true], [a, "🎉", false])).toEqual(["👍 a c b", "👍🏽 c"]);
    await h.act(room, a, edit(1, "edited"));
    expect(await reactions()).toEqual(["👍 a c b", "👍🏽 c"]);
    expect(await reactions([c, "👍🏽", false], [a, "👍", false], [c, "👍", false], [b, "👍", false])).toEqual(
      [],
    );
  });

  test("a client_id is remembered for ever: by sender and room, with the message as it was sent", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const [room, other] = [await h.room(alice, bob), await h.room(alice)];
    const say = (text: string, replyTo: number | null = null) => h.act(room, alice, send(text, "c", replyTo));
    expect(await h.act(room, alice, send("zero"), send("one", "c", 1))).toEqual([
      "created 1/1",
      "created 2/2",
    ]);
    expect(await say("one", 1)).toEqual(["unchanged 2/2"]);
    expect([await say("two", 1), await say("one")]).toEqual([["client_id_used 2"], ["client_id_used 2"]]);
    expect(await h.act(room, bob, send("three", "c"))).toEqual(["created 3/3"]);
    expect(await h.act(other, alice, send("first", "c"))).toEqual(["created 1/1"]);
    expect(await h.act(room, alice, send("four", "C"), send("five"), send("five"))).toEqual([
      "created 4/4",
      "created 5/5",
      "created 6/6",
    ]);
    // A reaction leaves the text as it is; after an edit or a deletion nobody knows the first text any more.
    await h.act(room, bob, react(2, "👍"));
    expect(await say("two", 1)).toEqual(["client_id_used 2"]);
    await h.act(room, alice, edit(2, "uno"));
    expect(await say("two", 1)).toEqual(["unchanged 2/2"]);
    await h.act(room, alice, remove(2));
    expect([await say("two", 1), await say("two")]).toEqual([["unchanged 2/2"], ["client_id_used 2"]]);
    expect(await h.texts(room)).toEqual(["zero", null, "three", "four", "five", "five"]);
  });

  test("a draft that is refused fails alone, and leaves no gap", async () => {
    const h = harness();
    const [alice, removed, stranger] = [await h.user(), await h.user(), await h.user()];
    const admin = { ...(await h.user()), admin: true };
    const [room, gone] = [await h.room(alice, removed), await h.room(alice)];
    // It is the removal, and the deletion, that refuse.
    const before = [h.draft(room, removed, send("x")), h.draft(gone, alice, send("x"))];
    expect(await h.append(...before)).toEqual(["created 1/1", "created 1/1"]);
    await h.remove(room, subOf(removed));
    await h.delete(gone);
    const unknown = { ...gone, key: 2 ** 40 };
    expect(
      await h.append(
        h.draft(room, alice, send("x")),
        h.draft(gone, alice, send("x")),
        h.draft(unknown, admin, send("x")),
        h.draft(room, removed, send("x")),
        h.draft(room, removed, { type: "read", seq: 1 }),
        h.draft(room, stranger, react(1, "👍")),
        h.draft(room, admin, send("x")),
        h.draft(room, alice, send("x")),
      ),
    ).toEqual([
      "created 2/2",
      "room_deleted",
      "room_deleted",
      "removed",
      "removed",
      "removed",
      "created 3/3",
      "created 4/4",
    ]);
    expect(await h.store.head(room.key)).toEqual({ seq: 4, rev: 4 });
  });

  test("the role that counts is the one at the time of the change", async () => {
    const h = harness();
    const [alice, bob] = [await h.user(), await h.user()];
    const room = await h.room(alice, bob);
    await h.fill(room, alice, 3);
    expect(await h.act(room, bob, remove(1))).toEqual(["not_moderator"]);
    await h.grant(room, subOf(bob), "moderator");
    expect(await h.act(room, bob, remove(1))).toEqual(["deleted 1/4"]);
    await h.grant(room, subOf(bob), "member");
    expect(await h.act(room, bob, remove(2))).toEqual(["not_moderator"]);
    const admin = { ...(await h.user()), admin: true };
    expect(await h.act(room, admin, edit(2, "x"), remove(3))).toEqual(["not_sender", "deleted 3/5"]);
  });
}
