import { and, desc, eq, gt, lt, lte, max, sql } from "drizzle-orm";

import type { RestrictionKind, RoomKey, UserKey } from "../../chat/model.ts";
import { $, roomColumns, roomExists } from "./columns.ts";
import { compile } from "./compile.ts";
import type { Db } from "./open.ts";
import { roleIn } from "./role-in.ts";
import type { MembershipRow, StandingRow } from "./rows.ts";
import { audit, members, messages, restrictions, rooms, users } from "./schema.ts";

/** Messages among which the last one of a user who joins is looked for. */
const RECENT_MESSAGES = 1000;

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
  // Without the time: it follows the text, which SQLite would read.
  const newest = db
    .select({ sender: messages.sender, seq: messages.seq })
    .from(messages)
    .where(eq(messages.room, $("room")))
    .orderBy(desc(messages.seq))
    .limit(RECENT_MESSAGES)
    .as("newest");
  const ownEmail = db
    .select({ email: users.email })
    .from(users)
    .where(eq(users.pk, $("user")));
  const sameEmail = sql`SELECT pk FROM users WHERE email IS NOT NULL AND email = (${ownEmail})`;
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
    /** When the user last sent one of the room's newest messages. No row in rooms without a slow mode. */
    recentlySentAt: compile<{ room: RoomKey; user: UserKey }, [sentAt: number]>(
      db,
      db
        .select({ sentAt: messages.sentAt })
        .from(rooms)
        .innerJoin(
          messages,
          and(
            eq(messages.room, rooms.pk),
            eq(
              messages.seq,
              sql`(${db
                .select({ seq: max(newest.seq) })
                .from(newest)
                .where(eq(newest.sender, $("user")))})`,
            ),
          ),
        )
        .where(and(eq(rooms.pk, $("room")), gt(rooms.slowMode, 0))),
    ),
    /** The last end of the bans of a user, and of others who have presented the same email. */
    bannedUntil: compile<{ room: RoomKey; user: UserKey }, [until: number | null]>(
      db,
      db
        .select({ until: restrictions.until })
        .from(restrictions)
        .where(
          and(
            eq(restrictions.room, $("room")),
            sql`${restrictions.kind} = 'ban'`,
            sql`${restrictions.user} IN (SELECT ${$("user")} UNION ALL ${sameEmail})`,
          ),
        )
        .orderBy(sql`${restrictions.until} IS NOT NULL`, desc(restrictions.until))
        .limit(1),
    ),
    deleteRestriction: compile<{ room: RoomKey; user: UserKey; kind: RestrictionKind }>(
      db,
      db
        .delete(restrictions)
        .where(
          and(
            eq(restrictions.room, $("room")),
            eq(restrictions.kind, $("kind")),
            eq(restrictions.user, $("user")),
          ),
        ),
    ),
    openRooms: compile<{ user: UserKey; after: string; limit: number }, MembershipRow>(
      db,
      db
        .select({ ...roomColumns, role: roleIn(db, $("user")) })
        .from(rooms)
        .where(and(sql`${rooms.access} = 'open'`, roomExists, gt(rooms.id, $("after"))))
        .orderBy(rooms.id)
        .limit($("limit")),
    ),
    audit: compile<{ room: RoomKey; before: number; limit: number }, [n: number, entry: string]>(
      db,
      db
        .select({ n: audit.n, entry: audit.entry })
        .from(audit)
        .where(and(eq(audit.room, $("room")), lt(audit.n, $("before"))))
        .orderBy(desc(audit.n))
        .limit($("limit")),
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
