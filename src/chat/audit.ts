import type { Actor, AuditEntry, ModerationAction, User, UserSnapshot } from "./model.ts";
import { operator } from "./model.ts";

/** An entry that the store will number. */
export type AuditRecord = ModerationAction & Pick<AuditEntry, "at" | "actor">;

/** Entries of one room that are kept: the newest ones. */
export const MAX_AUDIT_ENTRIES = 10_000;

export function auditRecord(by: Actor, at: number, action: ModerationAction): AuditRecord {
  return { at, actor: snapshotOfActor(by), ...action };
}

export function snapshot({ id, email, name }: User): UserSnapshot {
  return { id, email, name };
}

/** Null for the command line. */
export function snapshotOfActor(actor: Actor): UserSnapshot | null {
  return actor.key === operator.key ? null : snapshot(actor);
}
