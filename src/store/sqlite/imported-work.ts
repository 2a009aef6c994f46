import type { Database } from "bun:sqlite";

import { renameReactor } from "../../chat/decide-users.ts";
import type { Reaction, RoomKey, UserKey } from "../../chat/model.ts";
import { Statements } from "./statements.ts";

/** Messages whose reactions are rewritten at a time. */
const PAGE_SIZE = 500;

/** Messages by sender, room by room. Those of a user who has never signed in all have a `client_id`. */
const SENT = "room_pk IN (SELECT pk FROM rooms) AND sender_pk = ? AND client_id IS NOT NULL";

/**
 * What a user who has never signed in has in the chat because it was imported: messages, reactions and rooms that they created.
 * Methods that write must be called within a transaction.
 */
export class ImportedWork {
  readonly #statements: Statements;

  constructor(client: Database) {
    this.#statements = new Statements(client);
  }

  exists(user: UserKey): boolean {
    const found = this.#statements.all(
      `SELECT 1 FROM messages INDEXED BY messages_client_id WHERE ${SENT}
        UNION ALL SELECT 1 FROM pending_reactions WHERE user_pk = ?
        UNION ALL SELECT 1 FROM rooms WHERE created_by = ? AND deleted_at IS NULL LIMIT 1`,
      user,
      user,
      user,
    )[0];
    return found !== undefined;
  }

  /** Gives messages and rooms to another user, who has signed in. */
  move(from: UserKey, to: UserKey): void {
    const update = "messages INDEXED BY messages_client_id SET sender_pk = ?";
    this.#statements.run(`UPDATE OR IGNORE ${update} WHERE ${SENT}`, to, from);
    // Left are those whose client_id the other user has used in the same room: each has only one message for it.
    this.#statements.run(`UPDATE ${update}, client_id = NULL WHERE ${SENT}`, to, from);
    this.#statements.run(
      "UPDATE rooms SET created_by = ? WHERE created_by = ? AND deleted_at IS NULL",
      to,
      from,
    );
  }

  /**
   * Rewrites the reactions of a user who signs in for the first time: from one id, which may be their email, to another. Each is
   * a change of its room, which connections learn with the room's next change.
   */
  claimReactions(user: UserKey, ids: { from: string; to: string }): void {
    for (;;) {
      const rows = this.#statements.all<[RoomKey, number, string | null]>(
        `SELECT p.room_pk, p.seq, m.reactions FROM pending_reactions p
          LEFT JOIN messages m ON m.room_pk = p.room_pk AND m.seq = p.seq WHERE p.user_pk = ? LIMIT ${PAGE_SIZE}`,
        user,
      );
      if (rows.length === 0) return;
      for (const [room, seq, reactions] of rows) {
        this.#statements.run(
          "DELETE FROM pending_reactions WHERE room_pk = ? AND seq = ? AND user_pk = ?",
          room,
          seq,
          user,
        );
        if (reactions !== null && ids.from !== ids.to) this.#rewrite(room, seq, reactions, ids);
      }
    }
  }

  #rewrite(room: RoomKey, seq: number, reactions: string, ids: { from: string; to: string }): void {
    const renamed = renameReactor(JSON.parse(reactions) as Reaction[], ids);
    const [rev] =
      this.#statements.all<[number]>("UPDATE rooms SET rev = rev + 1 WHERE pk = ? RETURNING rev", room)[0] ??
      [];
    this.#statements.run(
      "UPDATE messages SET reactions = ?, changed_rev = ? WHERE room_pk = ? AND seq = ?",
      JSON.stringify(renamed),
      rev ?? null,
      room,
      seq,
    );
  }
}
