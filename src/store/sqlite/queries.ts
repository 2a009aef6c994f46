import { and, asc, count, desc, eq, gt, isNotNull, isNull, lt, lte, type SQL, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/sqlite-core";

import type { Position, Role, RoomKey, UserKey } from "../../chat/model.ts";
import { compile } from "./compile.ts";
import type { Db } from "./open.ts";
import type {
  CreatedRow,
  EntryRow,
  HeadRow,
  LastMessageRow,
  MembershipRow,
  MessageRow,
  SentRow,
  UserRow,
} from "./rows.ts";
import { emails, members, messages, reads, rooms, users } from "./schema.ts";

export const userColumns = { key: users.pk, id: users.sub, email: users.email, name: users.name };
export const roomColumns = {
  key: rooms.pk,
  id: rooms.id,
  name: rooms.name,
  seq: rooms.seq,
  rev: rooms.rev,
  createdAt: rooms.createdAt,
};
const messageColumns = {
  seq: messages.seq,
  rev: sql<number>`coalesce(${messages.changedRev}, ${messages.createdRev})`,
  sender: messages.sender,
  text: messages.text,
  sentAt: messages.sentAt,
  editedAt: messages.editedAt,
  deletedAt: messages.deletedAt,
  replyTo: messages.replyTo,
  clientId: messages.clientId,
  reactions: messages.reactions,
};

export const roomExists = isNull(rooms.deletedAt);
/** A named parameter. */
const $ = sql.placeholder;

/** The statements that run for every message or connection, prepared once. */
export function prepareQueries(db: Db) {
  const selectMessages = () => db.select(messageColumns).from(messages);
  const between = and(
    eq(messages.room, $("room")),
    gt(messages.seq, $("after")),
    lt(messages.seq, $("before")),
  );
  const selectUser = db.select(userColumns).from(users);
  const newest = alias(messages, "newest");
  const read = sql`coalesce(${reads.seq}, 0)`;
  const selectEntries = db
    .select({
      ...roomColumns,
      role: members.role,
      read,
      deletedAfterRead: sql`(${countDeleted(db, sql`${rooms.pk}`, read)})`,
    })
    .from(members)
    .innerJoin(rooms, and(eq(rooms.pk, members.room), roomExists))
    .leftJoin(reads, and(eq(reads.room, members.room), eq(reads.user, members.user)));
  return {
    head: compile<{ room: RoomKey }, HeadRow>(
      db,
      db
        .select({ seq: rooms.seq, rev: rooms.rev })
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
        .select({ role: roleIn(db) })
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
    membership: compile<{ id: string; user: UserKey }, MembershipRow>(
      db,
      db
        .select({
          ...roomColumns,
          role: roleIn(db),
        })
        .from(rooms)
        .where(and(eq(rooms.id, $("id")), roomExists)),
    ),
    entries: compile<{ user: UserKey }, EntryRow>(db, selectEntries.where(eq(members.user, $("user")))),
    entry: compile<{ user: UserKey; room: RoomKey }, EntryRow>(
      db,
      selectEntries.where(and(eq(members.user, $("user")), eq(members.room, $("room")))),
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

/** A subquery for the user's role in the room of the row. A join costs ten times as much. */
function roleIn(db: Db) {
  const query = db
    .select({ role: members.role })
    .from(members)
    .where(and(eq(members.room, rooms.pk), eq(members.user, $("user"))));
  return sql`(${query})`;
}

export type Queries = ReturnType<typeof prepareQueries>;

/** `after` and `before` are exclusive. */
type SeqRange = { room: RoomKey; after: number; before: number; limit: number };
