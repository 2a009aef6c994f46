import { and, count, eq, isNull, notExists, sql } from "drizzle-orm";

import type { Role, RoomKey, UserKey } from "../../chat/model.ts";
import { $, userColumns } from "./columns.ts";
import { compile } from "./compile.ts";
import type { Db } from "./open.ts";
import type { UserRow } from "./rows.ts";
import { emails, members, reads, restrictions, rooms, users } from "./schema.ts";

/** The statements that add members, and release those who were only invited. A request may add a thousand. */
export function prepareMemberQueries(db: Db) {
  return {
    memberOf: compile<{ room: RoomKey; user: UserKey }, [role: Role, joinedAt: number]>(
      db,
      db
        .select({ role: members.role, joinedAt: members.joinedAt })
        .from(members)
        .where(and(eq(members.room, $("room")), eq(members.user, $("user")))),
    ),
    isDirect: compile<{ room: RoomKey }, [isDirect: number]>(
      db,
      db
        .select({ isDirect: sql`${rooms.direct} IS NOT NULL` })
        .from(rooms)
        .where(eq(rooms.pk, $("room"))),
    ),
    ownerCount: compile<{ room: RoomKey }, [count: number]>(
      db,
      db
        .select({ n: count() })
        .from(members)
        .where(and(eq(members.room, $("room")), sql`${members.role} = 'owner'`)),
    ),
    addMember: compile<{ room: RoomKey; user: UserKey; role: Role; joinedAt: number }>(
      db,
      db
        .insert(members)
        .values({ room: $("room"), user: $("user"), role: $("role"), joinedAt: $("joinedAt") }),
    ),
    /** Unlike `setReadMark`, moves a mark back, too. */
    resetReadMark: compile<{ room: RoomKey; user: UserKey; seq: number }>(
      db,
      db
        .insert(reads)
        .values({ room: $("room"), user: $("user"), seq: $("seq") })
        .onConflictDoUpdate({ target: [reads.room, reads.user], set: { seq: sql`excluded.seq` } }),
    ),
    freeUser: compile<object, [UserKey]>(
      db,
      db
        .select({ key: sql<UserKey>`${users.pk}` })
        // SQLite would search the index on `sub`, where every user who was invited by email stands under null.
        .from(sql`${users} indexed by users_free`)
        .where(and(isNull(users.sub), isNull(users.email)))
        .limit(1),
    ),
    /** A user who has never signed in, is not a member of any room, and is not banned or muted in any. */
    withdrawnUser: compile<{ user: UserKey }, [UserKey]>(
      db,
      db
        .select({ key: users.pk })
        .from(users)
        .where(
          and(
            eq(users.pk, $("user")),
            eq(users.signedIn, false),
            notExists(
              db
                .select({ room: members.room })
                .from(members)
                .where(eq(members.user, $("user"))),
            ),
            notExists(
              db
                .select({ room: restrictions.room })
                .from(restrictions)
                .where(eq(restrictions.user, $("user"))),
            ),
          ),
        ),
    ),
    insertUser: compile<{ sub: string | null; email: string | null }, UserRow>(
      db,
      db
        .insert(users)
        .values({ sub: $("sub"), email: $("email") })
        .returning(userColumns),
    ),
    reuseUser: compile<{ key: UserKey; sub: string | null; email: string | null }, UserRow>(
      db,
      db
        .update(users)
        .set({ sub: sql`${$("sub")}`, email: sql`${$("email")}` })
        .where(eq(users.pk, $("key")))
        .returning(userColumns),
    ),
    setEmailOwner: compile<{ email: string; user: UserKey }>(
      db,
      db
        .insert(emails)
        .values({ email: $("email"), user: $("user") })
        .onConflictDoUpdate({ target: emails.email, set: { user: sql`excluded.user_pk` } }),
    ),
  };
}
