import { and, asc, desc, eq, gt, is, isNotNull, isNull, lt, lte, Param, Placeholder, sql } from "drizzle-orm";

import type { Message, Position, Reaction, Role, RoomKey, User, UserKey } from "../../chat/model.ts";
import type { Db } from "./open.ts";
import { emails, members, messages, reads, rooms, users } from "./schema.ts";

export const user = { key: users.pk, id: users.sub, email: users.email, name: users.name };
export const room = {
  key: rooms.pk,
  id: rooms.id,
  name: rooms.name,
  seq: rooms.seq,
  rev: rooms.rev,
  createdAt: rooms.createdAt,
};
const message = {
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

/** Not deleted. */
export const live = isNull(rooms.deletedAt);
const $ = sql.placeholder;

/** What a query says, and no more of it: its text, and its parameters by name. */
interface Query {
  toSQL(): { sql: string; params: unknown[] };
}

type Value = string | number | null;

/**
 * A query that Drizzle wrote and bun:sqlite runs: each row is an array, in the order of the selection. For the paths
 * that every message and connection takes, where Drizzle's mapping of rows would cost three times what SQLite does.
 */
function compile<Parameters, Row extends Value[] = never>(db: Db, query: Query) {
  const { sql: text, params } = query.toSQL();
  const statement = db.$client.prepare<Row, Value[]>(text);
  const slots = params.map((param) => {
    const value = is(param, Param) ? param.value : param;
    return is(value, Placeholder) ? (value.name as keyof Parameters) : { fixed: value as Value };
  });
  const bind = (values: Parameters) =>
    slots.map((slot) => (typeof slot === "object" ? slot.fixed : (values[slot] as Value)));
  return {
    all: (values: Parameters) => statement.values(...bind(values)) as Row[],
    get: (values: Parameters) => (statement.values(...bind(values)) as Row[])[0],
    run: (values: Parameters) => void statement.run(...bind(values)),
  };
}

type UserRow = [key: number, id: string | null, email: string | null, name: string | null];
type HeadRow = [seq: number, rev: number];
export type MessageRow = [
  seq: number,
  rev: number,
  sender: UserKey,
  text: string | null,
  sentAt: number,
  editedAt: number | null,
  deletedAt: number | null,
  replyTo: number | null,
  clientId: string | null,
  reactions: string | null,
];
export type CreatedRow = [...MessageRow, createdRev: number];
type MembershipRow = [
  key: number,
  id: string,
  name: string,
  seq: number,
  rev: number,
  createdAt: number,
  role: Role | null,
];

/** Every statement of the paths that messages and connections take, prepared once. */
export function prepare(db: Db) {
  const selectMessages = () => db.select(message).from(messages);
  const between = and(
    eq(messages.room, $("room")),
    gt(messages.seq, $("after")),
    lt(messages.seq, $("before")),
  );
  const selectUser = db.select(user).from(users);
  return {
    head: compile<{ room: RoomKey }, HeadRow>(
      db,
      db
        .select({ seq: rooms.seq, rev: rooms.rev })
        .from(rooms)
        .where(and(eq(rooms.pk, $("room")), live)),
    ),
    advance: compile<{ room: RoomKey } & Position>(
      db,
      db
        .update(rooms)
        .set({ seq: sql`${$("seq")}`, rev: sql`${$("rev")}` })
        .where(eq(rooms.pk, $("room"))),
    ),
    role: compile<{ room: RoomKey; user: UserKey }, [Role]>(
      db,
      db
        .select({ role: members.role })
        .from(members)
        .where(and(eq(members.room, $("room")), eq(members.user, $("user")))),
    ),
    repeated: compile<{ room: RoomKey; sender: UserKey; clientId: string }, HeadRow>(
      db,
      db
        .select({ seq: messages.seq, rev: messages.createdRev })
        .from(messages)
        .where(
          and(
            eq(messages.room, $("room")),
            eq(messages.sender, $("sender")),
            eq(messages.clientId, $("clientId")),
            // Names the partial index.
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
    amend: compile<{
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
    mark: compile<{ room: RoomKey; user: UserKey }, [seq: number]>(
      db,
      db
        .select({ seq: reads.seq })
        .from(reads)
        .where(and(eq(reads.room, $("room")), eq(reads.user, $("user")))),
    ),
    setMark: compile<{ room: RoomKey; user: UserKey; seq: number }>(
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
          ...room,
          // A join would cost ten times as much.
          role: sql`(${db
            .select({ role: members.role })
            .from(members)
            .where(and(eq(members.room, rooms.pk), eq(members.user, $("user"))))})`,
        })
        .from(rooms)
        .where(and(eq(rooms.id, $("id")), live)),
    ),
    userBySub: compile<{ sub: string }, UserRow>(db, selectUser.where(eq(users.sub, $("sub")))),
    userByKey: compile<{ key: UserKey }, UserRow>(db, selectUser.where(eq(users.pk, $("key")))),
    userByEmail: compile<{ email: string }, UserRow>(
      db,
      db
        .select(user)
        .from(emails)
        .innerJoin(users, eq(users.pk, emails.user))
        .where(eq(emails.email, $("email"))),
    ),
    newest: compile<Window, MessageRow>(
      db,
      selectMessages().where(between).orderBy(desc(messages.seq)).limit($("limit")),
    ),
    oldest: compile<Window, MessageRow>(
      db,
      selectMessages().where(between).orderBy(asc(messages.seq)).limit($("limit")),
    ),
    created: compile<Omit<Window, "before">, CreatedRow>(
      db,
      db
        .select({ ...message, createdRev: messages.createdRev })
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
    roster: compile<{ room: RoomKey }, [UserKey]>(
      db,
      db
        .select({ user: members.user })
        .from(members)
        .where(eq(members.room, $("room"))),
    ),
  };
}

export type Statements = ReturnType<typeof prepare>;

type Window = { room: RoomKey; after: number; before: number; limit: number };

export function toUser(row: UserRow | undefined): User | undefined {
  return row && { key: row[0], id: row[1], email: row[2], name: row[3] };
}

const none: readonly Reaction[] = [];

/** Messages with their senders, each of whom is looked up once. */
export function toMessages({ userByKey }: Statements, rows: readonly (MessageRow | CreatedRow)[]): Message[] {
  const senders = new Map<UserKey, User>();
  return rows.map((row) => {
    const [seq, rev, key, text, sentAt, editedAt, deletedAt, replyTo, clientId, stored] = row;
    let sender = senders.get(key);
    if (!sender) {
      sender = toUser(userByKey.get({ key })) ?? { key, id: null, email: null, name: null };
      senders.set(key, sender);
    }
    const reactions = stored === null ? none : (JSON.parse(stored) as Reaction[]);
    return { seq, rev, sender, text, sentAt, editedAt, deletedAt, replyTo, clientId, reactions };
  });
}
