import { expect, test } from "bun:test";

import type { Refusal } from "../../src/chat/errors.ts";
import { type Actor, operator, type Room } from "../../src/chat/model.ts";
import type { Store } from "../../src/chat/store.ts";
import { type StoreHarness, subOf } from "./store-harness.ts";

const limits = { joinedAt: 1, membersPerRoom: 0 };

/** Every write to a room by somebody who needs a role for it. Who may do what is tested with `chat/decide-rooms.ts`. */
const writes: [
  name: string,
  write: (store: Store, room: Room, by: Actor, other: Actor) => Promise<unknown>,
][] = [
  ["changeRoom", (store, { key }, by) => store.changeRoom(key, { name: "new" }, by)],
  ["deleteRoom", (store, { key }, by) => store.deleteRoom(key, by)],
  [
    "setMembers",
    (store, { key }, by, other) =>
      store.setMembers(key, [{ who: subOf(other), role: "owner" }], { by, ...limits }),
  ],
  ["removeMember", (store, { key }, by, other) => store.removeMember(key, subOf(other), by)],
];

/** A write that the rules refuse resolves with `Refused`, in every method alike, and changes nothing. */
export function refusalsContract(harness: () => StoreHarness): void {
  test.each(writes)(
    "%s is decided by the actor's role in this room at the time of the write",
    async (_, write) => {
      const h = harness();
      const [owner, member, stranger] = [await h.user(), await h.user(), await h.user()];
      const room = await h.createRoom(h.name("room"), owner);
      await h.grant(room, subOf(member));
      // Ownership of another room gives no rights in this one.
      for (const each of [member, stranger]) await h.createRoom(h.name("room"), each);
      const state = async () => [
        await h.store.membership(room.id, owner.key),
        await h.store.members(room.key),
      ];
      const before = await state();
      const attempt = (by: Actor, other: Actor) => write(h.store, room, by, other);
      expect(await attempt(member, owner)).toEqual({ refused: "not_allowed" });
      expect(await attempt(stranger, member)).toEqual({ refused: "removed" });
      expect(await state()).toEqual(before);
      // The token says who is an administrator, not the role.
      const allowed = await attempt({ ...stranger, admin: true }, member);
      expect(allowed).not.toHaveProperty("refused");
      expect(await state()).not.toEqual(before);
    },
  );

  test.each(writes)("%s is refused in a room that is deleted, or that never was", async (_, write) => {
    const h = harness();
    const alice = await h.user();
    const room = await h.room(alice);
    await h.delete(room);
    for (const each of [room, { ...room, key: 2 ** 40 }])
      expect(await write(h.store, each, operator, alice)).toEqual({ refused: "room_deleted" });
  });

  test.each(writes)("%s is refused for an owner who has just lost their role", async (_, write) => {
    const h = harness();
    const [owner, other] = [await h.user(), await h.user()];
    const room = await h.createRoom(h.name("room"), owner);
    await h.grant(room, subOf(other), "owner");
    const [, refused] = await Promise.all([
      h.store.setMembers(room.key, [{ who: subOf(owner), role: "member" }], { by: operator, ...limits }),
      write(h.store, room, owner, other),
    ]);
    expect(refused).toEqual({ refused: "not_allowed" satisfies Refusal });
  });
}
