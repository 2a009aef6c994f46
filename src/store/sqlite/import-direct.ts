import { directKey } from "../../chat/decide-direct.ts";
import type { UserKey } from "../../chat/model.ts";
import type { ImportContext, ImportedRoom } from "./import-context.ts";

/**
 * Makes a new room a direct conversation, if the file says that it is one of these two users. If they have one already, it stays a
 * plain room. Of what the file has for a conversation, other members, roles, bans and mutes are left out.
 */
export function importDirect(
  { statements, skipped }: ImportContext,
  { pk, key, known }: ImportedRoom,
  [one, other]: readonly [UserKey | null, UserKey | null],
): void {
  if (!known && one !== null && other !== null) {
    const direct = directKey(one, other);
    const present = statements.all(
      "SELECT 1 FROM main.rooms WHERE direct = ? AND deleted_at IS NULL",
      direct,
    );
    if (one === other || present.length > 0) {
      skipped("direct conversations that became plain rooms");
      return;
    }
    statements.run("UPDATE main.rooms SET direct = ? WHERE pk = ?", direct, key);
  }
  const [direct] =
    statements.all<[string | null]>("SELECT direct FROM main.rooms WHERE pk = ?", key)[0] ?? [];
  if (direct === null || direct === undefined) return;
  const users = direct.split(":").map(Number);
  let left = statements.run("DELETE FROM staging.restrictions WHERE room = ?", pk);
  left += statements.run(
    `DELETE FROM staging.members WHERE room = ? + 0
      AND (role <> 'member' OR user NOT IN (SELECT pk FROM staging.users WHERE user_pk IN (?, ?)))`,
    pk,
    ...users,
  );
  for (; left > 0; left--) skipped("members, roles, bans and mutes of direct conversations");
  // Both are members, whatever the file says of them.
  for (const user of known ? [] : users)
    statements.run(
      `INSERT OR IGNORE INTO staging.members (room, user, role, joined_at, at)
        SELECT r.pk, u.pk, 'member', r.created_at, r.at FROM staging.rooms r, staging.users u WHERE r.pk = ? AND u.user_pk = ?
        LIMIT 1`,
      pk,
      user,
    );
}
