import type { RoomKey } from "../../chat/model.ts";
import type { Place, ScanRange, SearchIndex, SearchScope, SearchSlice } from "../../chat/search-index.ts";
import { SEARCH_TERMS_VERSION, type Term } from "../../chat/search-text.ts";
import type { Db } from "./open.ts";
import { type PartBudget, SearchBlocks } from "./search-blocks.ts";
import { SearchScanner } from "./search-scanner.ts";
import { SearchTerms } from "./search-terms.ts";
import { Statements } from "./statements.ts";
import { createTransaction, toStoreError, type Writer } from "./writer.ts";

/** Rooms that are checked at once for messages that are not in the index. */
const ROOM_PAGE_SIZE = 500;
/** What is indexed at once: some 5 ms of work. Small parts would cost much more for each message. */
const PART: Readonly<PartBudget> = { messages: 256, length: 65_536 };
/** Changed messages that are removed so that nothing of them is left, about a millisecond each. */
const MAX_ERASED = 4;
/** More deleted messages than this are only marked as deleted, and a cleanup of the whole index overwrites them. */
const ERASED_BACKLOG = 64;
/** Changed messages that are looked at, and deleted ones that are marked, at once. */
const MAX_MARKED = 300;

/** A message whose text has changed since it was indexed. */
type ChangeRow = [
  rowId: number,
  room: RoomKey,
  seq: number,
  /** The text that is in the index. */
  before: string | null,
  now: string | null,
];

/** The search index on FTS5, in the database of the messages. */
export class SqliteSearchIndex implements SearchIndex {
  readonly #statements: Statements;
  readonly #terms: SearchTerms;
  readonly #blocks: SearchBlocks;
  readonly #scanner: SearchScanner;
  readonly #snapshot: ReturnType<typeof createTransaction>;
  /** Rooms that may have messages to index. */
  readonly #changed = new Set<RoomKey>();
  /** Rooms that have messages to index, and when the first of them was sent. */
  #behind: ReadonlyMap<RoomKey, number> = new Map();
  /** All rooms with a larger key are to be checked. Undefined when none are. */
  #uncheckedAfter: RoomKey | undefined = 0;
  /** Whether there may be segments to merge. */
  #mayMerge = true;
  #isVersionChecked = false;

  constructor(
    db: Db,
    private readonly writer: Writer,
  ) {
    this.#statements = new Statements(db.$client);
    this.#terms = new SearchTerms(this.#statements);
    this.#blocks = new SearchBlocks(this.#statements);
    this.#scanner = new SearchScanner(db, this.#statements, this.#blocks);
    this.#snapshot = createTransaction(db.$client);
  }

  roomChanged(room: RoomKey): void {
    this.#changed.add(room);
  }

  anythingChanged(): void {
    this.#uncheckedAfter = 0;
  }

  async update(): Promise<boolean> {
    if (!this.#isVersionChecked) await this.#checkVersion();
    if (await this.#applyChanges()) return true;
    read(() => this.#findRooms());
    if (this.#behind.size > 0) {
      await this.#addPart();
      return true;
    }
    return (await this.#merge()) || (await this.#cleanUp()) || this.#uncheckedAfter !== undefined;
  }

  async *scan(terms: readonly Term[], scope: SearchScope, range: ScanRange): AsyncIterable<SearchSlice> {
    const scan = read(() => this.#scanner.start(terms, scope, range));
    for (;;) {
      const slice = read(() => this.#snapshot(() => scan.next()) as SearchSlice);
      yield slice;
      if (slice.reached === undefined) return;
    }
  }

  async positionOf(scope: SearchScope, place: Place): Promise<number | undefined> {
    return read(() => this.#blocks.positionOf(scope, place));
  }

  async placeAt(scope: SearchScope, position: number): Promise<Place | undefined> {
    return read(() => this.#blocks.placeAt(scope, position));
  }

  /** Builds the index again when its terms are those of another version. */
  async #checkVersion(): Promise<void> {
    const version = read(
      () => this.#statements.all<[number]>("SELECT version FROM search_state WHERE pk = 1")[0]?.[0],
    );
    if (version !== SEARCH_TERMS_VERSION) {
      await this.writer.write(() => {
        this.#terms.clear();
        this.#statements.run("DELETE FROM search_changes");
        this.#statements.run("DELETE FROM search_blocks");
        this.#statements.run(
          "INSERT OR REPLACE INTO search_state (pk, version, cleanup) VALUES (1, ?, 0)",
          SEARCH_TERMS_VERSION,
        );
      });
    }
    this.#isVersionChecked = true;
  }

  /** Indexes some changed messages again. Resolves with whether there were any. */
  async #applyChanges(): Promise<boolean> {
    const isUpToDate = read(() => this.#statements.all("SELECT 1 FROM search_changes LIMIT 1").length === 0);
    if (isUpToDate) return false;
    await this.writer.write(() => {
      const rows = this.#statements.all<ChangeRow>(
        `SELECT c.row_id, c.room_pk, c.seq, c.text, m.text FROM search_changes c
          LEFT JOIN messages m ON m.room_pk = c.room_pk AND m.seq = c.seq ORDER BY c.row_id LIMIT ?`,
        MAX_MARKED,
      );
      const deleted = rows.filter(([, , , , now]) => now === null);
      // Only deleted messages are marked: FTS5 cannot erase what was added again to a row with a mark.
      const mark = deleted.length > ERASED_BACKLOG;
      this.#terms.setErasing(!mark);
      for (const row of mark ? deleted : rows.slice(0, MAX_ERASED)) this.#applyChange(row);
      if (mark) this.#statements.run("UPDATE search_state SET cleanup = 1 WHERE pk = 1");
    });
    this.#mayMerge = true;
    return true;
  }

  #applyChange([rowId, room, , before, now]: ChangeRow): void {
    if (before !== null) this.#terms.remove(rowId, room, before);
    if (now !== null) this.#terms.add(rowId, room, now);
    this.#statements.run("DELETE FROM search_changes WHERE row_id = ?", rowId);
  }

  /** Finds rooms with messages that are not in the index. */
  #findRooms(): void {
    const behind = new Map(this.#behind);
    const check = (room: RoomKey) => {
      const sentAt = this.#blocks.firstUnindexed(room);
      if (sentAt === undefined) behind.delete(room);
      else behind.set(room, sentAt);
    };
    this.#changed.forEach(check);
    this.#changed.clear();
    this.#behind = behind;
    if (this.#uncheckedAfter === undefined) return;
    const rooms = this.#statements.all<[RoomKey]>(
      "SELECT pk FROM rooms WHERE pk > ? ORDER BY pk LIMIT ?",
      this.#uncheckedAfter,
      ROOM_PAGE_SIZE,
    );
    for (const [room] of rooms) check(room);
    this.#uncheckedAfter = rooms.length === ROOM_PAGE_SIZE ? rooms.at(-1)?.[0] : undefined;
  }

  /** Indexes some messages, the oldest of all rooms first, so that positions are in order of time. */
  async #addPart(): Promise<void> {
    this.#behind = await this.writer.write(() => {
      // A copy, because a write may fail and be tried again.
      const behind = new Map(this.#behind);
      const budget = { ...PART };
      while (behind.size > 0 && budget.messages > 0 && budget.length > 0) {
        const room = oldest(behind);
        const left = this.#blocks.extend(room, budget, this.#terms);
        if (left === undefined) behind.delete(room);
        else behind.set(room, left);
      }
      // Otherwise the segments of a busy server would not be merged before it has a rest.
      this.#terms.merge();
      return behind;
    });
    this.#mayMerge = true;
  }

  /** Merges some segments. Resolves with whether there was something to do. */
  async #merge(): Promise<boolean> {
    if (this.#mayMerge) this.#mayMerge = await this.writer.write(() => this.#terms.merge());
    return this.#mayMerge;
  }

  /** Overwrites what was only marked as deleted. Resolves with whether there was something to do. */
  async #cleanUp(): Promise<boolean> {
    const state = read(
      () => this.#statements.all<[number]>("SELECT cleanup FROM search_state WHERE pk = 1")[0]?.[0],
    );
    if (state === 0) return false;
    await this.writer.write(() => {
      if (state === 1) this.#terms.startMergingAll();
      const next = state === 1 || this.#terms.merge() ? 2 : 0;
      this.#statements.run("UPDATE search_state SET cleanup = ? WHERE pk = 1", next);
    });
    return true;
  }
}

/** The room whose first message is the oldest. */
function oldest(behind: ReadonlyMap<RoomKey, number>): RoomKey {
  let [found, foundAt] = [0, Infinity];
  for (const [room, sentAt] of behind) if (sentAt < foundAt) [found, foundAt] = [room, sentAt];
  return found;
}

/** Runs a read. Throws `StoreError`. */
function read<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toStoreError(error);
  }
}
