import { Numbering } from "../../chat/decide-import.ts";
import type { Position, Reaction, UserKey } from "../../chat/model.ts";
import { ImportReactions } from "./import-reactions.ts";
import type { ImportContext, ImportedRoom } from "./importer.ts";

const PAGE_SIZE = 500;

type Row = [
  pk: number,
  sender: UserKey,
  text: string | null,
  sentAt: number,
  editedAt: number | null,
  deletedAt: number | null,
  replyKey: string | null,
  replySeq: number | null,
  key: string,
  at: string,
];

/** The messages of a room of another product. They are appended in order of their time, then of the file. */
export class ForeignMessages {
  readonly #numbering: Numbering;
  readonly #reactions: ImportReactions;
  /** Whether the keys of the room's earlier messages are in their table. */
  #keysListed = false;

  constructor(
    private readonly context: ImportContext,
    private readonly room: ImportedRoom,
  ) {
    this.#numbering = new Numbering(room.here);
    this.#reactions = new ImportReactions(context, room);
  }

  /** Returns the room's newest position afterwards. */
  async apply(): Promise<Position> {
    const { statements, pause, refuse } = this.context;
    const [numbered] =
      statements.get<[string]>(
        "SELECT at FROM staging.messages WHERE room = ? AND seq IS NOT NULL LIMIT 1",
        this.room.pk,
      ) ?? [];
    if (numbered !== undefined)
      refuse(
        numbered,
        `Message with a seq, but the file does not say which seq and rev room ${this.room.id} has reached.`,
      );
    for (let after: [sentAt: number, pk: number] = [-1, 0]; ;) {
      const rows = statements.all<Row>(
        `SELECT m.pk, u.user_pk, m.text, m.sent_at, m.edited_at, m.deleted_at, m.reply_key, m.reply_seq, m.client_id, m.at
          FROM staging.messages m JOIN staging.users u ON u.pk = m.sender
          WHERE m.room = ? AND m.seq IS NULL AND (m.sent_at, m.pk) > (?, ?) ORDER BY m.sent_at, m.pk LIMIT ${PAGE_SIZE}`,
        this.room.pk,
        ...after,
      );
      for (const row of rows) this.#add(row);
      await pause(rows.length);
      const last = rows.at(-1);
      if (!last || rows.length < PAGE_SIZE) break;
      after = [last[3], last[0]];
    }
    return { seq: this.#numbering.seq, rev: this.#numbering.rev };
  }

  #add(row: Row): void {
    const [, sender, text, sentAt, editedAt, deletedAt, replyKey, , key, at] = row;
    const { statements, counts, refuse } = this.context;
    const before = this.room.known ? this.#seqOf(sender, key) : undefined;
    if (before !== undefined) {
      counts.messages.known++;
      return;
    }
    const replyTo = replyKey === null ? null : this.#replyTo(replyKey);
    if (replyTo === undefined) return refuse(at, `Reply to a message that does not exist: ${replyKey}`);
    const reactions = this.#reactions.of({ key });
    const changed = editedAt !== null || deletedAt !== null || reactions !== null;
    const { seq, rev, changedRev } = this.#numbering.next(changed);
    statements.run(
      `INSERT INTO main.messages (room_pk, seq, created_rev, changed_rev, sender_pk, text, sent_at, edited_at, deleted_at, reply_to,
        client_id, reactions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      this.room.key,
      seq,
      rev,
      changedRev,
      sender,
      text,
      sentAt,
      editedAt,
      deletedAt,
      replyTo,
      key,
      reactions,
    );
    counts.messages.added++;
  }

  /** The number of a message. Undefined when it is not in the chat (yet). */
  #seqOf(sender: UserKey, key: string): number | undefined {
    return this.context.statements.get<[number]>(
      "SELECT seq FROM main.messages WHERE room_pk = ? AND sender_pk = ? AND client_id = ? AND client_id IS NOT NULL",
      this.room.key,
      sender,
      key,
    )?.[0];
  }

  /** The number of the message that a reply names. Null when it comes later; undefined when there is none. */
  #replyTo(key: string): number | null | undefined {
    const { statements, skipped } = this.context;
    const [sender] =
      statements.get<[UserKey]>(
        `SELECT u.user_pk FROM staging.messages m JOIN staging.users u ON u.pk = m.sender
          WHERE m.room = ? AND m.client_id = ? AND m.seq IS NULL`,
        this.room.pk,
        key,
      ) ?? [];
    if (sender === undefined) return undefined;
    const seq = this.#seqOf(sender, key);
    if (seq === undefined) skipped("replies to a later message, which were kept as plain messages");
    return seq ?? null;
  }
}
