import { expect, test } from "bun:test";

import * as fc from "fast-check";

import type { World } from "./world.ts";

export function appendContract(world: () => World): void {
  test("each draft of a batch gets the next seq and rev of its room, in their order", async () => {
    const w = world();
    const [alice, bob] = [await w.user(), await w.user()];
    const [one, two] = [await w.room(alice, bob), await w.room(alice)];
    const batch = [
      w.draft(one, alice, "a"),
      w.draft(two, alice),
      w.draft(one, bob, "b"),
      w.draft(one, alice, "c"),
    ];
    expect(await w.append(...batch)).toEqual(["created 1/1", "created 1/1", "created 2/2", "created 3/3"]);
    expect(await w.append(w.draft(one, bob), w.draft(two, alice))).toEqual(["created 4/4", "created 2/2"]);
    expect(await w.store.head(one.key)).toEqual({ seq: 4, rev: 4 });
    expect((await w.texts(one)).slice(0, 3)).toEqual(["a", "b", "c"]);
  });

  test("a message is read as it was answered when it was stored", async () => {
    const w = world();
    const alice = await w.user();
    const room = await w.room(alice);
    for (const text of ["plain", "\n ", "it's \"'; DROP TABLE rooms; --", "👩‍👩‍👧 שלום ﷽", "x".repeat(65_536)]) {
      const [outcome] = await w.store.append([w.draft(room, alice, text, w.name("client"))]);
      const [read] = await w.store.messages(room.key, { limit: 1 });
      expect(outcome).toMatchObject({ ack: { seq: read?.seq, rev: read?.rev } });
      expect(outcome).toMatchObject({ change: { kind: "created", message: read ?? {} } });
      expect(read).toMatchObject({
        text,
        sentAt: 1_700_000_000_000,
        editedAt: null,
        deletedAt: null,
        replyTo: null,
        reactions: [],
      });
      expect(read?.sender).toMatchObject({ key: alice.key, id: alice.id, email: alice.email });
    }
  });

  test("a batch of nothing is stored, and changes nothing", async () => {
    expect(await world().store.append([])).toEqual([]);
  });

  test("a client_id that was stored before is answered as it was then, and not stored again", async () => {
    const w = world();
    const [alice, bob] = [await w.user(), await w.user()];
    const [room, other] = [await w.room(alice, bob), await w.room(alice)];
    const append = async (...drafts: Parameters<World["draft"]>[]) =>
      w.append(...drafts.map((draft) => w.draft(...draft)));

    expect(await append([room, alice, "zero"], [room, alice, "one", "c"])).toEqual([
      "created 1/1",
      "created 2/2",
    ]);
    expect(await append([room, alice, "again", "c"])).toEqual(["unchanged 2/2"]);
    // Twice within one batch; the numbers after it have no gap.
    expect(
      await append([room, alice, "two", "d"], [room, alice, "twice", "d"], [room, alice, "three"]),
    ).toEqual(["created 3/3", "unchanged 3/3", "created 4/4"]);
    // Another sender's, another room's, another client_id: other messages.
    expect(
      await append([room, bob, "four", "c"], [other, alice, "first", "c"], [room, alice, "five", "C"]),
    ).toEqual(["created 5/5", "created 1/1", "created 6/6"]);
    // Without one, the same text is another message.
    expect(await append([room, alice, "six"], [room, alice, "six"])).toEqual(["created 7/7", "created 8/8"]);
    expect(await w.texts(room)).toEqual(["zero", "one", "two", "three", "four", "five", "six", "six"]);
    expect(await w.texts(other)).toEqual(["first"]);
  });

  test("a repeated client_id is answered with the rev of its creation, whatever became of the message since", async () => {
    const w = world();
    const alice = await w.user();
    const room = await w.room(alice);
    await w.store.append([w.draft(room, alice, "one", "c"), w.draft(room, alice)]);
    expect(await w.edit(room, alice, 1)).toEqual(["edited 1/3"]);
    expect(await w.append(w.draft(room, alice, "again", "c"))).toEqual(["unchanged 1/1"]);
    await w.append(w.does(room, alice, { type: "delete", seq: 1 }));
    expect(await w.append(w.draft(room, alice, "again", "c"))).toEqual(["unchanged 1/1"]);
  });

  test("a draft that is refused fails alone, and leaves no gap", async () => {
    const w = world();
    const [alice, removed, stranger] = [await w.user(), await w.user(), await w.user()];
    const admin = { ...(await w.user()), admin: true };
    const [room, gone] = [await w.room(alice, removed), await w.room(alice)];
    const batch = [alice, removed, stranger, admin, alice].map((sender) => w.draft(room, sender));
    batch.splice(1, 0, w.draft(gone, alice), w.draft({ ...gone, key: 2 ** 40 }, admin));
    // The premise: it is the removal, and the deletion, that refuse.
    const before = [w.draft(room, removed), w.draft(gone, alice)];
    expect(await w.append(...before)).toEqual(["created 1/1", "created 1/1"]);
    await w.remove(room, removed);
    await w.delete(gone);
    expect(await w.append(...batch)).toEqual([
      "created 2/2",
      "room_deleted",
      "room_deleted",
      "removed",
      "removed",
      "created 3/3",
      "created 4/4",
    ]);
  });

  test("whatever is appended in whatever batches, seq and rev have no gap and each client_id is stored once", async () => {
    const w = world();
    const users = [await w.user(), await w.user()];
    const draft = fc.record({
      room: fc.nat(1),
      sender: fc.nat(1),
      clientId: fc.option(fc.constantFrom("a", "b", "c", "d")),
    });
    const batches = fc.array(fc.array(draft, { maxLength: 8 }), { maxLength: 6 });
    const property = fc.asyncProperty(batches, async (plan) => {
      const rooms = [await w.room(...users), await w.room(...users)];
      const kept = [new Map<string, number>(), new Map<string, number>()];
      const texts: string[][] = [[], []];
      for (const batch of plan) {
        const said = batch.map(() => w.name("text"));
        const drafts = batch.map((each, index) => {
          const [room, sender] = [rooms[each.room], users[each.sender]];
          if (!room || !sender) throw new Error("outside the plan");
          return w.draft(room, sender, said[index], each.clientId);
        });
        const expected = batch.map(({ room, sender, clientId }, index) => {
          const known = clientId === null ? undefined : kept[room]?.get(`${sender}${clientId}`);
          if (known !== undefined) return `unchanged ${known}/${known}`;
          const seq = texts[room]?.push(said[index] ?? "") ?? 0;
          if (clientId !== null) kept[room]?.set(`${sender}${clientId}`, seq);
          return `created ${seq}/${seq}`;
        });
        expect(await w.append(...drafts)).toEqual(expected);
      }
      for (const [index, room] of rooms.entries()) expect(await w.texts(room)).toEqual(texts[index] ?? []);
    });
    await fc.assert(property, { numRuns: 25 });
  });
}
