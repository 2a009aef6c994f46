import type { Refused, Result } from "./errors.ts";
import { type Actor, type Member, type Position, type Role, roles } from "./model.ts";
import { can } from "./permissions.ts";

/**
 * The rules for rooms and members. Pure: the store looks up the facts under the lock that it writes with. Facts that cost
 * a query of their own are functions, so that they are only looked up when a rule needs them.
 */

/** Whether a user may create one more room. */
export function decideCreation(
  limit: number,
  facts: { idTaken: () => boolean; roomsCreated: () => number },
): Result<undefined> {
  if (limit > 0 && facts.roomsCreated() >= limit) return { refused: "too_many_rooms" };
  return facts.idTaken() ? { refused: "room_id_taken" } : undefined;
}

/** A user who acts in a room, and the room, as of now. */
export interface Standing {
  actor: Actor;
  /** Undefined when they are not a member. */
  role: Role | undefined;
  /** How far the room has come. Undefined when it has been deleted. */
  head: Position | undefined;
}

/** Refuses those who may not be in the room (any more). */
function checkStanding({ actor, role, head }: Standing): Refused | undefined {
  if (!head) return { refused: "room_deleted" };
  return can(actor, role, "participate") ? undefined : { refused: "removed" };
}

/** Whether the actor may rename or delete the room. */
export function decideRoomChange(
  standing: Standing,
  permission: "rename_room" | "delete_room",
): Result<undefined> {
  const refusal = checkStanding(standing);
  if (refusal) return refusal;
  return can(standing.actor, standing.role, permission) ? undefined : { refused: "not_allowed" };
}

export interface MemberFacts extends Standing {
  /** The member that this is about; undefined when the user is not one. */
  member: Member | undefined;
  memberCount: () => number;
  ownerCount: () => number;
}

/** The role that somebody is given. */
export interface GrantDecision {
  role: Role;
  /** Where a new member's read mark starts: they have nothing unread. Undefined for somebody who is a member already. */
  readMark: number | undefined;
}

/**
 * What becomes of a wish to add somebody or to change their role. Owners may do both; moderators may add members. The last
 * owner stays an owner. An undefined `wanted` keeps the present role, or makes a member.
 */
export function decideGrant(
  wanted: Role | undefined,
  limits: { membersPerRoom: number },
  facts: MemberFacts,
): Result<GrantDecision> {
  const refusal = checkStanding(facts);
  if (refusal) return refusal;
  const { actor, member } = facts;
  const plain = isPlainMember(member?.role) && isPlainMember(wanted);
  if (!can(actor, facts.role, plain ? "manage_members" : "manage_roles")) return { refused: "not_allowed" };
  const role = wanted ?? member?.role ?? "member";
  if (member) {
    if (role !== "owner" && isLastOwner(member, facts.ownerCount)) return { refused: "last_owner" };
    return { role, readMark: undefined };
  }
  const { membersPerRoom } = limits;
  if (membersPerRoom > 0 && facts.memberCount() >= membersPerRoom) return { refused: "too_many_members" };
  return { role, readMark: facts.head?.seq ?? 0 };
}

export interface RemovalFacts extends Standing {
  /** Members of the room who are meant: found by id, or shown with the email. */
  candidates: readonly Member[];
  ownerCount: () => number;
}

/**
 * Which member is removed; undefined when nobody is meant. Whether the actor may remove this member, or learn that they are
 * not one: everybody may leave, except for the last owner; owners remove anybody, moderators remove members.
 */
export function decideRemoval({
  candidates,
  ownerCount,
  ...standing
}: RemovalFacts): Result<Member | undefined> {
  const refusal = checkStanding(standing);
  if (refusal) return refusal;
  const { actor, role } = standing;
  const [member] = candidates;
  const own = candidates.every(({ user }) => user.key === actor.key) && member !== undefined;
  const needed = candidates.every((each) => isPlainMember(each.role)) ? "manage_members" : "manage_roles";
  if (!own && !can(actor, role, needed)) return { refused: "not_allowed" };
  if (candidates.length > 1) {
    const users = candidates.flatMap(({ user }) => user.id ?? []);
    return { refused: "ambiguous_email", details: { users } };
  }
  return member && isLastOwner(member, ownerCount) ? { refused: "last_owner" } : member;
}

/** Whether a role gives no rights over others. Undefined, for no role, counts as one. */
function isPlainMember(role: Role | undefined): boolean {
  return role === undefined || role === "member";
}

function isLastOwner({ role }: Member, ownerCount: () => number): boolean {
  return role === "owner" && ownerCount() <= 1;
}

/** The role of a user who has two, when an invitation becomes theirs. */
export function higherRole(a: Role, b: Role): Role {
  return roles.indexOf(a) < roles.indexOf(b) ? a : b;
}
