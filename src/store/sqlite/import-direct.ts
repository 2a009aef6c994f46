import { directKey } from "../../chat/decide-direct.ts";
import type { UserKey } from "../../chat/model.ts";
import type { ImportContext, ImportedRoom } from "./import-context.ts";

/** Members and restrictions of the file that a direct conversation may not have. `?3` and `?4` are its two users. */
const UNFIT = `SELECT
  (SELECT count(*) FROM staging.members m JOIN staging.users u ON u.pk = m.user
    WHERE m.room = ?1 + 0 AND (m.role <> 'member' OR u.user_pk NOT IN (?2, ?3)))
  + (SELECT count(*) FROM staging.restrictions WHERE room = ?1 + 0)`;

/**
 * Makes a new room a direct conversation, if the file says that it is one of these two users. If they have one already, it stays a
 * plain room. Returns false when the room is refused, since its members would be others.
 */
export function importDirect(
  { statements, refuse, skipped }: ImportContext,
  { pk, id, at, key, known }: ImportedRoom,
  [one, other]: readonly [UserKey | null, UserKey | null],
): boolean {
  const [present] =
    statements.all<[string | null]>("SELECT direct FROM main.rooms WHERE pk = ?", key)[0] ?? [];
  const isDescribed = !known && one !== null && other !== null;
  const wanted = isDescribed ? directKey(one, other) : present;
  if (wanted === null || wanted === undefined) return true;
  const [unfit = 0] = statements.all<[number]>(UNFIT, pk, ...wanted.split(":").map(Number))[0] ?? [];
  if (unfit > 0) {
    refuse(
      at,
      `The members of the direct conversation ${id} are its two users, without roles, bans and mutes.`,
    );
    return false;
  }
  if (!isDescribed) return true;
  const isTaken = statements.all("SELECT 1 FROM main.rooms WHERE direct = ? AND deleted_at IS NULL", wanted);
  if (one === other || isTaken.length > 0) {
    skipped("direct conversations that became plain rooms");
    return true;
  }
  statements.run("UPDATE main.rooms SET direct = ? WHERE pk = ?", wanted, key);
  // Both are members, whatever the file says of them.
  for (const user of [one, other])
    statements.run(
      `INSERT OR IGNORE INTO staging.members (room, user, role, joined_at, at)
        SELECT r.pk, u.pk, 'member', r.created_at, r.at FROM staging.rooms r, staging.users u WHERE r.pk = ? AND u.user_pk = ?
        LIMIT 1`,
      pk,
      user,
    );
  return true;
}
