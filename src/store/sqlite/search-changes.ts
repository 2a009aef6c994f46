import type { RoomKey } from "../../chat/model.ts";
import type { SearchTerms } from "./search-terms.ts";
import type { Statements } from "./statements.ts";

/** Terms that are removed at once so that nothing of them is left, which takes about 30 µs each. */
const MAX_ERASED_TERMS = 100;
/** When more messages than this have changed, deleted ones are only marked, and a cleanup of the whole index overwrites them. */
const ERASED_BACKLOG = 64;
/** Terms that are marked at once. */
const MAX_MARKED_TERMS = 3000;

type ChangeRow = [
  rowId: number,
  room: RoomKey,
  /** The text that is in the index. */
  before: string | null,
  /** How many of its terms have been removed. */
  removed: number,
  now: string | null,
];

/** Messages whose text has changed since they were indexed: the rows that the triggers of `messages` add to `search_changes`. */
export class SearchChanges {
  constructor(
    private readonly statements: Statements,
    private readonly terms: SearchTerms,
  ) {}

  get isEmpty(): boolean {
    return this.statements.all("SELECT 1 FROM search_changes LIMIT 1").length === 0;
  }

  /** Indexes some of the messages again. Must be called within a transaction. Returns whether some were only marked as deleted. */
  apply(): boolean {
    const backlog = this.statements.all("SELECT 1 FROM search_changes LIMIT ?", ERASED_BACKLOG + 1).length;
    // Only deleted messages are marked: FTS5 cannot erase what was added again to a row with a mark.
    const isMarking = backlog > ERASED_BACKLOG && isDeletion(this.#next());
    this.terms.setErasing(!isMarking);
    let budget = isMarking ? MAX_MARKED_TERMS : MAX_ERASED_TERMS;
    while (budget > 0) {
      const change = this.#next();
      if (!change || (isMarking && !isDeletion(change))) break;
      budget -= this.#apply(change, budget);
    }
    return isMarking;
  }

  #next(): ChangeRow | undefined {
    return this.statements.all<ChangeRow>(
      `SELECT c.row_id, c.room_pk, c.text, c.removed, m.text FROM search_changes c
        LEFT JOIN messages m ON m.room_pk = c.room_pk AND m.seq = c.seq ORDER BY c.row_id LIMIT 1`,
    )[0];
  }

  /** Returns how much of the budget it took. */
  #apply([rowId, room, before, removed, now]: ChangeRow, budget: number): number {
    const { count, isDone } =
      before === null ? { count: 0, isDone: true } : this.terms.remove(rowId, room, before, removed, budget);
    if (!isDone) {
      this.statements.run("UPDATE search_changes SET removed = removed + ? WHERE row_id = ?", count, rowId);
      return count;
    }
    if (now !== null) this.terms.add(rowId, room, now);
    this.statements.run("DELETE FROM search_changes WHERE row_id = ?", rowId);
    return count + 1;
  }
}

const isDeletion = (change: ChangeRow | undefined) => change?.[4] === null;
