import { type Earlier, findImported, Numbering } from "../../chat/decide-import.ts";
import type { Position, Reaction, UserKey } from "../../chat/model.ts";
import type { ImportContext, ImportedRoom } from "./import-context.ts";
import { ImportReactions } from "./import-reactions.ts";
import { insertMessage } from "./insert-message.ts";

/** Messages after which the event loop may get a turn. */
const TURN_SIZE = 500;

type Row = [
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
    // One statement and no pages: many messages may have the same time, and each page would pass all of them again.
    const rows = statements.iterate<Row>(
      `SELECT u.user_pk, m.text, m.sent_at, m.edited_at, m.deleted_at, m.reply_key, m.client_id, m.meta, m.at
        FROM staging.messages m JOIN staging.users u ON u.pk = m.sender
        WHERE m.room = ? + 0 AND m.seq IS NULL ORDER BY m.sent_at, m.pk`,
      pk,
    );
    let added = 0;
    for (const row of rows) {
      this.#add(row);
      if (++added % TURN_SIZE === 0) await pause(TURN_SIZE);
    }
    await pause(added % TURN_SIZE);
    this.#addStrayReactions();
    return { seq: this.#numbering.seq, rev: this.#numbering.rev };
  }

  #add([sender, text, sentAt, editedAt, deletedAt, replyKey, key, meta, at]: Row): void {
    const { statements, counts, refuse } = this.context;
    const known = this.room.known ? this.#imported(key, { sender, sentAt }) : undefined;
    if (known === "key_taken") {
      this.context.skipped("messages whose key their sender has used at another time");
      this.#reactions.skip({ key }, "reactions to messages that are left out");
      return;
    }
    if (known) {
      counts.messages.known++;
      this.#reactTo(known.seq, key);
      return;
    }
    const replyTo = replyKey === null ? null : this.#replyTo(replyKey);
    if (replyTo === undefined) {
      refuse(at, `This message replies to one that does not exist: ${replyKey}`);
      return;
    }
    const reacted = this.#reactions.addTo({ key }, [], { deleted: deletedAt !== null });
    const changed = editedAt !== null || deletedAt !== null || reacted !== undefined;
    const position = this.#numbering.next(changed);
    const reactions = reacted ? JSON.stringify(reacted.reactions) : null;
    const state = { sender, text, sentAt, editedAt, deletedAt, replyTo, clientId: key, meta, reactions };
    // Both could only be taken by a message that was found before.
    if (!insertMessage(statements, this.room.key, { ...position, ...state }))
      throw new Error(`message ${key} of room ${this.room.id} cannot be inserted`);
    counts.messages.added++;
    if (reacted) this.#reactions.keepPending(position.seq, reacted.pending);
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
      const [earlier] = "key" in message ? this.#earlier(message.key) : [];
      if (earlier && "key" in message) this.#reactTo(earlier.seq, message.key);
      else this.context.refuse(at, "This reaction is to a message that does not exist.");
    }
  }

  /** The number of the message that a reply names. Null when it is not in the chat (yet); undefined when there is none. */
  #replyTo(key: string): number | null | undefined {
    const { statements, skipped } = this.context;
    const [message] = statements.all<[sender: UserKey, sentAt: number]>(
      `SELECT u.user_pk, m.sent_at FROM staging.messages m JOIN staging.users u ON u.pk = m.sender
        WHERE m.room = ? + 0 AND m.client_id = ? || '' AND m.seq IS NULL`,
      this.room.pk,
      key,
    );
    if (!message) return this.#earlier(key)[0]?.seq;
    const [sender, sentAt] = message;
    const found = this.#imported(key, { sender, sentAt });
    if (typeof found === "object") return found.seq;
    skipped("references of replies to a message that comes later or is left out");
    return null;
  }

  /** What has become of a message of the file, in this import or an earlier one. */
  #imported(key: string, message: Omit<Earlier, "seq">): ReturnType<typeof findImported> {
    const own = this.context.statements
      .all<[seq: number, sentAt: number]>(
        "SELECT seq, sent_at FROM main.messages WHERE room_pk = ? AND sender_pk = ? AND client_id = ? AND client_id IS NOT NULL",
        this.room.key,
        message.sender,
        key,
      )
      .map(([seq, sentAt]) => ({ seq, sender: message.sender, sentAt }));
    const found = findImported(message, own);
    // Most are found by their sender, which is quicker.
    return typeof found === "object" ? found : findImported(message, this.#earlier(key));
  }

  /** The messages with this key that were in the room before, from any sender, oldest first. */
  #earlier(key: string): Earlier[] {
    const { statements } = this.context;
    const { pk, key: room, known, here } = this.room;
    if (!known) return [];
    if (!this.#keysListed) {
      statements.run(
        `INSERT INTO staging.known (room, key, seq) SELECT ?, client_id, seq FROM main.messages INDEXED BY messages_client_id
          WHERE room_pk = ? AND client_id IS NOT NULL AND seq <= ?`,
        pk,
        room,
        here.seq,
      );
      this.#keysListed = true;
    }
    return statements
      .all<[seq: number, sender: UserKey, sentAt: number]>(
        `SELECT m.seq, m.sender_pk, m.sent_at FROM staging.known k JOIN main.messages m ON m.room_pk = ? + 0 AND m.seq = k.seq
          WHERE k.room = ? + 0 AND k.key = ? || '' ORDER BY k.seq`,
        room,
        pk,
        key,
      )
      .map(([seq, sender, sentAt]) => ({ seq, sender, sentAt }));
  }
}
