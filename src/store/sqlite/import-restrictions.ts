import type { LeftOut } from "../../chat/archive.ts";
import type { RestrictionRecord } from "../../chat/transfer.ts";
import type { ImportContext, ImportedRoom } from "./import-context.ts";
import { same } from "./same-record.ts";
import type { Statements } from "./statements.ts";

/** A table of the temporary database: see staging.ts. `at` is the place of the record. */
export const RESTRICTIONS_TABLE = `restrictions (room INTEGER NOT NULL, user INTEGER NOT NULL, kind TEXT NOT NULL,
    imposed_at INTEGER NOT NULL, until INTEGER, reason TEXT, by TEXT, at TEXT NOT NULL, PRIMARY KEY (room, kind, user)) WITHOUT ROWID`;

/** Keeps a ban or a mute for later. `room` and `user` are keys of the temporary database. */
export function stageRestriction(
  statements: Statements,
  at: string,
  { type, room, at: imposedAt, until, reason, by }: RestrictionRecord,
  keys: { room: number; user: number },
): LeftOut | undefined {
  const row = [imposedAt, until, reason, by && JSON.stringify(by)];
  const added = statements.run(
    "INSERT OR IGNORE INTO staging.restrictions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    keys.room,
    keys.user,
    type,
    ...row,
    at,
  );
  if (added > 0) return undefined;
  const before = statements.all(
    "SELECT imposed_at, until, reason, by FROM staging.restrictions WHERE room = ? AND kind = ? AND user = ?",
    keys.room,
    type,
    keys.user,
  )[0];
  return same(row, before, `A user of ${room} has two different ${type === "ban" ? "bans" : "mutes"}.`);
}

/** Members of the room with the role `member`: a ban would have to end their membership. */
const IS_MEMBER =
  "EXISTS (SELECT 1 FROM main.members m WHERE m.room_pk = ?1 AND m.user_pk = u.user_pk AND m.role = 'member')";

/** Adds the bans and mutes of a room that are not there yet. To be called after its members were added. */
export function importRestrictions(
  { statements, counts, skipped }: ImportContext,
  { pk, key }: ImportedRoom,
): void {
  const count = counts["bans and mutes"];
  const from = "FROM staging.restrictions r JOIN staging.users u ON u.pk = r.user WHERE r.room = ?2 + 0";
  const [listed = 0, ofMembers = 0] =
    statements.all<[number, number]>(
      `SELECT count(*), coalesce(sum(r.kind = 'ban' AND ${IS_MEMBER}), 0) ${from}`,
      key,
      pk,
    )[0] ?? [];
  for (let left = ofMembers; left > 0; left--) skipped("bans of members");
  if (listed === ofMembers) return;
  const added = statements.run(
    `INSERT OR IGNORE INTO main.restrictions (room_pk, user_pk, kind, at, until, reason, by)
      SELECT ?1, u.user_pk, r.kind, r.imposed_at, r.until, r.reason, r.by ${from} AND NOT (r.kind = 'ban' AND ${IS_MEMBER})`,
    key,
    pk,
  );
  count.added += added;
  count.known += listed - ofMembers - added;
}
