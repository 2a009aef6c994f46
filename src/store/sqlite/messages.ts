import type { Message, Page, Position, RoomKey } from "../../chat/model.ts";
import type { History, Range } from "../../chat/store.ts";
import type { Queries } from "./queries.ts";
import { CREATED_REV, type CreatedRow, type MessageRow, REV, toMessages } from "./rows.ts";

/** Reads of a room's messages. */
export class Messages {
  constructor(private readonly queries: Queries) {}

  head(room: RoomKey): Position | undefined {
    const row = this.queries.head.get({ room });
    return row && { seq: row[0], rev: row[1] };
  }

  history(room: RoomKey, limit: number): History | undefined {
    const head = this.head(room);
    // Not beyond the head: another process may have written between the two statements.
    return head && { ...head, messages: this.range(room, { before: head.seq + 1, limit }) };
  }

  range(room: RoomKey, { after = 0, before = 2 ** 53, limit, oldest = false }: Range): Message[] {
    const range = { room, after, before, limit };
    const rows = oldest ? this.queries.oldest.all(range) : this.queries.newest.all(range).toReversed();
    return toMessages(this.queries, rows);
  }

  changes(room: RoomKey, rev: number, limit: number): Page {
    const head = this.head(room) ?? { seq: 0, rev: 0 };
    if (rev >= head.rev) return { messages: [], rev };
    const { created, changed } = this.queries;
    // A page of messages in order of creation. It is complete up to the creation of its last message.
    const after = this.#lastCreatedBy(room, rev, Math.min(head.seq, rev));
    const next = created.all({ room, after, limit });
    let upTo = next.length < limit ? head.rev : (next.at(-1)?.[CREATED_REV] ?? rev);
    const later = changed.all({ room, rev, upTo, limit });
    if (later.length === limit) upTo = later.at(-1)?.[REV] ?? upTo;
    // A message that was changed after its creation comes with its last change instead.
    const rows: (CreatedRow | MessageRow)[] = next.filter(
      (row) => row[REV] === row[CREATED_REV] && row[REV] <= upTo,
    );
    rows.push(...later);
    if (later.length > 0) rows.sort((a, b) => a[REV] - b[REV]);
    return { messages: toMessages(this.queries, rows), rev: upTo };
  }

  /** The last `seq`, at most `high`, that was created at or before `rev`. `createdRev` rises with `seq`: a binary search. */
  #lastCreatedBy(room: RoomKey, rev: number, high: number): number {
    let low = 0;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const [created] = this.queries.createdRev.get({ room, seq: middle }) ?? [];
      if (created !== undefined && created <= rev) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
