import type { Refused } from "./errors.ts";
import type { Action, Actor, Posting, Restriction, Role } from "./model.ts";
import { can } from "./permissions.ts";

/** Who may write in a room, beside being a member. `at` is the time at which they ask. */

/** A mute as its user is told of it. `until` is null for a mute without an end. */
export type Mute = Pick<Restriction, "until">;

/** What a user is in a room. */
export interface Standing {
  /** Undefined for a user who is not a member. */
  role: Role | undefined;
  /** The mute of this user, which may be over. */
  mute: Mute | undefined;
}

/** Refuses to let a muted user write, and a member in a room that is read-only for members. */
export function refusePost(
  actor: Actor,
  standing: Standing,
  posting: Posting,
  at: number,
): Refused | undefined {
  const muted = refuseMuted(actor, standing, at);
  if (muted) return muted;
  const permission = posting === "members" ? "post" : "post_in_read_only_room";
  return can(actor, standing.role, permission) ? undefined : { refused: "read_only_room" };
}

/** Deleting and taking back a reaction are always allowed: they only take away what the user has written. */
export function refuseAmendment(
  action: Action,
  actor: Actor,
  standing: Standing,
  posting: Posting,
  at: number,
): Refused | undefined {
  if (action.type === "edit") return refusePost(actor, standing, posting, at);
  return action.type === "react" && action.on ? refuseMuted(actor, standing, at) : undefined;
}

function refuseMuted(actor: Actor, standing: Standing, at: number): Refused | undefined {
  const mute = muteOf(actor, standing, at);
  if (!mute) return undefined;
  const { until } = mute;
  return until === null
    ? { refused: "muted" }
    : { refused: "muted", details: { until: new Date(until).toISOString() } };
}

/** The mute that binds a user. */
export function muteOf(actor: Actor, { mute }: Standing, at: number): Mute | undefined {
  return actor.admin || !mute || isOver(mute, at) ? undefined : mute;
}

/** Refuses a message that follows the member's last one too soon for the room's slow mode, which is in seconds. */
export function refuseTooSoon(last: number | undefined, slowMode: number, at: number): Refused | undefined {
  if (last === undefined) return undefined;
  const intervalMs = slowMode * 1000;
  // A clock that was set back must not make anyone wait longer.
  const retryAfterMs = Math.min(intervalMs, last + intervalMs - at);
  return retryAfterMs > 0 ? { refused: "slow_mode", retryAfterMs } : undefined;
}

/** Whether a restriction has ended. */
export function isOver({ until }: { until: number | null }, at: number): boolean {
  return until !== null && until <= at;
}
