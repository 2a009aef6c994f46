import { index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

// The table `search`, which holds the terms, and the triggers that fill `searchChanges` are in a migration by hand.

/**
 * What is in the search index: messages of one room from `firstSeq` up to, and without, `nextSeq`. They have the row ids from
 * 64 × `pk` on. A room's blocks follow one another without gaps, so the last one says how far the room has been indexed.
 */
export const searchBlocks = sqliteTable(
  "search_blocks",
  {
    pk: integer().primaryKey({ autoIncrement: true }),
    room: integer("room_pk").notNull(),
    firstSeq: integer("first_seq").notNull(),
    nextSeq: integer("next_seq").notNull(),
    /** When the first message was sent. */
    startedAt: integer("started_at").notNull(),
  },
  (table) => [
    uniqueIndex("search_blocks_room").on(table.room, table.firstSeq),
    // By `pk`, which SQLite adds to each entry of an index.
    index("search_blocks_position").on(table.room),
  ],
);

/** Messages whose text has changed since they were indexed. */
export const searchChanges = sqliteTable("search_changes", {
  rowId: integer("row_id").primaryKey(),
  room: integer("room_pk").notNull(),
  seq: integer().notNull(),
  /** The text that is in the index; null when there is none. */
  text: text(),
  /** How many of its terms have been removed. */
  removed: integer().notNull().default(0),
});

/** One row. */
export const searchState = sqliteTable("search_state", {
  pk: integer().primaryKey(),
  /** The version of the terms in the index. Empty when the index is damaged and must be built again. */
  version: text().notNull(),
  /** Whether many deleted terms wait to be overwritten: 1, then 2 while that is prepared, then 3 while it is done. */
  cleanup: integer().notNull().default(0),
});
