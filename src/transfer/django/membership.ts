import type { Role } from "../../chat/model.ts";
import type { DumpRecord } from "./dump.ts";
import type { MemberMapping } from "./mapping.ts";

const ACTIVE_STATUS = /^(active|accepted|approved|confirmed|joined|member)$/i;
const OWNER_ROLE = /owner|creator/i;
const MODERATOR_ROLE = /admin|moderator/i;

/** Why a record does not make its user a member: a reason for the counts, or null. */
export function whyNoMember({ fields }: DumpRecord, mapping: MemberMapping): string | null {
  const ended =
    mapping.endTimes.some((name) => (fields[name] ?? null) !== null) ||
    mapping.endWhenTrue.some((name) => fields[name] === true) ||
    mapping.endWhenFalse.some((name) => fields[name] === false);
  if (ended) return "memberships that have ended or were not accepted";
  const status = mapping.status === null ? null : fields[mapping.status];
  if (typeof status !== "string" || status === "" || ACTIVE_STATUS.test(status)) return null;
  return `memberships with the status ${JSON.stringify(status)}`;
}

/** The role that a record gives its user, or null if it says nothing of one. */
export function roleOf({ fields }: DumpRecord, { role, isOwner, isModerator }: MemberMapping): Role | null {
  const value = role === null ? null : fields[role];
  const name = typeof value === "string" ? value : "";
  if ((isOwner !== null && fields[isOwner] === true) || OWNER_ROLE.test(name)) return "owner";
  if ((isModerator !== null && fields[isModerator] === true) || MODERATOR_ROLE.test(name)) return "moderator";
  return null;
}
