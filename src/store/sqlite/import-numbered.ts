import { type NumberedMessage, Restoration } from "../../chat/decide-import.ts";
import type { Position, UserKey } from "../../chat/model.ts";
import type { ImportContext, ImportedRoom } from "./import-context.ts";
import { ImportReactions } from "./import-reactions.ts";

const PAGE_SIZE = 500;

type Row = [
  seq: number,
  rev: number,
  changedRev: number | null,
  sender: UserKey,
  signedIn: number,
  text: string | null,
  sentAt: number,
  editedAt: number | null,
  deletedAt: number | null,
  replyTo: number | null,
  clientId: string | null,
  meta: string | null,
  reacted: number,
  at: string,
  // The message with this number in the chat. Null when there is none.
  rev: number | null,
  changedRev: number | null,
  sender: UserKey | null,
  sentAt: number | null,
];

/** The messages of a room from Parley, which keep their numbers. */
export class NumberedMessages {
  readonly #restoration: Restoration;
  readonly #reactions: ImportReactions;

  constructor(
    private readonly context: ImportContext,
    private readonly room: ImportedRoom,
    file: Position,
  ) {
    this.#restoration = new Restoration(file, room.here);
    this.#reactions = new ImportReactions(context, room);
  }

  /** Returns the room's newest position afterwards. Undefined when the room must be left out. */
  async apply(): Promise<Position | undefined> {
    const { statements, pause } = this.context;
    if (this.#refuseAtOnce()) return undefined;
    for (let after = 0; ;) {
      const rows = statements.all<Row>(
        `SELECT m.seq, m.rev, m.changed_rev, u.pk, u.signed_in, m.text, m.sent_at, m.edited_at, m.deleted_at, m.reply_seq,
            m.client_id, m.meta, EXISTS (SELECT 1 FROM staging.reactions r
              WHERE r.room = m.room AND r.message_seq = m.seq AND r.message_seq IS NOT NULL), m.at,
            h.created_rev, h.changed_rev, h.sender_pk, h.sent_at
          FROM staging.messages m JOIN staging.users s ON s.pk = m.sender JOIN main.users u ON u.pk = s.user_pk
          LEFT JOIN main.messages h ON h.room_pk = ? + 0 AND h.seq = m.seq
          WHERE m.room = ? + 0 AND m.seq > ? AND m.seq IS NOT NULL ORDER BY m.seq LIMIT ${PAGE_SIZE}`,
        this.room.key,
        this.room.pk,
        after,
      );
      for (const row of rows) if (!this.#add(row)) return undefined;
      await pause(rows.length);
      after = rows.at(-1)?.[0] ?? after;
      if (rows.length < PAGE_SIZE) break;
    }
    const end = this.#restoration.end();
    if (end) return this.#leaveOut(this.room.at, end.invalid);
    for (const { at } of this.#reactions.strays())
      this.context.refuse(at, "This reaction is to a message that is not in the file.");
    return this.#restoration.head;
  }

  /** Whether facts about all messages make the room invalid. */
  #refuseAtOnce(): boolean {
    const { statements } = this.context;
    const { pk } = this.room;
    const [foreign] =
      statements.all<[string]>(
        "SELECT at FROM staging.messages WHERE room = ? AND seq IS NULL LIMIT 1",
        pk,
      )[0] ?? [];
    if (foreign !== undefined) this.#leaveOut(foreign, "A message has no seq, but the room has.");
    const [shared, rev] =
      statements.all<[string, number]>(
        `SELECT a.at, a.changed_rev FROM staging.messages a WHERE a.room = ?1 AND a.changed_rev IS NOT NULL AND EXISTS (
          SELECT 1 FROM staging.messages b WHERE b.room = ?1 AND b.rev = a.changed_rev AND b.rev IS NOT NULL) LIMIT 1`,
        pk,
      )[0] ?? [];
    if (shared !== undefined) this.#leaveOut(shared, `Two messages have the rev ${rev}.`);
    return foreign !== undefined || shared !== undefined;
  }

  /** Adds, changes or skips one message. Returns false when the room must be left out. */
  #add(row: Row): boolean {
    const [seq, rev, changedRev, sender, signedIn, , sentAt, , , , clientId, , reacted, at] = row;
    const { counts } = this.context;
    // Messages of such a user are found by their client_id when they sign in.
    if (clientId === null && signedIn === 0) {
      this.#leaveOut(at, `Message ${seq} has no client_id, and its sender has never signed in.`);
      return false;
    }
    const message = { seq, rev, changedRev, sender, sentAt, hasReactions: reacted === 1 };
    const step = this.#restoration.next(message, inChat(row));
    if (typeof step === "object") {
      this.#leaveOut(at, step.invalid);
      return false;
    }
    if (step === "keep") {
      counts.messages.known++;
      this.#reactions.countKnown(seq);
      return true;
    }
    if (this.#write(step, row)) {
      counts.messages.added++;
      return true;
    }
    this.#leaveOut(at, `Message ${seq} has the changed rev or the client_id of another one.`);
    return false;
  }

  /** Returns false when another message stands in the way. */
  #write(step: "insert" | "update", row: Row): boolean {
    const { statements } = this.context;
    const [seq, rev, changedRev, sender, , text, sentAt, editedAt, deletedAt, replyTo, clientId, meta] = row;
    const { key } = this.room;
    const reacted = this.#reactions.addTo({ seq }, [], { deleted: deletedAt !== null });
    const reactions = reacted ? JSON.stringify(reacted.reactions) : null;
    const written =
      step === "insert"
        ? statements.run(
            `INSERT OR IGNORE INTO main.messages (room_pk, seq, created_rev, changed_rev, sender_pk, text, sent_at, edited_at, deleted_at,
              reply_to, client_id, meta, reactions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
            key,
            seq,
            rev,
            changedRev,
            sender,
            text,
            sentAt,
            editedAt,
            deletedAt,
            replyTo,
            clientId,
            meta,
            reactions,
          )
        : statements.run(
            `UPDATE OR IGNORE main.messages SET changed_rev = ?, text = ?, meta = ?, edited_at = ?, deleted_at = ?, reactions = ?
              WHERE room_pk = ? AND seq = ?`,
            changedRev,
            text,
            meta,
            editedAt,
            deletedAt,
            reactions,
            key,
            seq,
          );
    if (step === "update")
      statements.run("DELETE FROM main.pending_reactions WHERE room_pk = ? AND seq = ?", key, seq);
    if (reacted) this.#reactions.keepPending(seq, reacted.pending);
    return written > 0;
  }

  #leaveOut(at: string, reason: string): undefined {
    this.context.refuse(at, `Room ${this.room.id}: ${reason}`);
  }
}

function inChat(row: Row): NumberedMessage | undefined {
  const [rev, changedRev, sender, sentAt] = row.slice(-4) as (number | null)[];
  if (rev == null || sender == null || sentAt == null) return undefined;
  return { seq: row[0], rev, changedRev: changedRev ?? null, sender, sentAt, hasReactions: false };
}
