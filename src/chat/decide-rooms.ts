import { type AuditRecord, auditRecord } from "./audit.ts";
import type { Refused, Result } from "./errors.ts";
import {
  type Actor,
  type Member,
  type Position,
  type Role,
  roles,
  type Room,
  type RoomSettings,
} from "./model.ts";
import { can, type Permission } from "./permissions.ts";

/**
 * The rules for rooms and members. Pure: the store looks up the facts under the lock that it writes with. Facts that need
 * a query of their own are functions, so that they are only looked up when a rule needs them.
 */

/** Whether a user may create one more room. A `limit` of 0 means no limit. */
export function decideCreation(
  limit: number,
  facts: { idTaken: () => boolean; roomsCreated: () => number },
): Result<undefined> {
  if (limit > 0 && facts.roomsCreated() >= limit) return { refused: "too_many_rooms" };
  return facts.idTaken() ? { refused: "room_id_taken" } : undefined;
}

/** The actor's place in a room, and the room's state. */
export interface ActorFacts {
  actor: Actor;
  /** Whether the room is a direct conversation: its members and settings are fixed, for administrators too. */
  isDirect: boolean;
  /** Undefined when they are not a member. */
  role: Role | undefined;
  /** The room's newest `seq` and `rev`. Undefined when it has been deleted. */
  head: Position | undefined;
}

/** Refuses an actor who may not be in the room, or may no longer be in it. */
export function checkAccess({ actor, role, head }: ActorFacts): Refused | undefined {
  if (!head) return { refused: "room_deleted" };
  return can(actor, role, "participate") ? undefined : { refused: "removed" };
}

/** Refuses an actor who may not be in the room, and any change of the members or settings of a direct conversation. */
export function checkChange(facts: ActorFacts): Refused | undefined {
  return checkAccess(facts) ?? (facts.isDirect ? { refused: "direct_room" } : undefined);
}

/** Refuses an actor who may not be in the room, or who does not have a permission there. */
export function checkPermission(facts: ActorFacts, permission: Permission): Refused | undefined {
  const refusal = checkAccess(facts);
  if (refusal) return refusal;
  return can(facts.actor, facts.role, permission) ? undefined : { refused: "not_allowed" };
}

export function decideRoomDeletion(facts: ActorFacts): Result<undefined> {
  return checkPermission(facts, "delete_room");
}

/** Settings that are to stay have the value undefined, or are absent. */
export type RoomChanges = { [Setting in keyof RoomSettings]?: RoomSettings[Setting] | undefined };

export function applyChanges(
  before: RoomSettings,
  {
    name = before.name,
    access = before.access,
    posting = before.posting,
    slowMode = before.slowMode,
  }: RoomChanges,
): RoomSettings {
  return { name, access, posting, slowMode };
}

export interface RoomChangeDecision {
  /** The room as it is then. */
  room: Room;
  /** The settings that differ. */
  changes: Partial<RoomSettings>;
  /** Undefined when nothing differs. */
  audit: AuditRecord | undefined;
}

/** Decides to change a room's settings. `room` is undefined when it has been deleted. */
export function decideRoomChange(
  facts: ActorFacts,
  { room, wanted, at }: { room: Room | undefined; wanted: RoomChanges; at: number },
): Result<RoomChangeDecision> {
  const refusal = checkChange(facts) ?? checkPermission(facts, "change_room");
  if (refusal) return refusal;
  if (!room) return { refused: "room_deleted" };
  const changes = changedSettings(room, wanted);
  const isSame = Object.keys(changes).length === 0;
  const audit = isSame ? undefined : auditRecord(facts.actor, at, { action: "room_changed", changes });
  return { room: { ...room, ...changes }, changes, audit };
}

/** The wanted settings that differ from the present ones. */
function changedSettings(room: RoomSettings, wanted: RoomChanges): Partial<RoomSettings> {
  const { name, access, posting, slowMode } = applyChanges(room, wanted);
  return {
    ...(name !== room.name && { name }),
    ...(access !== room.access && { access }),
    ...(posting !== room.posting && { posting }),
    ...(slowMode !== room.slowMode && { slowMode }),
  };
}

/** Whether two rooms have the same settings. */
export function haveSameSettings(a: RoomSettings, b: RoomSettings): boolean {
  return a.name === b.name && a.access === b.access && a.posting === b.posting && a.slowMode === b.slowMode;
}

export interface MemberFacts extends ActorFacts {
  /** The present membership of the user in question. Undefined when there is none. */
  member: Member | undefined;
  /** Whether the user in question is banned from the room, or another one who has presented the same email. */
  isBanned: () => boolean;
  memberCount: () => number;
  ownerCount: () => number;
}

/** What an existing or new member is given. */
export interface GrantDecision {
  role: Role;
  /** Where a new member's read mark starts, so that they have nothing unread. Undefined for an existing member. */
  readMark: number | undefined;
}

/**
 * Decides whether to add a member or change their role. Owners may do both; moderators may add members. The last owner
 * stays an owner. If `wanted` is undefined, a member keeps their role and a new one becomes a `member`.
 */
export function decideGrant(
  wanted: Role | undefined,
  limits: { membersPerRoom: number },
  facts: MemberFacts,
): Result<GrantDecision> {
  const refusal = checkChange(facts);
  if (refusal) return refusal;
  const { actor, member } = facts;
  const plain = isPlainMember(member?.role) && isPlainMember(wanted);
  if (!can(actor, facts.role, plain ? "manage_members" : "manage_roles")) return { refused: "not_allowed" };
  if (!member && facts.isBanned()) return { refused: "banned" };
  const role = wanted ?? member?.role ?? "member";
  if (member) {
    if (role !== "owner" && isLastOwner(member, facts.ownerCount)) return { refused: "last_owner" };
    return { role, readMark: undefined };
  }
  const { membersPerRoom } = limits;
  if (membersPerRoom > 0 && facts.memberCount() >= membersPerRoom) return { refused: "too_many_members" };
  return { role, readMark: facts.head?.seq ?? 0 };
}

export interface RemovalFacts extends ActorFacts {
  /** Members who match: by id, or by the email that they are shown with. */
  candidates: readonly Member[];
  ownerCount: () => number;
}

/**
 * Decides which member to remove; undefined when none matches. Everyone may leave, except the last owner. Owners may remove
 * anyone, moderators may remove members. Other actors are refused even if none matches, so they cannot probe for members.
 */
export function decideRemoval({
  candidates,
  ownerCount,
  ...actorFacts
}: RemovalFacts): Result<Member | undefined> {
  const refusal = checkChange(actorFacts);
  if (refusal) return refusal;
  const { actor, role } = actorFacts;
  const [member] = candidates;
  const isLeaving = candidates.every(({ user }) => user.key === actor.key) && member !== undefined;
  const needed = candidates.every((each) => isPlainMember(each.role)) ? "manage_members" : "manage_roles";
  if (!isLeaving && !can(actor, role, needed)) return { refused: "not_allowed" };
  if (candidates.length > 1) {
    const users = candidates.flatMap(({ user }) => user.id ?? []);
    return { refused: "ambiguous_email", details: { users } };
  }
  return member && isLastOwner(member, ownerCount) ? { refused: "last_owner" } : member;
}

/** Whether a role gives no permissions over other members. True for no role. */
export function isPlainMember(role: Role | undefined): boolean {
  return role === undefined || role === "member";
}

export function isLastOwner({ role }: Pick<Member, "role">, ownerCount: () => number): boolean {
  return role === "owner" && ownerCount() <= 1;
}

/** Which of two roles a user keeps when they take over an invitation to a room that they are in already. */
export function higherRole(a: Role, b: Role): Role {
  return roles.indexOf(a) < roles.indexOf(b) ? a : b;
}
