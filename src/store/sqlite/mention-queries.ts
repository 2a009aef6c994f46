import { and, count, eq, gt, gte, isNotNull, lt, type SQL, sql } from "drizzle-orm";

import { MAX_MENTIONS } from "../../chat/mentions.ts";
import type { RoomKey, UserKey } from "../../chat/model.ts";
import { EVERYONE } from "../../chat/room-mentions.ts";
import { $ } from "./columns.ts";
import { compile } from "./compile.ts";
import type { Db } from "./open.ts";
import { members, mentions, users } from "./schema.ts";

/** Users of one name, or one email, among whom the members of a room are looked for: many guests may have the same. */
const MAX_NAMESAKES = 1000;

/** The statements for mentions. Those that find members read no list of a room's members, however many there are. */
export function prepareMentionQueries(db: Db) {
  const ofMessage = and(eq(mentions.room, $("room")), eq(mentions.seq, $("seq")));
  return {
    nameBeginning: compile<{ key: string }, [UserKey]>(
      db,
      db
        .select({ key: users.pk })
        .from(users)
        // The last code point of Unicode is no character.
        .where(
          and(
            gte(users.nameKey, $("key")),
            lt(users.nameKey, sql`${$("key")} || char(0x10ffff)`),
            isNotNull(users.nameKey),
          ),
        )
        .limit(1),
    ),
    membersByName: compile<{ room: RoomKey; name: string }, [UserKey, id: string | null]>(
      db,
      // "is not null", so that SQLite uses the partial index.
      selectMembers(db, and(eq(users.nameKey, $("name")), isNotNull(users.nameKey))),
    ),
    membersByEmail: compile<{ room: RoomKey; email: string }, [UserKey, id: string | null]>(
      db,
      selectMembers(db, and(eq(users.email, $("email")), isNotNull(users.email))),
    ),
    mentionedIn: compile<{ room: RoomKey; seq: number }, [UserKey]>(
      db,
      db.select({ user: mentions.user }).from(mentions).where(ofMessage),
    ),
    mentionsAfter: compile<{ room: RoomKey; seq: number; user: UserKey; limit: number }, [count: number]>(
      db,
      db
        .select({
          n: countMentions(db, {
            user: sql`${$("user")}`,
            room: sql`${$("room")}`,
            seq: sql`${$("seq")}`,
            limit: sql`${$("limit")}`,
          }),
        })
        .from(sql`(SELECT 1) AS one_row`),
    ),
    addMentions: compile<{ room: RoomKey; seq: number; users: string }>(
      db,
      db.insert(mentions).select(sql`SELECT value, ${$("room")}, ${$("seq")} FROM json_each(${$("users")})`),
    ),
    forgetMentions: compile<{ room: RoomKey; seq: number }>(db, db.delete(mentions).where(ofMessage)),
    purgeMentions: compile<{ room: RoomKey; limit: number }>(
      db,
      db.delete(mentions).where(
        sql`(user_pk, room_pk, seq) IN ${db
          .select({ user: mentions.user, room: mentions.room, seq: mentions.seq })
          .from(mentions)
          .where(eq(mentions.room, $("room")))
          .limit($("limit"))}`,
      ),
    ),
  };
}

/** Members of a room among some users. Of the others, only an index is read: they may be many. */
function selectMembers(db: Db, condition: SQL | undefined) {
  const meant = db
    .select({ key: sql<UserKey>`${users.pk}`.as("meant_pk") })
    .from(users)
    .where(condition)
    .limit(MAX_NAMESAKES)
    .as("meant");
  const isMember = sql`EXISTS ${db
    .select({ one: sql`1` })
    .from(members)
    .where(and(eq(members.room, $("room")), eq(members.user, meant.key)))}`;
  const id = db.select({ id: users.sub }).from(users).where(eq(users.pk, meant.key));
  return db
    .select({ key: meant.key, id: sql<string | null>`${id}` })
    .from(meant)
    .where(isMember)
    .limit(MAX_MENTIONS);
}

/** Messages after `seq` that mention the user or everyone: each up to `limit`. */
export function countMentions(db: Db, of: { user: SQL; room: SQL; seq: SQL; limit: SQL }): SQL {
  const counted = (user: SQL) => {
    const some = db
      .select({ seq: mentions.seq })
      .from(mentions)
      .where(and(eq(mentions.user, user), eq(mentions.room, of.room), gt(mentions.seq, of.seq)))
      .limit(of.limit as never)
      .as("some");
    return sql`${db.select({ n: count() }).from(some)}`;
  };
  return sql`${counted(of.user)} + ${counted(sql.raw(String(EVERYONE)))}`;
}
