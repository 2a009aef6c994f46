import { and, desc, eq, lte, sql } from "drizzle-orm";

import type { RoomKey, UserKey } from "../../chat/model.ts";
import { $, roomExists } from "./columns.ts";
import { compile } from "./compile.ts";
import type { Db } from "./open.ts";
import { roleIn } from "./role-in.ts";
import type { StandingRow } from "./rows.ts";
import { audit, members, restrictions, rooms } from "./schema.ts";

/** The statements for what members may do at the moment, and for the audit list. */
export function prepareModerationQueries(db: Db) {
  const mutedUntil = db
    .select({ until: sql`coalesce(${restrictions.until}, -1)` })
    .from(restrictions)
    .where(
      and(
        eq(restrictions.room, rooms.pk),
        sql`${restrictions.kind} = 'mute'`,
        eq(restrictions.user, $("user")),
      ),
    );
  const membership = and(eq(members.room, $("room")), eq(members.user, $("user")));
  return {
    standing: compile<{ room: RoomKey; user: UserKey }, StandingRow>(
      db,
      db
        .select({ role: roleIn(db, $("user")), mutedUntil: sql`(${mutedUntil})` })
        .from(rooms)
        .where(and(eq(rooms.pk, $("room")), roomExists)),
    ),
    lastSentAt: compile<{ room: RoomKey; user: UserKey }, [sentAt: number | null]>(
      db,
      db.select({ sentAt: members.sentAt }).from(members).where(membership),
    ),
    setLastSentAt: compile<{ room: RoomKey; user: UserKey; sentAt: number }>(
      db,
      db
        .update(members)
        .set({ sentAt: sql`${$("sentAt")}` })
        .where(membership),
    ),
    newestAudit: compile<{ room: RoomKey }, [n: number]>(
      db,
      db
        .select({ n: audit.n })
        .from(audit)
        .where(eq(audit.room, $("room")))
        .orderBy(desc(audit.n))
        .limit(1),
    ),
    insertAudit: compile<{ room: RoomKey; n: number; entry: string }>(
      db,
      db.insert(audit).values({ room: $("room"), n: $("n"), entry: $("entry") }),
    ),
    pruneAudit: compile<{ room: RoomKey; n: number }>(
      db,
      db.delete(audit).where(and(eq(audit.room, $("room")), lte(audit.n, $("n")))),
    ),
  };
}
