import type { RoomKey } from "../../chat/model.ts";
import type { Place, SearchScope } from "../../chat/search-index.ts";
import type { SearchTerms } from "./search-terms.ts";
import type { Statements } from "./statements.ts";

/** Row ids of a block. */
export const BLOCK_SIZE = 64;
/** A block holds the messages of a week at most, so that positions of all rooms are in order of time, by weeks. */
const BLOCK_MS = 7 * 86_400_000;
/** Messages that are read at once. In quiet rooms few of them are of one block. */
const PAGE_SIZE = 16;

/** What may still be indexed in this turn. */
export interface PartBudget {
  messages: number;
  /** UTF-16 units of text. */
  length: number;
}

type BlockRow = [pk: number, firstSeq: number, nextSeq: number, startedAt: number];
type MessageRow = [seq: number, text: string | null, sentAt: number];

/** A condition for rooms `r` of a scope, whose parameter is `?1`. */
export const inScope = (scope: SearchScope) =>
  "room" in scope
    ? "r.pk = ?1 AND r.deleted_at IS NULL"
    : "r.deleted_at IS NULL AND r.pk IN (SELECT room_pk FROM members WHERE user_pk = ?1)";
export const scopeKey = (scope: SearchScope) => ("room" in scope ? scope.room : scope.member);

/** Which messages are in the index, and at which positions: their row ids. */
export class SearchBlocks {
  constructor(private readonly statements: Statements) {}

  /** When the room's first message that is not in the index was sent. Undefined when there is none. */
  firstUnindexed(room: RoomKey): number | undefined {
    const nextSeq = this.#last(room)?.[2] ?? 1;
    return this.statements.all<[number]>(
      `SELECT sent_at FROM messages WHERE room_pk = ?1 AND seq >= ?2
        AND EXISTS (SELECT 1 FROM rooms WHERE pk = ?1 AND deleted_at IS NULL) ORDER BY seq LIMIT 1`,
      room,
      nextSeq,
    )[0]?.[0];
  }

  /**
   * Adds the room's next messages to the index, up to the end of a block or of the budget. Returns when the first one that is left
   * was sent; undefined when none is.
   */
  extend(room: RoomKey, budget: PartBudget, terms: SearchTerms): number | undefined {
    let block = this.#last(room);
    let nextSeq = block?.[2] ?? 1;
    let left: number | undefined;
    let added = 0;
    for (const row of this.#messagesFrom(room, nextSeq)) {
      const [seq, text, sentAt] = row;
      if (!block || !fits(block, row)) {
        if (added > 0) left = sentAt;
        else block = this.#create(room, row);
      } else if (budget.messages <= 0 || budget.length <= 0) left = sentAt;
      if (!block || left !== undefined) break;
      if (text !== null) terms.add(rowIdOf(block[0], block[1], seq), room, text);
      budget.messages--;
      budget.length -= text?.length ?? 0;
      added++;
      nextSeq = seq + 1;
    }
    if (block && added > 0)
      this.statements.run("UPDATE search_blocks SET next_seq = ? WHERE pk = ?", nextSeq, block[0]);
    return left;
  }

  *#messagesFrom(room: RoomKey, firstSeq: number): Iterable<MessageRow> {
    for (let seq = firstSeq; ;) {
      const rows = this.statements.all<MessageRow>(
        "SELECT seq, text, sent_at FROM messages WHERE room_pk = ? AND seq >= ? ORDER BY seq LIMIT ?",
        room,
        seq,
        PAGE_SIZE,
      );
      yield* rows;
      if (rows.length < PAGE_SIZE) return;
      seq = (rows.at(-1)?.[0] ?? 0) + 1;
    }
  }

  positionOf(scope: SearchScope, { room: id, seq }: Place): number | undefined {
    const [room] =
      this.statements.all<[RoomKey]>(
        `SELECT r.pk FROM rooms r WHERE r.id = ?2 AND ${inScope(scope)}`,
        scopeKey(scope),
        id,
      )[0] ?? [];
    const block = room === undefined ? undefined : this.#blockAt(room, seq);
    if (!block) return undefined;
    const [pk, firstSeq, nextSeq] = block;
    return seq < nextSeq ? rowIdOf(pk, firstSeq, seq) : undefined;
  }

  placeAt(scope: SearchScope, position: number): Place | undefined {
    const pk = Math.floor(position / BLOCK_SIZE);
    // Room by room: in order of `pk`, there may be any number of other rooms' blocks in between.
    const row = this.statements.all<[room: string, pk: number, firstSeq: number, nextSeq: number]>(
      `SELECT r.id, b.pk, b.first_seq, b.next_seq FROM search_blocks b JOIN rooms r ON r.pk = b.room_pk WHERE b.pk =
        (SELECT max((SELECT pk FROM search_blocks WHERE room_pk = r.pk AND pk <= ?2 ORDER BY pk DESC LIMIT 1))
          FROM rooms r WHERE ${inScope(scope)})`,
      scopeKey(scope),
      pk,
    )[0];
    if (!row) return undefined;
    const [room, found, firstSeq, nextSeq] = row;
    const last = found === pk ? Math.min(nextSeq - 1, firstSeq + (position % BLOCK_SIZE)) : nextSeq - 1;
    return { room, seq: last };
  }

  /** The lowest and the highest position of a scope, both inclusive. Undefined when there is none. */
  bounds(scope: SearchScope): { low: number; high: number } | undefined {
    if (!("room" in scope)) {
      const [pk] = this.statements.all<[number | null]>("SELECT max(pk) FROM search_blocks")[0] ?? [];
      return pk == null ? undefined : { low: 0, high: rowIdOf(pk, 0, BLOCK_SIZE - 1) };
    }
    const { room, after = 0, before = Number.MAX_SAFE_INTEGER } = scope;
    const first = this.#blockAt(room, after + 1);
    const last = this.#blockAt(room, before - 1);
    if (!last) return undefined;
    return {
      low: first ? rowIdOf(first[0], first[1], Math.min(first[2], after + 1)) : 0,
      high: rowIdOf(last[0], last[1], Math.min(last[2], before) - 1),
    };
  }

  #last(room: RoomKey): BlockRow | undefined {
    return this.#blockAt(room, Number.MAX_SAFE_INTEGER);
  }

  /** The block of a message if it is in the index, or the last one before. */
  #blockAt(room: RoomKey, seq: number): BlockRow | undefined {
    return this.statements.all<BlockRow>(
      `SELECT pk, first_seq, next_seq, started_at FROM search_blocks WHERE room_pk = ? AND first_seq <= ?
        ORDER BY first_seq DESC LIMIT 1`,
      room,
      seq,
    )[0];
  }

  #create(room: RoomKey, [seq, , sentAt]: MessageRow): BlockRow {
    const [pk = 0] =
      this.statements.all<[number]>(
        `INSERT INTO search_blocks (room_pk, first_seq, next_seq, started_at) VALUES (?1, ?2, ?2, ?3) RETURNING pk`,
        room,
        seq,
        sentAt,
      )[0] ?? [];
    return [pk, seq, seq, sentAt];
  }
}

const rowIdOf = (pk: number, firstSeq: number, seq: number) => pk * BLOCK_SIZE + seq - firstSeq;

/** Whether a message still belongs to a block. */
function fits([, firstSeq, , startedAt]: BlockRow, [seq, , sentAt]: MessageRow): boolean {
  return seq - firstSeq < BLOCK_SIZE && sentAt < startedAt + BLOCK_MS;
}
