import { and, eq, isNotNull, type SQL, sql } from "drizzle-orm";

import type { RoomKey } from "../../chat/model.ts";
import type { Candidate, ScanRange, SearchScope, SearchSlice } from "../../chat/search-index.ts";
import type { Term } from "../../chat/search-text.ts";
import { $, messageColumns, roomExists, userColumns } from "./columns.ts";
import { compile } from "./compile.ts";
import type { Db } from "./open.ts";
import { type CandidateRow, toCandidates } from "./rows.ts";
import { members, messages, rooms, users } from "./schema.ts";
import { BLOCK_SIZE, scopeKey, type SearchBlocks } from "./search-blocks.ts";
import { searchBlocks } from "./search-schema.ts";
import { matchExpression } from "./search-terms.ts";
import type { Statements } from "./statements.ts";

/** Row ids that are read at once. */
const ROW_LIMIT = 1000;
/** Messages that are read at once: one may have up to some 150 KiB. */
const SLICE_SIZE = 16;
/** Positions that are searched at once, which bounds the time of a statement. The span follows how fast the last one was. */
const FIRST_SPAN = 65_536;
const MIN_SPAN = 16_384;
const MAX_SPAN = 262_144;
const SPAN_FACTOR = 4;
const FAST_MS = 1;
const SLOW_MS = 4;
/** A user of no more rooms than this is found by the rooms' terms. Each costs some microseconds per statement. */
const MAX_ROOM_TERMS = 16;

/** Reads the search index. */
export class SearchScanner {
  readonly #candidates: ReturnType<typeof prepareCandidates>;

  constructor(
    db: Db,
    private readonly statements: Statements,
    private readonly blocks: SearchBlocks,
  ) {
    this.#candidates = prepareCandidates(db);
  }

  start(terms: readonly Term[], scope: SearchScope, { from, until }: ScanRange): Scan {
    const bounds = this.blocks.bounds(scope);
    const required = bounds ? this.#roomTerms(scope) : undefined;
    if (!bounds || !required)
      return new Scan(
        () => [],
        () => [],
        { low: 1, high: 0 },
      );
    const expression = matchExpression(terms, required);
    return new Scan(
      (low, high) =>
        this.statements
          .all<[number]>(
            "SELECT rowid FROM search WHERE search MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?",
            expression,
            low,
            high,
            ROW_LIMIT,
          )
          .map(([rowId]) => rowId),
      (rowIds) => {
        const { inRoom, ofMember } = this.#candidates;
        const query = "room" in scope ? inRoom : ofMember;
        return toCandidates(query.all({ rowIds: JSON.stringify(rowIds), key: scopeKey(scope) }));
      },
      {
        low: Math.max(bounds.low, until ?? 0),
        high: Math.min(bounds.high, from ?? bounds.high),
      },
    );
  }

  /** Rooms that a message must be in. None when they are too many for the index; undefined when the user is in no room. */
  #roomTerms(scope: SearchScope): RoomKey[] | undefined {
    if ("room" in scope) return [scope.room];
    const rows = this.statements.all<[RoomKey]>(
      "SELECT room_pk FROM members WHERE user_pk = ? LIMIT ?",
      scope.member,
      MAX_ROOM_TERMS + 1,
    );
    if (rows.length === 0) return undefined;
    return rows.length > MAX_ROOM_TERMS ? [] : rows.map(([room]) => room);
  }
}

/** A search that goes from newer to older messages, slice by slice. */
export class Scan {
  #low: number;
  /** The highest position that has not been searched. */
  #high: number;
  #span = FIRST_SPAN;
  /** Row ids that were found and whose messages have not been read. */
  #found: readonly number[] = [];

  constructor(
    private readonly findRows: (low: number, high: number) => number[],
    private readonly readMessages: (rowIds: readonly number[]) => Candidate[],
    { low, high }: { low: number; high: number },
  ) {
    this.#low = low;
    this.#high = high;
  }

  next(): SearchSlice {
    if (this.#found.length === 0) this.#findMore();
    const rowIds = this.#found.slice(0, SLICE_SIZE);
    this.#found = this.#found.slice(SLICE_SIZE);
    const candidates = rowIds.length > 0 ? this.readMessages(rowIds) : [];
    if (this.#found.length > 0) return { candidates, reached: rowIds.at(-1) };
    return { candidates, reached: this.#high < this.#low ? undefined : this.#high + 1 };
  }

  #findMore(): void {
    if (this.#high < this.#low) return;
    const start = performance.now();
    const low = Math.max(this.#low, this.#high - this.#span + 1);
    this.#found = this.findRows(low, this.#high);
    this.#high = (this.#found.length === ROW_LIMIT ? (this.#found.at(-1) ?? low) : low) - 1;
    const milliseconds = performance.now() - start;
    if (milliseconds < FAST_MS) this.#span = Math.min(MAX_SPAN, this.#span * SPAN_FACTOR);
    else if (milliseconds > SLOW_MS) this.#span = Math.max(MIN_SPAN, this.#span / SPAN_FACTOR);
  }
}

function prepareCandidates(db: Db) {
  const select = (condition: SQL | undefined) =>
    compile<{ rowIds: string; key: number }, CandidateRow>(
      db,
      db
        .select({
          message: messageColumns,
          room: rooms.pk,
          sender: userColumns,
          roomId: rooms.id,
          rowId: sql`value`,
        })
        .from(sql`json_each(${$("rowIds")})`)
        .innerJoin(searchBlocks, eq(searchBlocks.pk, sql`value / ${sql.raw(String(BLOCK_SIZE))}`))
        .innerJoin(rooms, and(eq(rooms.pk, searchBlocks.room), roomExists))
        .innerJoin(
          messages,
          and(
            eq(messages.room, searchBlocks.room),
            eq(messages.seq, sql`${searchBlocks.firstSeq} + value % ${sql.raw(String(BLOCK_SIZE))}`),
            isNotNull(messages.text),
          ),
        )
        .innerJoin(users, eq(users.pk, messages.sender))
        .where(condition)
        .orderBy(sql`json_each.key`),
    );
  const membership = db
    .select({ role: members.role })
    .from(members)
    .where(and(eq(members.room, searchBlocks.room), eq(members.user, $("key"))));
  return {
    inRoom: select(eq(searchBlocks.room, $("key"))),
    ofMember: select(sql`EXISTS ${membership}`),
  };
}
