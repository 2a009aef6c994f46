import type { RoomKey } from "../../chat/model.ts";
import { type Term, termsOf } from "../../chat/search-text.ts";
import type { Statements } from "./statements.ts";

/** Pages that one step of merging writes at most. */
const MERGE_PAGES = 16;
/** So many segments of a level are merged. The migration sets the same. */
const SEGMENTS_PER_MERGE = 3;

/** No message has this row id. */
const EXTRA_ROW = 0;

/** Begins the term that says in which room a message is. No text has such a term: this is no letter. */
const ROOM_MARK = "\ue000";

export interface Removal {
  /** Terms that were removed. */
  count: number;
  isDone: boolean;
}

/** The table `search`. What writes must be called within a transaction. */
export class SearchTerms {
  constructor(private readonly statements: Statements) {}

  add(rowId: number, room: RoomKey, text: string): void {
    this.#insert(rowId, documentTerms(room, text));
  }

  /**
   * Removes up to `limit` terms of a message after the first `removed` ones, with the text with which it was added. Returns how
   * many, and whether none are left.
   */
  remove(rowId: number, room: RoomKey, text: string, removed: number, limit: number): Removal {
    const terms = documentTerms(room, text);
    const part = terms.slice(removed, removed + limit);
    this.#delete(rowId, part);
    const isDone = removed + part.length >= terms.length;
    // FTS5 counts its rows, and takes an index with fewer rows than none for damaged.
    if (!isDone) this.#insert(rowId, []);
    return { count: part.length, isDone };
  }

  #insert(rowId: number, terms: readonly string[]): void {
    this.statements.run("INSERT INTO search (rowid, terms) VALUES (?, ?)", rowId, terms.join(" "));
  }

  #delete(rowId: number, terms: readonly string[]): void {
    this.statements.run(
      "INSERT INTO search (search, rowid, terms) VALUES ('delete', ?, ?)",
      rowId,
      terms.join(" "),
    );
  }

  /** Whether `remove` erases terms at once, which is slow, or marks them as deleted until they are merged. */
  setErasing(erase: boolean): void {
    this.#command("secure-delete", Number(erase));
  }

  clear(): void {
    this.statements.run("INSERT INTO search (search) VALUES ('delete-all')");
  }

  /** Merges some segments of the same level. Returns whether there was something to do. */
  merge(): boolean {
    const before = this.#totalChanges();
    this.#command("merge", MERGE_PAGES);
    // SQLite's documentation of FTS5, "The merge Command": a difference of less than 2 means that nothing was done.
    return this.#totalChanges() - before >= 2;
  }

  /**
   * Merging all segments into one leaves nothing of what was deleted, if FTS5 does it: not for a single segment, nor for
   * segments of one level when there have been higher ones. Hence three steps, each followed by `merge` until it finds nothing
   * to do: this one leaves a segment on each level at most, and none on the lowest.
   */
  prepareMergingAll(): void {
    this.#addExtraSegments();
    // Otherwise `merge` would leave unfinished what has few segments.
    this.#command("usermerge", 2);
  }

  startMergingAll(): void {
    this.#addExtraSegments();
    this.#command("merge", -MERGE_PAGES);
  }

  endMergingAll(): void {
    this.#command("usermerge", SEGMENTS_PER_MERGE);
  }

  /** A row that comes and goes, on the lowest level. */
  #addExtraSegments(): void {
    this.setErasing(false);
    this.#insert(EXTRA_ROW, ["x"]);
    // A command writes what was added so far as a segment.
    this.setErasing(false);
    this.#delete(EXTRA_ROW, ["x"]);
  }

  #command(name: "merge" | "secure-delete" | "usermerge", value: number): void {
    this.statements.run("INSERT INTO search (search, rank) VALUES (?, ?)", name, value);
  }

  #totalChanges(): number {
    return this.statements.all<[number]>("SELECT total_changes()")[0]?.[0] ?? 0;
  }
}

const documentTerms = (room: RoomKey, text: string) => [roomTerm(room), ...termsOf(text)];

const roomTerm = (room: RoomKey) => ROOM_MARK + room.toString(36);

/** Terms that FTS5 is asked for: each takes time, and a few of them leave little to compare. */
const MAX_QUERY_TERMS = 4;
/** The beginnings of words that the table has an index of, in characters. Without one, FTS5 would read all words' lists first. */
const PREFIX_LENGTHS = [5, 3];

/**
 * FTS5's query for messages that may have all terms, and are in one of the rooms if there are any. It leaves out the shorter
 * ones of many terms, and shortens beginnings of words. Terms hold no quotes.
 */
export function matchExpression(terms: readonly Term[], rooms: readonly RoomKey[]): string {
  const required = terms
    .map((term) => (term.isPrefix ? { ...term, text: cutPrefix(term.text) } : term))
    .toSorted((a, b) => b.text.length - a.text.length)
    .map(({ text, isPrefix }) => `"${text}"${isPrefix ? " *" : ""}`);
  const distinct = [...new Set(required)].slice(0, MAX_QUERY_TERMS);
  const inRooms = rooms.map((room) => `"${roomTerm(room)}"`).join(" OR ");
  return [...distinct, ...(rooms.length > 0 ? [`(${inRooms})`] : [])].join(" AND ");
}

function cutPrefix(text: string): string {
  const characters = Array.from(text);
  const length = PREFIX_LENGTHS.find((each) => each <= characters.length);
  return characters.slice(0, length).join("");
}
