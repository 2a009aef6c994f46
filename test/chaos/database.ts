import { Database } from "bun:sqlite";

import type { MessageBody, ReactionBody } from "../../src/protocol/frames.ts";

/** A message as stored, and as everyone should see it. */
export interface StoredMessage {
  createdRev: number;
  body: MessageBody;
}

/** A user's room as their list should show it. */
export interface StoredSummary {
  id: string;
  name: string;
  role: string;
  seq: number;
  rev: number;
  created_at: string;
  read: number;
  unread: number;
  /** `seq` of the newest message that is not deleted. */
  last: number | null;
}

export interface StoredRoom {
  id: string;
  created_at: string;
  seq: number;
  rev: number;
  /** Ascending by `seq`. */
  messages: StoredMessage[];
  /** Ids of the members. Those who have never signed in have none. */
  members: Set<string>;
  /** Read marks by user id. */
  readMarks: Map<string, number>;
}

type SummaryRow = Omit<StoredSummary, "created_at"> & { created_at: number };

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
  meta: string | null;
  reactions: string | null;
}

/** Reads the server's database file without any of the server's code. */
export class DatabaseReader implements Disposable {
  readonly #db: Database;

  constructor(path: string) {
    this.#db = new Database(path, { readonly: true });
  }

  rev(room: string): number {
    const row = this.#db
      .query<{ rev: number }, [string]>("SELECT rev FROM rooms WHERE id = ? AND deleted_at IS NULL")
      .get(room);
    return row?.rev ?? 0;
  }

  /** The rooms of a user. */
  roomsOf(user: string): StoredSummary[] {
    return this.#db
      .query<SummaryRow, [string]>(
        `SELECT id, rooms.name, role, rooms.seq, rev, created_at, coalesce(reads.seq, 0) AS read,
           (SELECT count(*) FROM messages WHERE room_pk = rooms.pk AND deleted_at IS NULL
              AND messages.seq > coalesce(reads.seq, 0)) AS unread,
           (SELECT max(seq) FROM messages WHERE room_pk = rooms.pk AND deleted_at IS NULL) AS last
         FROM users JOIN members ON members.user_pk = users.pk JOIN rooms ON rooms.pk = members.room_pk
           LEFT JOIN reads ON reads.room_pk = rooms.pk AND reads.user_pk = users.pk
         WHERE sub = ? AND rooms.deleted_at IS NULL`,
      )
      .all(user)
      .map(toSummary);
  }

  room(id: string): StoredRoom {
    const room = this.#db
      .query<{ pk: number; seq: number; rev: number; created_at: number }, [string]>(
        "SELECT pk, seq, rev, created_at FROM rooms WHERE id = ? AND deleted_at IS NULL",
      )
      .get(id);
    if (!room) throw new Error(`room ${id} is not in the database`);
    const messages = this.#db
      .query<MessageRow, [number]>(
        `SELECT seq, created_rev, changed_rev, sub, email, name, text, sent_at, edited_at, deleted_at, reply_to,
           client_id, meta, reactions FROM messages JOIN users ON pk = sender_pk WHERE room_pk = ? ORDER BY seq`,
      )
      .all(room.pk);
    const readMarks = this.#db
      .query<{ sub: string; seq: number }, [number]>(
        "SELECT sub, seq FROM reads JOIN users ON pk = user_pk WHERE room_pk = ?",
      )
      .all(room.pk);
    const members = this.#db
      .query<{ sub: string }, [number]>(
        "SELECT sub FROM members JOIN users ON pk = user_pk WHERE room_pk = ? AND sub IS NOT NULL",
      )
      .all(room.pk);
    return {
      id,
      created_at: time(room.created_at),
      seq: room.seq,
      rev: room.rev,
      members: new Set(members.map(({ sub }) => sub)),
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

function toSummary(row: SummaryRow): StoredSummary {
  return { ...row, created_at: time(row.created_at) };
}

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
      ...(row.meta !== null && { meta: JSON.parse(row.meta) as Record<string, unknown> }),
      reactions: row.reactions === null ? [] : (JSON.parse(row.reactions) as ReactionBody[]),
    },
  };
}
