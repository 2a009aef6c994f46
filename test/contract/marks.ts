import { expect, test } from "bun:test";

import type { Actor, Room } from "../../src/chat/model.ts";
import type { World } from "./world.ts";

/** How far each has read. */
export function marksContract(world: () => World): void {
  const setUp = async () => {
    const w = world();
    const [alice, bob] = [await w.user(), await w.user()];
    const room = await w.room(alice, bob);
    const read = (who: Actor, seq: number, of: Room = room) => w.does(of, who, { type: "read", seq });
    const unread = async (who: Actor, of: Room = room) =>
      (await w.store.roomsOf(who.key)).find((each) => each.room.key === of.key)?.unread;
    return { w, alice, bob, room, read, unread };
  };

  test("a read mark moves forward only, and to the last message at most", async () => {
    const { w, alice, bob, room, read, unread } = await setUp();
    await w.fill(room, bob, 5);
    await w.edit(room, bob, 1);
    expect(await unread(alice)).toBe(5);
    for (const [seq, told, left] of [
      [0, "unchanged 0/6", 5],
      [2, "marked 2/6", 3],
      [2, "unchanged 2/6", 3],
      [1, "unchanged 2/6", 3],
      [-7, "unchanged 2/6", 3],
      [4, "marked 4/6", 1],
      [Number.MAX_SAFE_INTEGER, "marked 5/6", 0],
      [99, "unchanged 5/6", 0],
    ] as const) {
      expect(await w.append(read(alice, seq))).toEqual([told]);
      expect(await unread(alice)).toBe(left);
    }
    // It is no change of the room.
    expect(await w.store.head(room.key)).toEqual({ seq: 5, rev: 6 });
    await w.fill(room, bob, 1);
    expect(await unread(alice)).toBe(1);
  });

  test("within a batch a mark moves as it would from one to the next", async () => {
    const { w, alice, bob, room, read, unread } = await setUp();
    await w.fill(room, bob, 2);
    const drafts = [read(alice, 9), w.draft(room, bob), read(alice, 1), read(alice, 9), read(alice, 3)];
    expect(await w.append(...drafts, read(bob, 2))).toEqual([
      "marked 2/2",
      "created 3/3",
      "unchanged 2/3",
      "marked 3/3",
      "unchanged 3/3",
      "unchanged 3/3",
    ]);
    expect([await unread(alice), await unread(bob)]).toEqual([0, 0]);
  });

  test("whoever sends has read up to there; nobody else has, and not for a message sent before", async () => {
    const { w, alice, bob, room, read, unread } = await setUp();
    await w.append(w.draft(room, alice, "one", "c"), w.draft(room, bob));
    expect([await unread(alice), await unread(bob)]).toEqual([1, 0]);
    expect(await w.append(w.draft(room, alice, "again", "c"))).toEqual(["unchanged 1/1"]);
    expect(await w.edit(room, alice, 1)).toEqual(["edited 1/3"]);
    expect(await unread(alice)).toBe(1);
    // Also in one batch with a read: what he sent stands.
    await w.append(w.draft(room, alice), read(alice, 1));
    expect([await unread(alice), await unread(bob)]).toEqual([0, 1]);
  });

  test("marks are of one user in one room", async () => {
    const { w, alice, bob, room, read, unread } = await setUp();
    const other = await w.room(alice, bob);
    await w.append(...[room, other].flatMap((each) => [1, 2, 3].map(() => w.draft(each, bob))));
    await w.append(read(alice, 3), read(alice, 1, other));
    expect([await unread(alice), await unread(alice, other)]).toEqual([0, 2]);
    const carol = await w.user();
    await w.grant(room, { sub: carol.id ?? "" });
    expect(await unread(carol)).toBe(3);
  });

  test("nobody reads in a room that he is not in, or that is gone", async () => {
    const { w, alice, bob, room, read, unread } = await setUp();
    await w.fill(room, bob, 2);
    await w.append(read(alice, 1));
    await w.remove(room, alice);
    expect(await w.append(read(alice, 2), read(bob, 2))).toEqual(["removed", "unchanged 2/2"]);
    await w.grant(room, { sub: alice.id ?? "" });
    expect(await unread(alice)).toBe(1);
    await w.delete(room);
    expect(await w.append(read(alice, 2))).toEqual(["room_deleted"]);
  });
}
