import type { AuditEntry, Restriction, RoomSettings } from "../chat/model.ts";
import type { RoomSettingsBody } from "./bodies.ts";
import type { AuditBody, RestrictionBody } from "./moderation-bodies.ts";
import { formatTime, userBody } from "./serialize.ts";

export function restrictionBody({ user, by, at, until, reason }: Restriction): RestrictionBody {
  return { user: userBody(user), by, at: formatTime(at), until: formatEnd(until), reason };
}

export function auditBody(entry: AuditEntry): AuditBody {
  const at = formatTime(entry.at);
  if ("until" in entry) return { ...entry, at, until: formatEnd(entry.until) };
  if ("changes" in entry) return { ...entry, at, changes: changesBody(entry.changes) };
  return { ...entry, at };
}

function changesBody({ slowMode, ...changes }: Partial<RoomSettings>): Partial<RoomSettingsBody> {
  return slowMode === undefined ? changes : { ...changes, slow_mode: slowMode };
}

function formatEnd(until: number | null): string | null {
  return until === null ? null : formatTime(until);
}
