import { react } from "../../chat/decide-amendment.ts";
import { isRefused } from "../../chat/errors.ts";
import type { Reaction, UserKey } from "../../chat/model.ts";
import type { MessageRef } from "../../chat/transfer.ts";
import type { ImportContext, ImportedRoom } from "./import-context.ts";

const PAGE_SIZE = 1000;

type Row = [
  pk: number,
  user: UserKey,
  sub: string | null,
  email: string | null,
  signedIn: number,
  emoji: string,
];

/** A message's reactions with those of the file. */
interface Collected {
  reactions: readonly Reaction[];
  added: number;
  /** Users who have never signed in. Without a `sub`, their reaction stands under their email. */
  pending: UserKey[];
}

/** The reactions in the file to messages of one room. */
export class ImportReactions {
  readonly #any: boolean;

  constructor(
    private readonly context: ImportContext,
    private readonly room: ImportedRoom,
  ) {
    const found = context.statements.all(
      "SELECT 1 FROM staging.reactions WHERE room = ? LIMIT 1",
      room.pk,
    )[0];
    this.#any = found !== undefined;
  }

  /** Adds the reactions of the file to those of a message. Undefined when that changes nothing. */
  addTo(
    message: MessageRef,
    before: readonly Reaction[],
    { deleted }: { deleted: boolean },
  ): Collected | undefined {
    if (!this.#any) return undefined;
    const { counts, skipped } = this.context;
    const collected: Collected = { reactions: before, added: 0, pending: [] };
    for (const [, user, sub, email, signedIn, emoji] of this.#rows(message)) {
      if (deleted) {
        skipped("reactions to deleted messages");
        continue;
      }
      const reactions = react(collected.reactions, { emoji, on: true }, sub ?? email ?? "");
      if (reactions === undefined) {
        counts.reactions.known++;
      } else if (isRefused(reactions)) {
        skipped("reactions beyond the limits of a message");
      } else {
        collected.reactions = reactions;
        collected.added++;
        if (signedIn === 0) collected.pending.push(user);
      }
    }
    if (collected.added === 0) return undefined;
    counts.reactions.added += collected.added;
    return collected;
  }

  /** Counts the reactions to a message that stays as it is. */
  countKnown(seq: number): void {
    if (this.#any) for (const _ of this.#rows({ seq })) this.context.counts.reactions.known++;
  }

  /** Leaves the reactions to a message out. The reason is plural. */
  skip(message: MessageRef, reason: string): void {
    if (this.#any) for (const _ of this.#rows(message)) this.context.skipped(reason);
  }

  /** Notes that these users have reacted before they signed in. */
  keepPending(seq: number, users: readonly UserKey[]): void {
    for (const user of users) {
      this.context.statements.run(
        "INSERT OR IGNORE INTO main.pending_reactions (room_pk, seq, user_pk) VALUES (?, ?, ?)",
        this.room.key,
        seq,
        user,
      );
    }
  }

  /** Reactions to messages that are not in the file, with their places. */
  *strays(): Iterable<{ message: MessageRef; at: string }> {
    if (!this.#any) return;
    for (let after = 0; ;) {
      const rows = this.context.statements.all<[number, string | null, number | null, string]>(
        `SELECT pk, message_key, message_seq, at FROM staging.reactions r INDEXED BY reactions_room WHERE room = ? + 0 AND pk > ? AND NOT EXISTS (
            SELECT 1 FROM staging.messages m WHERE m.room = r.room AND m.client_id = r.message_key AND m.seq IS NULL)
          AND NOT EXISTS (
            SELECT 1 FROM staging.messages m WHERE m.room = r.room AND m.seq = r.message_seq AND m.seq IS NOT NULL)
          ORDER BY pk LIMIT ${PAGE_SIZE}`,
        this.room.pk,
        after,
      );
      for (const [, key, seq, at] of rows) yield { message: key === null ? { seq: seq ?? 0 } : { key }, at };
      if (rows.length < PAGE_SIZE) return;
      after = rows.at(-1)?.[0] ?? after;
    }
  }

  *#rows(message: MessageRef): Iterable<Row> {
    const [column, value, bound] =
      "key" in message ? ["message_key", "? || ''", message.key] : ["message_seq", "? + 0", message.seq];
    for (let after = 0; ;) {
      const rows = this.context.statements.all<Row>(
        `SELECT r.pk, u.pk, u.sub, u.email, u.signed_in, r.emoji FROM staging.reactions r JOIN staging.users s ON s.pk = r.user
          JOIN main.users u ON u.pk = s.user_pk WHERE r.room = ? + 0 AND r.${column} = ${value} AND r.${column} IS NOT NULL AND r.pk > ?
          ORDER BY r.pk LIMIT ${PAGE_SIZE}`,
        this.room.pk,
        bound,
        after,
      );
      yield* rows;
      if (rows.length < PAGE_SIZE) return;
      after = rows.at(-1)?.[0] ?? after;
    }
  }
}
