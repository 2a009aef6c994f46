import { describe, expect, test } from "bun:test";

import { type Actor, operator, type Role, roles, type Room } from "../../src/chat/model.ts";
import type { World } from "./world.ts";

type Who = Role | "stranger" | "admin";
const everyone: readonly Who[] = ["owner", "moderator", "member", "stranger", "admin"];

/** A room with members of each role, and who asks. */
interface Scene {
  w: World;
  room: Room;
  by: Actor;
  in(role: Role): { sub: string };
}

/** What is asked, and who may: the others are refused, and change nothing. */
const acts: [what: string, may: readonly Who[], ask: (scene: Scene) => Promise<unknown>][] = [
  ["rename the room", ["owner"], ({ w, room, by }) => w.store.renameRoom(room.key, "new", by)],
  ["delete the room", ["owner"], ({ w, room, by }) => w.store.deleteRoom(room.key, by)],
  ["let somebody in", ["owner", "moderator"], (scene) => grant(scene, newcomer(scene), undefined)],
  ["let in a moderator", ["owner"], (scene) => grant(scene, newcomer(scene), "moderator")],
  ["let in an owner", ["owner"], (scene) => grant(scene, newcomer(scene), "owner")],
  ["make a member a moderator", ["owner"], (scene) => grant(scene, scene.in("member"), "moderator")],
  ["make a moderator a member", ["owner"], (scene) => grant(scene, scene.in("moderator"), "member")],
  ["leave an owner as he is", ["owner"], (scene) => grant(scene, scene.in("owner"), undefined)],
  ["put a member out", ["owner", "moderator"], (scene) => remove(scene, scene.in("member"))],
  ["put a moderator out", ["owner"], (scene) => remove(scene, scene.in("moderator"))],
  ["put an owner out", ["owner"], (scene) => remove(scene, scene.in("owner"))],
  ["put out who is not there", ["owner", "moderator"], (scene) => remove(scene, newcomer(scene))],
  ["leave", ["owner", "moderator", "member"], (scene) => remove(scene, { sub: scene.by.id ?? "" })],
];

const newcomer = ({ w }: Scene) => ({ email: `${w.name()}@example.com` });
const grant = ({ w, room, by }: Scene, who: { sub: string } | { email: string }, role: Role | undefined) =>
  w.store.setMember(room.key, who, role, { by, joinedAt: 1, membersPerRoom: 0 });
const remove = ({ w, room, by }: Scene, who: { sub: string } | { email: string }) =>
  w.store.removeMember(room.key, who, by);

/** One of each role; their subs. */
async function seat(w: World, room: Room): Promise<Record<Role, string>> {
  const subs = { owner: w.name("sub"), moderator: w.name("sub"), member: w.name("sub") };
  for (const role of roles) await w.grant(room, { sub: subs[role] }, role);
  return subs;
}

/** Who may do what to a room and its members, as it is when it is done. */
export function rightsContract(world: () => World): void {
  describe.each(acts)("who may %s", (_, may, ask) => {
    test.each(everyone.map((who) => [who] as const))("%s", async (who) => {
      const w = world();
      const room = await w.room();
      // Two of each: who asks is never the one whom it is about, but where he leaves.
      const [own, others] = [await seat(w, room), await seat(w, room)];
      const by = { ...(await w.signIn(own[who as Role] ?? w.name("sub"))), admin: who === "admin" };
      const state = async () => [await w.store.membership(room.id, by.key), await w.store.members(room.key)];
      const before = await state();
      const answer = await ask({ w, room, by, in: (role) => ({ sub: others[role] }) });
      if (who === "admin" || may.includes(who)) {
        expect(answer).not.toBeString();
      } else {
        expect(answer).toBe(who === "stranger" ? "removed" : "not_owner");
        expect(await state()).toEqual(before);
      }
    });
  });

  test("nobody does anything in a room that is gone, whoever he is", async () => {
    const w = world();
    const room = await w.room();
    await w.delete(room);
    for (const [, , ask] of acts)
      expect(await ask({ w, room, by: operator, in: (role) => ({ sub: role }) })).toBe("room_deleted");
  });
}
