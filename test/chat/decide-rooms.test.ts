import { describe, expect, test } from "bun:test";

import {
  type ActorFacts,
  decideCreation,
  decideGrant,
  decideRemoval,
  decideRoomChange,
  decideRoomDeletion,
  higherRole,
} from "../../src/chat/decide-rooms.ts";
import { isRefused } from "../../src/chat/errors.ts";
import { type Actor, defaultSettings, type Member, type Role, roles } from "../../src/chat/model.ts";
import { can, type Permission } from "../../src/chat/permissions.ts";
import { actor } from "../support/samples.ts";

const room = { key: 7, id: "lobby", name: "Lobby", ...defaultSettings, seq: 12, rev: 20, createdAt: 0 };
const actorFacts = (role: Role | undefined, user = actor(1)): ActorFacts => ({
  actor: user,
  isDirect: false,
  role,
  head: { seq: 12, rev: 20 },
});
const member = (role: Role, user: Actor = actor(2)): Member => ({ user, role, joinedAt: 0 });
const unused = () => expect.unreachable();
/** The refusal, or "done". */
const outcome = (result: unknown): string => (isRefused(result) ? result.refused : "done");

/** In a room with two owners and three members: gives a role to a member, or to somebody who is none. */
const grant = (by: ActorFacts, present: Role | undefined, wanted: Role | undefined) =>
  decideGrant(
    wanted,
    { membersPerRoom: 0 },
    {
      ...by,
      member: present && member(present),
      isBanned: () => false,
      memberCount: () => 5,
      ownerCount: () => 2,
    },
  );
const removal = (by: ActorFacts, ...candidates: Member[]) =>
  decideRemoval({ ...by, candidates, ownerCount: () => 2 });

/** What may be done in a room, and by which roles. */
const actions: [what: string, allowed: string, decide: (by: ActorFacts) => unknown][] = [
  ["change the room", "owner", (by) => decideRoomChange(by, { room, wanted: { name: "new" }, at: 0 })],
  ["delete the room", "owner", (by) => decideRoomDeletion(by)],
  ["add a member", "owner moderator", (by) => grant(by, undefined, "member")],
  ["add somebody without naming a role", "owner moderator", (by) => grant(by, undefined, undefined)],
  ["add a moderator", "owner", (by) => grant(by, undefined, "moderator")],
  ["add an owner", "owner", (by) => grant(by, undefined, "owner")],
  ["add a member again", "owner moderator", (by) => grant(by, "member", "member")],
  ["make a member a moderator", "owner", (by) => grant(by, "member", "moderator")],
  ["make a moderator a member", "owner", (by) => grant(by, "moderator", "member")],
  ["add an owner again without naming a role", "owner", (by) => grant(by, "owner", undefined)],
  ["remove a member", "owner moderator", (by) => removal(by, member("member"))],
  ["remove a moderator", "owner", (by) => removal(by, member("moderator"))],
  ["remove an owner", "owner", (by) => removal(by, member("owner"))],
  ["learn that somebody is not a member", "owner moderator", (by) => removal(by)],
  ["learn that two members have one email", "owner", (by) => removal(by, member("owner"), member("member"))],
  ["leave", "owner moderator member", (by) => removal(by, member(by.role ?? "member", by.actor))],
];

describe.each(actions)("%s: %s", (_, allowed, decide) => {
  test.each(roles)("asked by a %s", (role) => {
    const permitted = allowed.split(" ").includes(role);
    const result = outcome(decide(actorFacts(role)));
    if (permitted) expect(["done", "ambiguous_email"]).toContain(result);
    else expect(result).toBe("not_allowed");
  });

  test("asked by an administrator, a stranger, or in a room that is deleted", () => {
    const admin = actor(9, true);
    expect(["done", "ambiguous_email"]).toContain(outcome(decide(actorFacts(undefined, admin))));
    expect(outcome(decide(actorFacts(undefined)))).toBe("removed");
    expect(outcome(decide({ ...actorFacts("owner", admin), head: undefined }))).toBe("room_deleted");
  });
});

test("every role takes part in the room, and so does an administrator", () => {
  const permissions: Permission[] = ["participate", "delete_any_message"];
  const allowed = (user: Actor, role: Role | null | undefined) =>
    permissions.map((permission) => can(user, role, permission));
  expect(roles.map((role) => allowed(actor(1), role))).toEqual([
    [true, true],
    [true, true],
    [true, false],
  ]);
  for (const none of [null, undefined]) {
    expect(allowed(actor(1), none)).toEqual([false, false]);
    expect(allowed(actor(1, true), none)).toEqual([true, true]);
  }
});

describe("a grant", () => {
  const owner = actorFacts("owner");

  // A new member's read mark starts at the newest message; others keep theirs.
  test.each<[Role | undefined, Role | undefined, Role, number | undefined]>([
    [undefined, undefined, "member", 12],
    [undefined, "owner", "owner", 12],
    ["moderator", undefined, "moderator", undefined],
    ["moderator", "owner", "owner", undefined],
    ["owner", "member", "member", undefined],
  ])("to somebody who is %p, of %p, gives %p", (present, wanted, role, readMark) => {
    expect(grant(owner, present, wanted)).toEqual({ role, readMark });
  });

  test("takes the last owner's role from nobody", () => {
    const last = {
      ...owner,
      member: member("owner"),
      isBanned: () => false,
      memberCount: unused,
      ownerCount: () => 1,
    };
    const limits = { membersPerRoom: 0 };
    expect(outcome(decideGrant("moderator", limits, last))).toBe("last_owner");
    expect(outcome(decideGrant("member", limits, last))).toBe("last_owner");
    expect(decideGrant("owner", limits, last)).toEqual({ role: "owner", readMark: undefined });
    expect(decideGrant(undefined, limits, last)).toEqual({ role: "owner", readMark: undefined });
  });

  test.each<[limit: number, count: number, present: Role | undefined, expected: string]>([
    [3, 2, undefined, "done"],
    [3, 3, undefined, "too_many_members"],
    [3, 4, undefined, "too_many_members"],
    [3, 3, "moderator", "done"],
    [0, 1000, undefined, "done"],
  ])("with room for %d in a room of %d, to somebody who is %p: %s", (limit, count, present, expected) => {
    const facts = {
      isBanned: () => false,
      memberCount: () => count,
      ownerCount: () => 2,
      member: present && member(present),
    };
    expect(outcome(decideGrant("member", { membersPerRoom: limit }, { ...owner, ...facts }))).toBe(expected);
  });
});

describe("a removal", () => {
  const [owner, moderator] = [actorFacts("owner"), actorFacts("moderator")];

  test("is of the one member who is meant, or of nobody", () => {
    const bob = member("member");
    expect(removal(owner, bob)).toEqual(bob);
    expect(removal(owner)).toBeUndefined();
  });

  test("of two members with one email is refused, with their ids", () => {
    const invited = { ...actor(4), id: null };
    const candidates = [member("member", actor(2)), member("member", actor(3)), member("member", invited)];
    expect(removal(moderator, ...candidates)).toEqual({
      refused: "ambiguous_email",
      details: { users: ["sub|2", "sub|3"] },
    });
    // A member who may not remove both does not learn of it, not even if one of them is that member.
    const self = member("member", moderator.actor);
    expect(outcome(removal(actorFacts("member"), self, member("member")))).toBe("not_allowed");
  });

  test("never leaves a room that had an owner without one", () => {
    const remove = (role: Role, owners: number, user?: Actor) =>
      outcome(decideRemoval({ ...owner, candidates: [member(role, user)], ownerCount: () => owners }));
    expect([remove("owner", 1), remove("owner", 1, owner.actor)]).toEqual(["last_owner", "last_owner"]);
    expect([remove("owner", 2), remove("moderator", 0)]).toEqual(["done", "done"]);
  });
});

test.each<[limit: number, created: number, idTaken: boolean, expected: string]>([
  [2, 1, false, "done"],
  [2, 2, false, "too_many_rooms"],
  [2, 3, false, "too_many_rooms"],
  [0, 1000, false, "done"],
  [2, 1, true, "room_id_taken"],
  [0, 0, true, "room_id_taken"],
])(
  "with a limit of %d and %d rooms, under an id that is taken (%p): %s",
  (limit, created, idTaken, expected) => {
    const facts = { idTaken: () => idTaken, roomsCreated: () => created };
    expect(outcome(decideCreation(limit, facts))).toBe(expected);
  },
);

test("a direct conversation has fixed members and settings, but may be deleted", () => {
  const by = { ...actorFacts("owner", { ...actor(1), admin: true }), isDirect: true };
  for (const [what, , decide] of actions)
    expect([what, outcome(decide(by))]).toEqual([what, what === "delete the room" ? "done" : "direct_room"]);
});

test("of two roles the higher one is kept", () => {
  expect([higherRole("member", "owner"), higherRole("owner", "moderator")]).toEqual(["owner", "owner"]);
  expect([higherRole("moderator", "member"), higherRole("member", "member")]).toEqual([
    "moderator",
    "member",
  ]);
});
