import { Database } from "bun:sqlite";

import type { MessageBody, ReactionBody } from "../../src/protocol/frames.ts";

/** A message as stored, and as everyone should see it. */
export interface StoredMessage {
  createdRev: number;
  body: MessageBody;
}

export interface StoredRoom {
  seq: number;
  rev: number;
  /** Ascending by `seq`. */
  messages: StoredMessage[];
  /** Read marks by user id. */
  readMarks: Map<string, number>;
}

interface MessageRow {
  seq: number;
  created_rev: number;
  changed_rev: number | null;
  sub: string;
  email: string;
  name: string | null;
  text: string | null;
  sent_at: number;
  edited_at: number | null;
  deleted_at: number | null;
  reply_to: number | null;
  client_id: string | null;
  reactions: string | null;
}

/** Reads the server's database file without any of the server's code. */
export class DatabaseReader implements Disposable {
  readonly #db: Database;

  constructor(path: string) {
    this.#db = new Database(path, { readonly: true });
  }

  rev(room: string): number {
    const row = this.#db.query<{ rev: number }, [string]>("SELECT rev FROM rooms WHERE id = ?").get(room);
    return row?.rev ?? 0;
  }

  room(id: string): StoredRoom {
    const room = this.#db
      .query<{ pk: number; seq: number; rev: number }, [string]>(
        "SELECT pk, seq, rev FROM rooms WHERE id = ?",
      )
      .get(id);
    if (!room) throw new Error(`room ${id} is not in the database`);
    const messages = this.#db
      .query<MessageRow, [number]>(
        `SELECT seq, created_rev, changed_rev, sub, email, name, text, sent_at, edited_at, deleted_at, reply_to,
           client_id, reactions FROM messages JOIN users ON pk = sender_pk WHERE room_pk = ? ORDER BY seq`,
      )
      .all(room.pk);
    const readMarks = this.#db
      .query<{ sub: string; seq: number }, [number]>(
        "SELECT sub, seq FROM reads JOIN users ON pk = user_pk WHERE room_pk = ?",
      )
      .all(room.pk);
    return {
      seq: room.seq,
      rev: room.rev,
      messages: messages.map(toMessage),
      readMarks: new Map(readMarks.map(({ sub, seq }) => [sub, seq])),
    };
  }

  /** Errors that SQLite finds in the file. */
  errors(): unknown[] {
    const integrity = this.#db.query("PRAGMA integrity_check").values().flat();
    return [
      ...integrity.filter((line) => line !== "ok"),
      ...this.#db.query("PRAGMA foreign_key_check").values(),
    ];
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

const time = (at: number) => new Date(at).toISOString();

function toMessage(row: MessageRow): StoredMessage {
  const { seq, sub: id, email, name } = row;
  return {
    createdRev: row.created_rev,
    body: {
      seq,
      rev: row.changed_rev ?? row.created_rev,
      sender: { id, email, name },
      text: row.text ?? "",
      sent_at: time(row.sent_at),
      ...(row.edited_at !== null && { edited_at: time(row.edited_at) }),
      ...(row.deleted_at !== null && { deleted_at: time(row.deleted_at) }),
      ...(row.reply_to !== null && { reply_to: row.reply_to }),
      ...(row.client_id !== null && { client_id: row.client_id }),
      reactions: row.reactions === null ? [] : (JSON.parse(row.reactions) as ReactionBody[]),
    },
  };
}
