import { type AuditRecord, MAX_AUDIT_ENTRIES } from "../../chat/audit.ts";
import type { AuditEntry, RoomKey } from "../../chat/model.ts";
import type { Queries } from "./queries.ts";

/** Adds an entry to a room's audit list, and removes the oldest one beyond the limit. */
export function addToAudit(
  { newestAudit, insertAudit, pruneAudit }: Pick<Queries, "newestAudit" | "insertAudit" | "pruneAudit">,
  room: RoomKey,
  record: AuditRecord,
): void {
  const n = (newestAudit.get({ room })?.[0] ?? 0) + 1;
  insertAudit.run({ room, n, entry: JSON.stringify(record) });
  pruneAudit.run({ room, n: n - MAX_AUDIT_ENTRIES });
}

/** Entries with a smaller number than `before`, newest first. */
export function readAudit(
  { audit }: Pick<Queries, "audit">,
  room: RoomKey,
  { before = 2 ** 53, limit }: { before: number | undefined; limit: number },
): AuditEntry[] {
  const rows = audit.all({ room, before, limit });
  return rows.map(([n, entry]) => Object.assign({ n }, JSON.parse(entry) as AuditRecord));
}
