import type { Message, RoomKey } from "../../chat/model.ts";
import type { Page, Range } from "../../chat/store.ts";
import { type CreatedRow, type MessageRow, type Statements, toMessages } from "./queries.ts";

/** What is read of a room's messages. */
export class Messages {
  constructor(private readonly statements: Statements) {}

  range(room: RoomKey, { after = 0, before = 2 ** 53, limit, oldest = false }: Range): Message[] {
    const range = { room, after, before, limit };
    const { oldest: first, newest: last } = this.statements;
    return toMessages(this.statements, oldest ? first.all(range) : last.all(range).toReversed());
  }

  changes(room: RoomKey, rev: number, limit: number): Page {
    const [seq = 0, end = 0] = this.statements.head.get({ room }) ?? [];
    if (rev >= end) return { messages: [], rev };
    const { created, changed } = this.statements;
    // As many messages as the page takes, in the order of their creation: it ends where the last of them was created.
    const next = created.all({ room, after: this.#createdUpTo(room, Math.min(seq, rev), rev), limit });
    let upTo = next.length < limit ? end : (next.at(-1)?.[10] ?? rev);
    const later = changed.all({ room, rev, upTo, limit });
    if (later.length === limit) upTo = later.at(-1)?.[1] ?? upTo;
    // Those that were changed since come with their last change.
    const rows: (CreatedRow | MessageRow)[] = next.filter((row) => row[1] === row[10] && row[1] <= upTo);
    rows.push(...later);
    if (later.length > 0) rows.sort((a, b) => a[1] - b[1]);
    return { messages: toMessages(this.statements, rows), rev: upTo };
  }

  /** The last `seq`, up to `high`, that was created at or before `rev`. `createdRev` rises with `seq`: a binary search. */
  #createdUpTo(room: RoomKey, high: number, rev: number): number {
    let low = 0;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const [created] = this.statements.createdRev.get({ room, seq: middle }) ?? [];
      if (created !== undefined && created <= rev) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
