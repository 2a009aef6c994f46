import type { RoomKey } from "../../chat/model.ts";
import type { Place, ScanRange, SearchIndex, SearchScope, SearchSlice } from "../../chat/search-index.ts";
import { SEARCH_TERMS_VERSION, type Term } from "../../chat/search-text.ts";
import type { Db } from "./open.ts";
import { RoomQueue } from "./room-queue.ts";
import { type PartBudget, SearchBlocks } from "./search-blocks.ts";
import { SearchChanges } from "./search-changes.ts";
import { type Scan, SearchScanner } from "./search-scanner.ts";
import { SearchTerms } from "./search-terms.ts";
import { Statements } from "./statements.ts";
import { createTransaction, isDamaged, toStoreError, type Writer } from "./writer.ts";

/** Another version of Unicode has other letters, so its terms may differ. */
const TERMS_VERSION = `${SEARCH_TERMS_VERSION}, Unicode ${process.versions["unicode"]}`;

/** Rooms that are checked at once for messages that are not in the index. */
const ROOM_PAGE_SIZE = 250;
/** What is indexed at once: some 5 ms of work. Small parts would cost much more for each message. */
const PART: Readonly<PartBudget> = { messages: 256, length: 16_384 };
/** Steps of merging after each part, so that a busy server does not get more and more segments. */
const MERGES_PER_PART = 3;

/** The search index on FTS5, in the database of the messages. */
export class SqliteSearchIndex implements SearchIndex {
  readonly #statements: Statements;
  readonly #terms: SearchTerms;
  readonly #blocks: SearchBlocks;
  readonly #changes: SearchChanges;
  readonly #scanner: SearchScanner;
  readonly #snapshot: ReturnType<typeof createTransaction>;
  /** Rooms that may have messages to index. */
  readonly #changed = new Set<RoomKey>();
  /** Rooms that have messages to index, by when the first of them was sent. */
  readonly #behind = new RoomQueue();
  /** All rooms with a larger key are to be checked. Undefined when none are. */
  #uncheckedAfter: RoomKey | undefined = 0;
  /** Whether all rooms are to be checked once more, after that. */
  #mustCheckAgain = false;
  /** Whether changed messages come before new ones in this update. They take turns. */
  #changesFirst = true;
  /** Steps of merging that come before everything else. */
  #mergesFirst = 0;
  /** Whether there may be segments to merge. */
  #mayMerge = true;
  #isVersionChecked = false;
  /** Whether SQLite has found the index damaged. */
  #isDamaged = false;

  constructor(
    db: Db,
    private readonly writer: Pick<Writer, "writeDerived">,
  ) {
    this.#statements = new Statements(db.$client);
    this.#terms = new SearchTerms(this.#statements);
    this.#blocks = new SearchBlocks(this.#statements);
    this.#changes = new SearchChanges(this.#statements, this.#terms);
    this.#scanner = new SearchScanner(db, this.#statements, this.#blocks);
    this.#snapshot = createTransaction(db.$client);
  }

  roomChanged(room: RoomKey): void {
    this.#changed.add(room);
  }

  anythingChanged(): void {
    // Checking is not started over, or another process that writes all the time would keep it from coming to its end.
    if (this.#uncheckedAfter === undefined) this.#uncheckedAfter = 0;
    else this.#mustCheckAgain = true;
  }

  async update(): Promise<boolean> {
    if (!this.#isVersionChecked) await this.#checkVersion();
    if (this.#isDamaged) await this.#rebuild();
    try {
      return await this.#updatePart();
    } catch (error) {
      this.#isDamaged = isDamaged(error);
      throw error;
    }
  }

  async #updatePart(): Promise<boolean> {
    if (this.#mergesFirst > 0) {
      this.#mergesFirst--;
      if (await this.#merge()) return true;
    }
    this.#changesFirst = !this.#changesFirst;
    if (this.#changesFirst) {
      if ((await this.#applyChanges()) || (await this.#addMessages())) return true;
    } else if ((await this.#addMessages()) || (await this.#applyChanges())) return true;
    return (await this.#merge()) || (await this.#cleanUp());
  }

  async *scan(terms: readonly Term[], scope: SearchScope, range: ScanRange): AsyncIterable<SearchSlice> {
    const scan = read(() => this.#scanner.start(terms, scope, range));
    for (;;) {
      const slice = this.#readSlice(scan);
      yield slice;
      if (slice.reached === undefined) return;
    }
  }

  #readSlice(scan: Scan): SearchSlice {
    try {
      return this.#snapshot(() => scan.next()) as SearchSlice;
    } catch (error) {
      this.#isDamaged ||= isDamaged(error);
      throw toStoreError(error);
    }
  }

  async positionOf(scope: SearchScope, place: Place): Promise<number | undefined> {
    return read(() => this.#blocks.positionOf(scope, place));
  }

  async placeAt(scope: SearchScope, position: number): Promise<Place | undefined> {
    return read(() => this.#blocks.placeAt(scope, position));
  }

  /** Builds the index again when its terms are those of another version, or when it was found damaged at the start. */
  async #checkVersion(): Promise<void> {
    const version = read(
      () => this.#statements.all<[string]>("SELECT version FROM search_state WHERE pk = 1")[0]?.[0],
    );
    if (version !== TERMS_VERSION) await this.#rebuild();
    this.#isVersionChecked = true;
  }

  /** Empties the index, so that everything is indexed again. */
  async #rebuild(): Promise<void> {
    await this.writer.writeDerived(() => {
      this.#terms.clear();
      this.#terms.endMergingAll();
      this.#statements.run("DELETE FROM search_changes");
      this.#statements.run("DELETE FROM search_blocks");
      this.#statements.run(
        "INSERT OR REPLACE INTO search_state (pk, version, cleanup) VALUES (1, ?, 0)",
        TERMS_VERSION,
      );
    });
    this.#isDamaged = false;
    this.anythingChanged();
  }

  /** Indexes some changed messages again. Resolves with whether there were any. */
  async #applyChanges(): Promise<boolean> {
    if (read(() => this.#changes.isEmpty)) return false;
    await this.writer.writeDerived(() => {
      if (this.#changes.apply()) this.#statements.run("UPDATE search_state SET cleanup = 1 WHERE pk = 1");
    });
    this.#mayMerge = true;
    return true;
  }

  /** Finds some rooms with messages that are not in the index. */
  #findRooms(): void {
    const check = (room: RoomKey) => {
      if (this.#behind.has(room)) return;
      const sentAt = this.#blocks.firstUnindexed(room);
      if (sentAt !== undefined) this.#behind.add(room, sentAt);
    };
    for (const room of this.#changed.values().take(ROOM_PAGE_SIZE)) {
      check(room);
      this.#changed.delete(room);
    }
    if (this.#uncheckedAfter === undefined) return;
    const rooms = this.#statements.all<[RoomKey]>(
      "SELECT pk FROM rooms WHERE pk > ? ORDER BY pk LIMIT ?",
      this.#uncheckedAfter,
      ROOM_PAGE_SIZE,
    );
    for (const [room] of rooms) check(room);
    if (rooms.length === ROOM_PAGE_SIZE) this.#uncheckedAfter = rooms.at(-1)?.[0];
    else {
      this.#uncheckedAfter = this.#mustCheckAgain ? 0 : undefined;
      this.#mustCheckAgain = false;
    }
  }

  /** Resolves with whether there may be more. */
  async #addMessages(): Promise<boolean> {
    read(() => this.#findRooms());
    if (this.#behind.size === 0) return this.#changed.size > 0 || this.#uncheckedAfter !== undefined;
    try {
      await this.writer.writeDerived(() => this.#addPart());
    } catch (error) {
      // Nothing has been written, and the queue no longer has the rooms.
      this.#behind.clear();
      this.anythingChanged();
      throw error;
    }
    this.#mayMerge = true;
    this.#mergesFirst = MERGES_PER_PART;
    return true;
  }

  /** Indexes some messages, the oldest of all rooms first, so that positions are in order of time. */
  #addPart(): void {
    const budget = { ...PART };
    while (budget.messages > 0 && budget.length > 0) {
      const room = this.#behind.take();
      if (room === undefined) break;
      const left = this.#blocks.extend(room, budget, this.#terms);
      if (left !== undefined) this.#behind.add(room, left);
    }
  }

  /** Merges some segments. Resolves with whether there was something to do. */
  async #merge(): Promise<boolean> {
    if (this.#mayMerge) this.#mayMerge = await this.writer.writeDerived(() => this.#terms.merge());
    return this.#mayMerge;
  }

  /** Overwrites what was only marked as deleted. Resolves with whether there was something to do. */
  async #cleanUp(): Promise<boolean> {
    const state = read(
      () => this.#statements.all<[number]>("SELECT cleanup FROM search_state WHERE pk = 1")[0]?.[0] ?? 0,
    );
    if (state === 0) return false;
    await this.writer.writeDerived(() => {
      let next = state;
      if (state === 1) {
        this.#terms.prepareMergingAll();
        next = 2;
      } else if (!this.#terms.merge()) {
        if (state === 2) this.#terms.startMergingAll();
        else this.#terms.endMergingAll();
        next = state === 2 ? 3 : 0;
      }
      this.#statements.run("UPDATE search_state SET cleanup = ? WHERE pk = 1", next);
    });
    return true;
  }
}

/** Runs a read. Throws `StoreError`. */
function read<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toStoreError(error);
  }
}
