import { Numbering } from "../../chat/decide-import.ts";
import type { Position, Reaction, UserKey } from "../../chat/model.ts";
import type { ImportContext, ImportedRoom } from "./import-context.ts";
import { ImportReactions } from "./import-reactions.ts";

const PAGE_SIZE = 500;

type Row = [
  pk: number,
  sender: UserKey,
  text: string | null,
  sentAt: number,
  editedAt: number | null,
  deletedAt: number | null,
  replyKey: string | null,
  key: string,
  meta: string | null,
  at: string,
];

/** The messages of a room of another product. They are appended in order of their time, then of the file. */
export class ForeignMessages {
  readonly #numbering: Numbering;
  readonly #reactions: ImportReactions;
  /** Whether the keys of the room's earlier messages are in `staging.known`. */
  #keysListed = false;

  constructor(
    private readonly context: ImportContext,
    private readonly room: ImportedRoom,
  ) {
    this.#numbering = new Numbering(room.here);
    this.#reactions = new ImportReactions(context, room);
  }

  /** Returns the room's newest position afterwards. Undefined when the room must be left out. */
  async apply(): Promise<Position | undefined> {
    const { statements, pause, refuse } = this.context;
    const { pk, id } = this.room;
    const [numbered] =
      statements.all<[string]>(
        "SELECT at FROM staging.messages WHERE room = ? AND seq IS NOT NULL LIMIT 1",
        pk,
      )[0] ?? [];
    if (numbered !== undefined) {
      refuse(
        numbered,
        `A message of room ${id} has a seq, but the file does not say which seq and rev the room has.`,
      );
      return undefined;
    }
    for (let after: [sentAt: number, pk: number] = [-1, 0]; ;) {
      const rows = statements.all<Row>(
        `SELECT m.pk, u.user_pk, m.text, m.sent_at, m.edited_at, m.deleted_at, m.reply_key, m.client_id, m.meta, m.at
          FROM staging.messages m JOIN staging.users u ON u.pk = m.sender
          WHERE m.room = ? + 0 AND m.seq IS NULL AND (m.sent_at, m.pk) > (?, ?) ORDER BY m.sent_at, m.pk LIMIT ${PAGE_SIZE}`,
        pk,
        ...after,
      );
      for (const row of rows) this.#add(row);
      await pause(rows.length);
      const last = rows.at(-1);
      if (!last || rows.length < PAGE_SIZE) break;
      after = [last[3], last[0]];
    }
    this.#addStrayReactions();
    return { seq: this.#numbering.seq, rev: this.#numbering.rev };
  }

  #add([, sender, text, sentAt, editedAt, deletedAt, replyKey, key, meta, at]: Row): void {
    const { statements, counts, refuse } = this.context;
    const known = this.room.known ? this.#seqOf(sender, key) : undefined;
    if (known !== undefined) {
      counts.messages.known++;
      this.#reactTo(known, key);
      return;
    }
    const replyTo = replyKey === null ? null : this.#replyTo(replyKey);
    if (replyTo === undefined) {
      refuse(at, `This message replies to one that does not exist: ${replyKey}`);
      return;
    }
    const reacted = this.#reactions.addTo({ key }, [], { deleted: deletedAt !== null });
    const changed = editedAt !== null || deletedAt !== null || reacted !== undefined;
    const { seq, rev, changedRev } = this.#numbering.next(changed);
    statements.run(
      `INSERT INTO main.messages (room_pk, seq, created_rev, changed_rev, sender_pk, text, sent_at, edited_at, deleted_at, reply_to,
        client_id, meta, reactions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
      meta,
      reacted ? JSON.stringify(reacted.reactions) : null,
    );
    counts.messages.added++;
    if (reacted) this.#reactions.keepPending(seq, reacted.pending);
  }

  /** Adds reactions to a message that was in the room before. */
  #reactTo(seq: number, key: string): void {
    const { statements } = this.context;
    const [json, deletedAt] =
      statements.all<[string | null, number | null]>(
        "SELECT reactions, deleted_at FROM main.messages WHERE room_pk = ? AND seq = ?",
        this.room.key,
        seq,
      )[0] ?? [];
    const before = json == null ? [] : (JSON.parse(json) as Reaction[]);
    const reacted = this.#reactions.addTo({ key }, before, { deleted: deletedAt !== null });
    if (!reacted) return;
    statements.run(
      "UPDATE main.messages SET reactions = ?, changed_rev = ? WHERE room_pk = ? AND seq = ?",
      JSON.stringify(reacted.reactions),
      this.#numbering.nextRev(),
      this.room.key,
      seq,
    );
    this.#reactions.keepPending(seq, reacted.pending);
  }

  /** Reactions to messages that an earlier import brought. */
  #addStrayReactions(): void {
    for (const { message, at } of this.#reactions.strays()) {
      const seq = "key" in message ? this.#earlierSeq(message.key) : undefined;
      if (seq !== undefined && "key" in message) this.#reactTo(seq, message.key);
      else this.context.refuse(at, "This reaction is to a message that does not exist.");
    }
  }

  /** The number of a message. Undefined when it is not in the chat (yet). */
  #seqOf(sender: UserKey, key: string): number | undefined {
    return this.context.statements.all<[number]>(
      "SELECT seq FROM main.messages WHERE room_pk = ? AND sender_pk = ? AND client_id = ? AND client_id IS NOT NULL",
      this.room.key,
      sender,
      key,
    )[0]?.[0];
  }

  /** The number of the message that a reply names. Null when it comes later; undefined when there is none. */
  #replyTo(key: string): number | null | undefined {
    const { statements, skipped } = this.context;
    const [sender] =
      statements.all<[UserKey]>(
        `SELECT u.user_pk FROM staging.messages m JOIN staging.users u ON u.pk = m.sender
          WHERE m.room = ? + 0 AND m.client_id = ? || '' AND m.seq IS NULL`,
        this.room.pk,
        key,
      )[0] ?? [];
    if (sender === undefined) return this.#earlierSeq(key);
    const seq = this.#seqOf(sender, key);
    if (seq === undefined)
      skipped("references of replies to a later message, which were kept as plain messages");
    return seq ?? null;
  }

  /** The number of a message that was in the room before, by its key, whoever sent it. */
  #earlierSeq(key: string): number | undefined {
    const { statements } = this.context;
    const { pk, key: room, known, here } = this.room;
    if (!known) return undefined;
    if (!this.#keysListed) {
      statements.run(
        `INSERT OR IGNORE INTO staging.known (room, key, seq) SELECT ?, client_id, seq FROM main.messages
          WHERE room_pk = ? AND client_id IS NOT NULL AND seq <= ?`,
        pk,
        room,
        here.seq,
      );
      this.#keysListed = true;
    }
    return statements.all<[number]>(
      "SELECT seq FROM staging.known WHERE room = ? AND key = ?",
      pk,
      key,
    )[0]?.[0];
  }
}
