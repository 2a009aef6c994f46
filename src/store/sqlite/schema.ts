import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

import { roles } from "../../chat/model.ts";

// Times are milliseconds since the epoch. A `pk` is Parley's own and never leaves it; an `id` is what clients see.
// The migration that drizzle-kit generates is completed by hand with STRICT and WITHOUT ROWID, which it cannot express.

export const rooms = sqliteTable(
  "rooms",
  {
    pk: integer().primaryKey({ autoIncrement: true }),
    id: text().notNull(),
    name: text().notNull(),
    /** The number of the newest message. */
    seq: integer().notNull().default(0),
    /** The change counter. */
    rev: integer().notNull().default(0),
    createdBy: integer("created_by").references(() => users.pk),
    createdAt: integer("created_at").notNull(),
    /** A deleted room is gone at once, and purged little by little. */
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
  ],
);

export const users = sqliteTable(
  "users",
  {
    pk: integer().primaryKey({ autoIncrement: true }),
    /** Null until somebody who was invited by email connects. */
    sub: text().unique(),
    /** As the user's last token had it; two users may carry the same one. Null beside a null `sub`: a free place. */
    email: text(),
    name: text(),
  },
  (table) => [
    index("users_free")
      .on(table.pk)
      .where(sql`sub IS NULL AND email IS NULL`),
  ],
);

/** Whose an email is: of the first verified `sub` that carried it, for ever; until then of the invited user without one. */
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
  },
  (table) => [primaryKey({ columns: [table.room, table.user] }), index("members_user").on(table.user)],
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
 * One b-tree in the order of reading. `createdRev` rises with `seq`, so that it needs no index of its own, and the index
 * on `changedRev` holds only messages that were changed later: a new message writes one page, not two.
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
    /** Null once it is deleted. */
    text: text(),
    sentAt: integer("sent_at").notNull(),
    editedAt: integer("edited_at"),
    deletedAt: integer("deleted_at"),
    /** An earlier `seq`; no foreign key, which would search the whole room for every message that is purged. */
    replyTo: integer("reply_to"),
    clientId: text("client_id"),
    /** `[{"emoji", "by": [sub]}]`, as it goes out; null while there are none. */
    reactions: text(),
  },
  (table) => [
    primaryKey({ columns: [table.room, table.seq] }),
    uniqueIndex("messages_changed_rev")
      .on(table.room, table.changedRev)
      .where(sql`changed_rev IS NOT NULL`),
    uniqueIndex("messages_client_id")
      .on(table.room, table.sender, table.clientId)
      .where(sql`client_id IS NOT NULL`),
  ],
);

/** One row, written to find out whether the disk takes writes again. */
export const probes = sqliteTable("probes", {
  pk: integer().primaryKey(),
  bytes: text().notNull(),
});
