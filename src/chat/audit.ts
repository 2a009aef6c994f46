import type { Actor, AuditEntry, ModerationAction, Role, User, UserSnapshot } from "./model.ts";
import { operator } from "./model.ts";

/** An entry that the store will number. */
export type AuditRecord = ModerationAction & Pick<AuditEntry, "at" | "actor">;

/** Entries of one room that are kept: the newest ones. */
export const MAX_AUDIT_ENTRIES = 10_000;

export function auditRecord(by: Actor, at: number, action: ModerationAction): AuditRecord {
  return { at, actor: snapshotOfActor(by), ...action };
}

/** Undefined for a role that has not changed. Adding a member without permissions over others is not moderation. */
export function grantAudit(
  by: Actor,
  at: number,
  { user, role, before }: { user: User; role: Role; before: Role | null },
): AuditRecord | undefined {
  if (role === before || (before === null && role === "member")) return undefined;
  return auditRecord(by, at, { action: "role_changed", user: snapshot(user), role, before });
}

/** Undefined for a user who leaves. */
export function removalAudit(by: Actor, at: number, user: User): AuditRecord | undefined {
  return user.key === by.key
    ? undefined
    : auditRecord(by, at, { action: "member_removed", user: snapshot(user) });
}

export function snapshot({ id, email, name }: User): UserSnapshot {
  return { id, email, name };
}

/** Null for the command line. */
export function snapshotOfActor(actor: Actor): UserSnapshot | null {
  return actor.key === operator.key ? null : snapshot(actor);
}
