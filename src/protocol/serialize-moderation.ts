import type { AuditEntry, Restriction, RoomSettings } from "../chat/model.ts";
import type { RoomSettingsBody } from "./bodies.ts";
import type { AuditBody, RestrictionBody } from "./moderation-bodies.ts";
import { formatTime, userBody } from "./serialize.ts";

export function restrictionBody({ user, by, at, until, reason }: Restriction): RestrictionBody {
  return { user: userBody(user), by, at: formatTime(at), until: formatEnd(until), reason };
}

export function auditBody({ n, at, actor, ...action }: AuditEntry): AuditBody {
  return { n, at: formatTime(at), actor, ...actionBody(action) } as AuditBody;
}

function actionBody(action: Omit<AuditEntry, "n" | "at" | "actor">): object {
  if ("until" in action) return { ...action, until: formatEnd(action.until as number | null) };
  if ("changes" in action)
    return { ...action, changes: changesBody(action.changes as Partial<RoomSettings>) };
  return action;
}

function changesBody({ slowMode, ...changes }: Partial<RoomSettings>): Partial<RoomSettingsBody> {
  return slowMode === undefined ? changes : { ...changes, slow_mode: slowMode };
}

function formatEnd(until: number | null): string | null {
  return until === null ? null : formatTime(until);
}
