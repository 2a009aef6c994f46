import type { RoomKey } from "../../chat/model.ts";
import { type Term, termsOf } from "../../chat/search-text.ts";
import type { Statements } from "./statements.ts";

/** Pages that one step of merging writes at most. */
const MERGE_PAGES = 16;

/** Begins the term that says in which room a message is. No text has such a term: this is no letter. */
const ROOM_MARK = "\ue000";

/** The table `search`. What writes must be called within a transaction. */
export class SearchTerms {
  constructor(private readonly statements: Statements) {}

  add(rowId: number, room: RoomKey, text: string): void {
    this.statements.run("INSERT INTO search (rowid, terms) VALUES (?, ?)", rowId, document(room, text));
  }

  /** Removes a message with the text with which it was added. */
  remove(rowId: number, room: RoomKey, text: string): void {
    this.statements.run(
      "INSERT INTO search (search, rowid, terms) VALUES ('delete', ?, ?)",
      rowId,
      document(room, text),
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

  /** Begins to merge all segments into one, which leaves nothing of what was deleted. `merge` goes on with it. */
  startMergingAll(): void {
    this.#command("merge", -MERGE_PAGES);
  }

  #command(name: "merge" | "secure-delete", value: number): void {
    this.statements.run("INSERT INTO search (search, rank) VALUES (?, ?)", name, value);
  }

  #totalChanges(): number {
    return this.statements.all<[number]>("SELECT total_changes()")[0]?.[0] ?? 0;
  }
}

function document(room: RoomKey, text: string): string {
  let terms = roomTerm(room);
  for (const term of termsOf(text)) terms += ` ${term}`;
  return terms;
}

const roomTerm = (room: RoomKey) => ROOM_MARK + room.toString(36);

/** FTS5's query for messages that have all terms, and are in one of the rooms if there are any. Terms hold no quotes. */
export function matchExpression(terms: readonly Term[], rooms: readonly RoomKey[]): string {
  const required = terms.map(({ text, isPrefix }) => `"${text}"${isPrefix ? " *" : ""}`);
  const inRooms = rooms.map((room) => `"${roomTerm(room)}"`).join(" OR ");
  return [...required, ...(rooms.length > 0 ? [`(${inRooms})`] : [])].join(" AND ");
}
