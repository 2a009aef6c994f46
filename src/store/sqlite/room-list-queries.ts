import { and, count, desc, eq, gt, isNotNull, isNull, type SQL, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/sqlite-core";

import { roles, type RoomKey, type UserKey } from "../../chat/model.ts";
import { MAX_COUNTED_MENTIONS } from "../../chat/unread.ts";
import { $, messageColumns, roomColumns, roomExists, userColumns } from "./columns.ts";
import { compile } from "./compile.ts";
import { countMentions } from "./mention-queries.ts";
import type { Db } from "./open.ts";
import { otherIn } from "./role-in.ts";
import type { EntryRow, LastMessageRow, RoomRow, UserRow } from "./rows.ts";
import { members, messages, reads, rooms, users } from "./schema.ts";

/** The statements for room lists and read marks. */
export function prepareRoomListQueries(db: Db) {
  const newest = alias(messages, "newest");
  const read = sql`coalesce(${reads.seq}, 0)`;
  const selectEntries = db
    .select({
      key: rooms.pk,
      seq: rooms.seq,
      rev: rooms.rev,
      // Numbers only: each text of a row costs as much as finding the row.
      role: sql`CASE ${members.role} ${sql.raw(roles.map((role, index) => `WHEN '${role}' THEN ${index}`).join(" "))} END`,
      read,
      // Most rooms of a user are read to the end.
      deletedAfterRead: sql`iif(${reads.seq} = ${rooms.seq}, 0, (${countDeleted(db, sql`${rooms.pk}`, read)}))`,
      mentions: sql`iif(${reads.seq} = ${rooms.seq}, 0, ${countMentions(db, {
        user: sql`${members.user}`,
        room: sql`${rooms.pk}`,
        seq: read,
        limit: sql.raw(String(MAX_COUNTED_MENTIONS)),
      })})`,
      other: otherIn(db, sql`${members.user}`),
    })
    .from(members)
    .innerJoin(rooms, and(eq(rooms.pk, members.room), roomExists))
    .leftJoin(reads, and(eq(reads.room, members.room), eq(reads.user, members.user)));
  return {
    entries: compile<{ user: UserKey }, EntryRow>(db, selectEntries.where(eq(members.user, $("user")))),
    entry: compile<{ user: UserKey; room: RoomKey }, EntryRow>(
      db,
      selectEntries.where(and(eq(members.user, $("user")), eq(members.room, $("room")))),
    ),
    roomsByKey: compile<{ rooms: string }, RoomRow>(
      db,
      db
        .select(roomColumns)
        .from(sql`json_each(${$("rooms")})`)
        .innerJoin(rooms, eq(rooms.pk, sql`value`)),
    ),
    lastMessages: compile<{ rooms: string }, LastMessageRow>(
      db,
      db
        .select({ message: messageColumns, room: sql`value`, sender: userColumns })
        .from(sql`json_each(${$("rooms")})`)
        .innerJoin(
          messages,
          and(
            eq(messages.room, sql`value`),
            eq(
              messages.seq,
              sql`(${db
                .select({ seq: newest.seq })
                .from(newest)
                .where(and(eq(newest.room, sql`value`), isNull(newest.deletedAt)))
                .orderBy(desc(newest.seq))
                .limit(1)})`,
            ),
          ),
        )
        .innerJoin(users, eq(users.pk, messages.sender)),
    ),
    deletedAfter: compile<{ room: RoomKey; seq: number }, [count: number]>(
      db,
      countDeleted(db, sql`${$("room")}`, sql`${$("seq")}`),
    ),
    memberCount: compile<{ room: RoomKey; limit: number }, [count: number]>(
      db,
      db
        .select({
          n: sql`(${db
            .select({ n: count() })
            .from(
              db
                .select({ user: members.user })
                .from(members)
                .where(eq(members.room, rooms.pk))
                .limit($("limit"))
                .as("some"),
            )})`,
        })
        .from(rooms)
        .where(and(eq(rooms.pk, $("room")), roomExists)),
    ),
    readMarks: compile<{ room: RoomKey }, [...UserRow, seq: number]>(
      db,
      db
        .select({ ...userColumns, seq: sql`coalesce(${reads.seq}, 0)` })
        .from(members)
        .innerJoin(users, eq(users.pk, members.user))
        .leftJoin(reads, and(eq(reads.room, members.room), eq(reads.user, members.user)))
        .where(eq(members.room, $("room"))),
    ),
  };
}

/** Deleted messages after `seq`. */
function countDeleted(db: Db, room: SQL, seq: SQL) {
  const deleted = alias(messages, "deleted");
  return (
    db
      .select({ n: count() })
      // SQLite would choose the primary key, and read every message after `seq`.
      .from(sql`${messages} as ${deleted} indexed by messages_deleted`)
      .where(and(eq(deleted.room, room), gt(deleted.seq, seq), isNotNull(deleted.deletedAt)))
  );
}
