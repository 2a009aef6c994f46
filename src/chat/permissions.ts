import type { Actor, Member, Role } from "./model.ts";

/**
 * Who may do what in a room, by the role that he has in it. The store asks within the transaction of the work: a role
 * that was there a moment ago may be gone. What concerns messages is in amend.ts.
 */

/** Undefined, or null, when he is no member. */
type Own = Role | null | undefined;

/** Whether he may be there: hear it, and say something. */
export function mayEnter(actor: Actor, role: Own): boolean {
  return actor.admin || (role ?? null) !== null;
}

/** Whether he may rename it, delete it, and make and unmake owners and moderators. */
export function mayGovern(actor: Actor, role: Own): boolean {
  return actor.admin || role === "owner";
}

/** Whether he may give somebody who had the role `before` another one; `wanted` is undefined where none is named. */
export function mayGrant(actor: Actor, role: Own, before: Own, wanted: Role | undefined): boolean {
  if (mayGovern(actor, role)) return true;
  return role === "moderator" && (before ?? "member") === "member" && (wanted ?? "member") === "member";
}

/** Whether he may put a member out, perhaps himself; or, of one who is not there, hear that. */
export function mayRemove(actor: Actor, role: Own, member: Member | undefined): boolean {
  if (mayGovern(actor, role) || member?.user.key === actor.key) return true;
  return role === "moderator" && (member?.role ?? "member") === "member";
}
