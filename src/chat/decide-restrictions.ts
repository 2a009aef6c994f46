import { type AuditRecord, auditRecord, snapshot } from "./audit.ts";
import { type ActorFacts, checkChange, isLastOwner, isPlainMember } from "./decide-rooms.ts";
import type { Refused, Result } from "./errors.ts";
import type { Actor, Member, RestrictionKind, User } from "./model.ts";
import { can } from "./permissions.ts";

/** The rules for bans and mutes. Pure, as those in `decide-rooms.ts`. */

/** Bans and mutes in one room that are not over. */
const MAX_RESTRICTIONS_PER_ROOM = 10_000;

/** A restriction that somebody asks for. */
export interface WantedRestriction {
  kind: RestrictionKind;
  /** Null for one without an end. */
  until: number | null;
  reason: string | null;
  /** When they ask. */
  at: number;
}

/** A user who may be meant. */
export interface RestrictionTarget {
  user: User;
  /** Undefined when they are not a member. */
  member: Member | undefined;
  /** Their restriction of this kind. Undefined when they have none, or when it is over. */
  present: { until: number | null } | undefined;
}

export interface RestrictionFacts extends ActorFacts {
  /** Who matches by id, or by the email that they are shown with. Empty for a user who is not known. */
  targets: readonly RestrictionTarget[];
}

/** Whom to ban or mute. */
export interface RestrictionDecision {
  /** Undefined for a user who is not known yet. */
  user: User | undefined;
  /** The membership that a ban ends. */
  ends: Member | undefined;
  /** Whether the user had such a restriction. */
  replaces: boolean;
}

/**
 * Decides whether to ban or mute a user. Nobody may do it to themselves. Other actors are refused even if nobody matches, so they
 * cannot probe for members. An earlier end of a ban is a way of lifting it.
 */
export function decideRestriction(
  { kind, until }: Pick<WantedRestriction, "kind" | "until">,
  {
    targets,
    ownerCount,
    restrictionCount,
    ...actorFacts
  }: RestrictionFacts & { ownerCount: () => number; restrictionCount: () => number },
): Result<RestrictionDecision> {
  const refusal = checkTargets(actorFacts, targets);
  if (refusal) return refusal;
  const { actor, role } = actorFacts;
  const [target] = targets;
  if (target?.user.key === actor.key) return { refused: "own_restriction" };
  const present = target?.present;
  const isShortened = kind === "ban" && present !== undefined && laterEnd(until, present.until) !== until;
  if (isShortened && !can(actor, role, "lift_bans")) return { refused: "not_allowed" };
  const ends = kind === "ban" ? target?.member : undefined;
  if (ends && isLastOwner(ends, ownerCount)) return { refused: "last_owner" };
  if (!present && restrictionCount() >= MAX_RESTRICTIONS_PER_ROOM)
    return { refused: "too_many_restrictions" };
  return { user: target?.user, ends, replaces: present !== undefined };
}

/** Decides whose restriction to lift; undefined when there is none. */
export function decideLift(
  kind: RestrictionKind,
  { targets, ...actorFacts }: RestrictionFacts,
): Result<User | undefined> {
  const change = checkChange(actorFacts);
  if (change) return change;
  if (kind === "ban" && !can(actorFacts.actor, actorFacts.role, "lift_bans"))
    return { refused: "not_allowed" };
  const refusal = checkTargets(actorFacts, targets);
  if (refusal) return refusal;
  const [target] = targets;
  return target?.present && target.user;
}

function checkTargets(facts: ActorFacts, targets: readonly RestrictionTarget[]): Refused | undefined {
  const refusal = checkChange(facts);
  if (refusal) return refusal;
  const isPlain = targets.every(({ member }) => isPlainMember(member?.role));
  if (!can(facts.actor, facts.role, isPlain ? "manage_members" : "manage_roles"))
    return { refused: "not_allowed" };
  if (targets.length <= 1) return undefined;
  return { refused: "ambiguous_email", details: { users: targets.flatMap(({ user }) => user.id ?? []) } };
}

export function restrictionAudit(
  by: Actor,
  user: User,
  { kind, until, reason, at }: WantedRestriction,
): AuditRecord {
  const action = kind === "ban" ? "banned" : "muted";
  return auditRecord(by, at, { action, user: snapshot(user), until, reason });
}

export function liftAudit(by: Actor, user: User, kind: RestrictionKind, at: number): AuditRecord {
  return auditRecord(by, at, {
    action: kind === "ban" ? "ban_lifted" : "mute_lifted",
    user: snapshot(user),
  });
}

/** The later of two ends. Null is no end. */
export function laterEnd(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b);
}
