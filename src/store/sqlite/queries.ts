import { and, asc, desc, eq, gt, isNotNull, lt, lte, sql } from "drizzle-orm";

import type { Position, Role, RoomKey, UserKey } from "../../chat/model.ts";
import { $, messageColumns, roomColumns, roomExists, userColumns } from "./columns.ts";
import { compile } from "./compile.ts";
import { prepareMemberQueries } from "./member-queries.ts";
import { prepareMentionQueries } from "./mention-queries.ts";
import { prepareModerationQueries } from "./moderation-queries.ts";
import type { Db } from "./open.ts";
import { otherIn, roleIn } from "./role-in.ts";
import { prepareRoomListQueries } from "./room-list-queries.ts";
import type { CreatedRow, EntranceRow, HeadRow, MessageRow, SentRow, UserRow } from "./rows.ts";
import { emails, members, messages, reads, rooms, users } from "./schema.ts";

/** The statements that run for every message or connection, prepared once. */
export function prepareQueries(db: Db) {
  const selectMessages = () => db.select(messageColumns).from(messages);
  const between = and(
    eq(messages.room, $("room")),
    gt(messages.seq, $("after")),
    lt(messages.seq, $("before")),
  );
  const selectUser = db.select(userColumns).from(users);
  return {
    head: compile<{ room: RoomKey }, HeadRow>(
      db,
      db
        .select({
          seq: rooms.seq,
          rev: rooms.rev,
          // A number: a text costs more.
          isReadOnly: sql`${rooms.posting} = 'moderators'`,
          slowMode: rooms.slowMode,
        })
        .from(rooms)
        .where(and(eq(rooms.pk, $("room")), roomExists)),
    ),
    advance: compile<{ room: RoomKey } & Position>(
      db,
      db
        .update(rooms)
        .set({ seq: sql`${$("seq")}`, rev: sql`${$("rev")}` })
        .where(eq(rooms.pk, $("room"))),
    ),
    role: compile<{ room: RoomKey; user: UserKey }, [Role | null]>(
      db,
      db
        .select({ role: roleIn(db, $("user")) })
        .from(rooms)
        .where(and(eq(rooms.pk, $("room")), roomExists)),
    ),
    sentAs: compile<{ room: RoomKey; sender: UserKey; clientId: string }, SentRow>(
      db,
      db
        .select({
          seq: messages.seq,
          rev: messages.createdRev,
          text: messages.text,
          replyTo: messages.replyTo,
          editedAt: messages.editedAt,
          meta: messages.meta,
        })
        .from(messages)
        .where(
          and(
            eq(messages.room, $("room")),
            eq(messages.sender, $("sender")),
            eq(messages.clientId, $("clientId")),
            // Without it SQLite does not use the partial index.
            isNotNull(messages.clientId),
          ),
        ),
    ),
    insert: compile<{
      room: RoomKey;
      seq: number;
      rev: number;
      sender: UserKey;
      text: string;
      sentAt: number;
      replyTo: number | null;
      clientId: string | null;
      meta: string | null;
      mentions: string | null;
    }>(
      db,
      db.insert(messages).values({
        room: $("room"),
        seq: $("seq"),
        createdRev: $("rev"),
        sender: $("sender"),
        text: $("text"),
        sentAt: $("sentAt"),
        replyTo: $("replyTo"),
        clientId: $("clientId"),
        meta: $("meta"),
        mentions: $("mentions"),
      }),
    ),
    message: compile<{ room: RoomKey; seq: number }, MessageRow>(
      db,
      selectMessages().where(and(eq(messages.room, $("room")), eq(messages.seq, $("seq")))),
    ),
    update: compile<{
      room: RoomKey;
      seq: number;
      rev: number;
      text: string | null;
      meta: string | null;
      mentions: string | null;
      editedAt: number | null;
      deletedAt: number | null;
      reactions: string | null;
    }>(
      db,
      db
        .update(messages)
        .set({
          changedRev: sql`${$("rev")}`,
          text: sql`${$("text")}`,
          meta: sql`${$("meta")}`,
          mentions: sql`${$("mentions")}`,
          editedAt: sql`${$("editedAt")}`,
          deletedAt: sql`${$("deletedAt")}`,
          reactions: sql`${$("reactions")}`,
        })
        .where(and(eq(messages.room, $("room")), eq(messages.seq, $("seq")))),
    ),
    readMark: compile<{ room: RoomKey; user: UserKey }, [seq: number]>(
      db,
      db
        .select({ seq: reads.seq })
        .from(reads)
        .where(and(eq(reads.room, $("room")), eq(reads.user, $("user")))),
    ),
    setReadMark: compile<{ room: RoomKey; user: UserKey; seq: number }>(
      db,
      db
        .insert(reads)
        .values({ room: $("room"), user: $("user"), seq: $("seq") })
        .onConflictDoUpdate({ target: [reads.room, reads.user], set: { seq: sql`max(seq, excluded.seq)` } }),
    ),
    membership: compile<{ id: string; user: UserKey }, EntranceRow>(
      db,
      db
        .select({
          ...roomColumns,
          role: roleIn(db, $("user")),
          other: otherIn(db, $("user")),
        })
        .from(rooms)
        .where(and(eq(rooms.id, $("id")), roomExists)),
    ),
    ...prepareRoomListQueries(db),
    ...prepareMentionQueries(db),
    ...prepareMemberQueries(db),
    ...prepareModerationQueries(db),
    userBySub: compile<{ sub: string }, UserRow>(db, selectUser.where(eq(users.sub, $("sub")))),
    signedInUser: compile<{ sub: string }, [...UserRow, emailOwner: UserKey | null]>(
      db,
      db
        .select({
          ...userColumns,
          emailOwner: sql`(${db
            .select({ user: emails.user })
            .from(emails)
            .where(eq(emails.email, users.email))})`,
        })
        .from(users)
        .where(and(eq(users.sub, $("sub")), eq(users.signedIn, true))),
    ),
    userByKey: compile<{ key: UserKey }, UserRow>(db, selectUser.where(eq(users.pk, $("key")))),
    usersByKey: compile<{ keys: string }, UserRow>(
      db,
      db
        .select(userColumns)
        .from(sql`json_each(${$("keys")})`)
        .innerJoin(users, eq(users.pk, sql`value`)),
    ),
    emailOwner: compile<{ email: string }, UserRow>(
      db,
      db
        .select(userColumns)
        .from(emails)
        .innerJoin(users, eq(users.pk, emails.user))
        .where(eq(emails.email, $("email"))),
    ),
    newest: compile<SeqRange, MessageRow>(
      db,
      selectMessages().where(between).orderBy(desc(messages.seq)).limit($("limit")),
    ),
    oldest: compile<SeqRange, MessageRow>(
      db,
      selectMessages().where(between).orderBy(asc(messages.seq)).limit($("limit")),
    ),
    created: compile<Omit<SeqRange, "before">, CreatedRow>(
      db,
      db
        .select({ ...messageColumns, createdRev: messages.createdRev })
        .from(messages)
        .where(and(eq(messages.room, $("room")), gt(messages.seq, $("after"))))
        .orderBy(asc(messages.seq))
        .limit($("limit")),
    ),
    changed: compile<{ room: RoomKey; rev: number; upTo: number; limit: number }, MessageRow>(
      db,
      selectMessages()
        .where(
          and(
            eq(messages.room, $("room")),
            gt(messages.changedRev, $("rev")),
            lte(messages.changedRev, $("upTo")),
            isNotNull(messages.changedRev),
          ),
        )
        .orderBy(asc(messages.changedRev))
        .limit($("limit")),
    ),
    createdRev: compile<{ room: RoomKey; seq: number }, [rev: number]>(
      db,
      db
        .select({ rev: messages.createdRev })
        .from(messages)
        .where(and(eq(messages.room, $("room")), eq(messages.seq, $("seq")))),
    ),
    memberKeys: compile<{ room: RoomKey }, [UserKey]>(
      db,
      db
        .select({ user: members.user })
        .from(members)
        .where(eq(members.room, $("room"))),
    ),
  };
}

export type Queries = ReturnType<typeof prepareQueries>;

/** `after` and `before` are exclusive. */
type SeqRange = { room: RoomKey; after: number; before: number; limit: number };
