import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

import { accesses, postings, restrictionKinds, roles } from "../../chat/model.ts";

// Times are milliseconds since the epoch. A `pk` is internal and never leaves the server; an `id` is what clients see.
// drizzle-kit cannot express STRICT and WITHOUT ROWID, so they were added to the first migration by hand.

export const rooms = sqliteTable(
  "rooms",
  {
    pk: integer().primaryKey({ autoIncrement: true }),
    id: text().notNull(),
    name: text().notNull(),
    access: text({ enum: accesses }).notNull().default("members"),
    posting: text({ enum: postings }).notNull().default("members"),
    /** Seconds between two messages of one member; 0 is off. */
    slowMode: integer("slow_mode").notNull().default(0),
    /** The number of the newest message. */
    seq: integer().notNull().default(0),
    /** The change counter. */
    rev: integer().notNull().default(0),
    /** For a direct conversation: the `pk`s of its two users, the smaller one first, as `1:2`. */
    direct: text(),
    createdBy: integer("created_by").references(() => users.pk),
    createdAt: integer("created_at").notNull(),
    /** A deleted room is gone at once; its rows are purged step by step. */
    deletedAt: integer("deleted_at"),
  },
  (table) => [
    uniqueIndex("rooms_id")
      .on(table.id)
      .where(sql`deleted_at IS NULL`),
    index("rooms_created_by")
      .on(table.createdBy)
      .where(sql`deleted_at IS NULL`),
    index("rooms_deleted")
      .on(table.deletedAt)
      .where(sql`deleted_at IS NOT NULL`),
    index("rooms_open")
      .on(table.id)
      .where(sql`access = 'open' AND deleted_at IS NULL`),
    uniqueIndex("rooms_direct")
      .on(table.direct)
      .where(sql`direct IS NOT NULL AND deleted_at IS NULL`),
  ],
);

export const users = sqliteTable(
  "users",
  {
    pk: integer().primaryKey({ autoIncrement: true }),
    /** Null until a user who was invited by email signs in. */
    sub: text().unique(),
    /** The email that the user is shown with: the last verified one that they presented. Two users may have the same. */
    email: text(),
    name: text(),
    /** The name as mentions are matched with it. Null without a name, and until it is derived from one. */
    nameKey: text("name_key"),
    /** False for a user who has only been invited so far. Once they have no invitation left, their row is reused. */
    signedIn: integer("signed_in", { mode: "boolean" }).notNull().default(false),
  },
  (table) => [
    index("users_free")
      .on(table.pk)
      .where(sql`sub IS NULL AND email IS NULL`),
    index("users_email")
      .on(table.email)
      .where(sql`email IS NOT NULL`),
    index("users_name_key")
      .on(table.nameKey)
      .where(sql`name_key IS NOT NULL`),
    index("users_without_name_key")
      .on(table.pk)
      .where(sql`name IS NOT NULL AND name_key IS NULL`),
  ],
);

/** Owner of an email: the user who last presented it, verified, or before that the user who was invited by it. */
export const emails = sqliteTable(
  "emails",
  {
    email: text().primaryKey(),
    user: integer("user_pk")
      .notNull()
      .references(() => users.pk),
  },
  (table) => [index("emails_user").on(table.user)],
);

export const members = sqliteTable(
  "members",
  {
    room: integer("room_pk")
      .notNull()
      .references(() => rooms.pk),
    user: integer("user_pk")
      .notNull()
      .references(() => users.pk),
    role: text({ enum: roles }).notNull(),
    joinedAt: integer("joined_at").notNull(),
    /** When they last sent a message; only written in rooms with slow mode. */
    sentAt: integer("sent_at"),
  },
  (table) => [
    primaryKey({ columns: [table.room, table.user] }),
    // Has all columns that a user's room list needs: their rows in the table are far apart.
    index("members_user").on(table.user, table.room, table.role),
    // Members are listed by role, and owners are counted.
    index("members_role").on(table.room, table.role, table.user),
  ],
);

/** Bans and mutes. They hold for users who are not members, too. */
export const restrictions = sqliteTable(
  "restrictions",
  {
    room: integer("room_pk")
      .notNull()
      .references(() => rooms.pk),
    user: integer("user_pk")
      .notNull()
      .references(() => users.pk),
    kind: text({ enum: restrictionKinds }).notNull(),
    at: integer().notNull(),
    /** Null for a restriction without an end. */
    until: integer(),
    reason: text(),
    /** JSON: the user who imposed it, as they were then. Null for the command line. */
    by: text(),
  },
  (table) => [
    primaryKey({ columns: [table.room, table.kind, table.user] }),
    index("restrictions_user").on(table.user),
    // Restrictions are listed by time and counted: rows with their reasons are ten times as large.
    index("restrictions_at").on(table.room, table.kind, table.at, table.user, table.until),
    index("restrictions_until")
      .on(table.room, table.until)
      .where(sql`until IS NOT NULL`),
  ],
);

/** What moderators, owners and administrators did in a room. Entries are numbered by room. */
export const audit = sqliteTable(
  "audit",
  {
    room: integer("room_pk")
      .notNull()
      .references(() => rooms.pk),
    n: integer().notNull(),
    /** JSON as it is sent. Its users are as they were then. */
    entry: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.room, table.n] })],
);

/** How far a user has read a room. */
export const reads = sqliteTable(
  "reads",
  {
    room: integer("room_pk")
      .notNull()
      .references(() => rooms.pk),
    user: integer("user_pk")
      .notNull()
      .references(() => users.pk),
    seq: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.room, table.user] })],
);

/**
 * One b-tree in the order in which messages are read. `createdRev` rises with `seq` and needs no index of its own, and the index on
 * `changedRev` holds only messages that were changed later, so a new message usually writes one page and not two.
 */
export const messages = sqliteTable(
  "messages",
  {
    room: integer("room_pk")
      .notNull()
      .references(() => rooms.pk),
    seq: integer().notNull(),
    createdRev: integer("created_rev").notNull(),
    /** The `rev` of the last edit, deletion or reaction. */
    changedRev: integer("changed_rev"),
    sender: integer("sender_pk")
      .notNull()
      .references(() => users.pk),
    /** Null once the message is deleted. */
    text: text(),
    sentAt: integer("sent_at").notNull(),
    editedAt: integer("edited_at"),
    deletedAt: integer("deleted_at"),
    /** An earlier `seq`. A foreign key would search the whole room for every message that is purged. */
    replyTo: integer("reply_to"),
    clientId: text("client_id"),
    /** JSON as it is sent, `[{"emoji", "by": [sub]}]`; null when there are none. */
    reactions: text(),
    /** Compact JSON, an object; null when there is none, and once the message is deleted. */
    meta: text(),
    /** JSON as it is sent, `{"users": [sub], "room"?: true}`; null when nobody is mentioned. */
    mentions: text(),
  },
  (table) => [
    primaryKey({ columns: [table.room, table.seq] }),
    uniqueIndex("messages_changed_rev")
      .on(table.room, table.changedRev)
      .where(sql`changed_rev IS NOT NULL`),
    uniqueIndex("messages_client_id")
      .on(table.room, table.sender, table.clientId)
      .where(sql`client_id IS NOT NULL`),
    // Unread counts leave out deleted messages. With `deletedAt`, SQLite counts them without looking each of them up.
    index("messages_deleted")
      .on(table.room, table.seq, table.deletedAt)
      .where(sql`deleted_at IS NOT NULL`),
  ],
);

/** Whom messages mention. `user` 0 stands for everyone in the room. */
export const mentions = sqliteTable(
  "mentions",
  {
    user: integer("user_pk").notNull(),
    room: integer("room_pk").notNull(),
    seq: integer().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.user, table.room, table.seq] }),
    index("mentions_message").on(table.room, table.seq),
  ],
);

/**
 * Messages with imported reactions of users who have never signed in. A user without a `sub` reacts under their email, which
 * becomes their `sub` when they sign in.
 */
export const pendingReactions = sqliteTable(
  "pending_reactions",
  {
    room: integer("room_pk")
      .notNull()
      .references(() => rooms.pk),
    seq: integer().notNull(),
    user: integer("user_pk")
      .notNull()
      .references(() => users.pk),
  },
  (table) => [
    primaryKey({ columns: [table.room, table.seq, table.user] }),
    index("pending_reactions_user").on(table.user),
  ],
);

/** A row is inserted and deleted here to find out whether the disk accepts writes. */
export const probes = sqliteTable("probes", {
  pk: integer().primaryKey(),
  bytes: text().notNull(),
});
