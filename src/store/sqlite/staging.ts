import type { Database } from "bun:sqlite";

import type { LeftOut } from "../../chat/archive.ts";
import { defaultSettings, type Invitee } from "../../chat/model.ts";
import type {
  MemberRecord,
  MessageRecord,
  ReactionRecord,
  ReadRecord,
  RoomRecord,
  TransferRecord,
  UserRecord,
} from "../../chat/transfer.ts";
import { RESTRICTIONS_TABLE, stageRestriction } from "./import-restrictions.ts";
import { same } from "./same-record.ts";
import { Statements } from "./statements.ts";

/** Keys of users and rooms that are kept in memory. */
const MAX_CACHED_KEYS = 50_000;
/** Pages of the temporary database. Large ones, because most of it is written once and read once. */
const PAGE_BYTES = 16_384;
/** Pages of it that stay in memory. */
const CACHE_KIB = 98_304;
/** Records that one transaction of the temporary database holds. */
const COMMIT_EVERY = 5000;

/**
 * The tables of a temporary database on disk, which SQLite deletes by itself. Rooms and users that records name without
 * describing them have a row too. A `pk` rises in the order of the file; `at` is the place of a record, for errors.
 */
const TABLES = [
  `users (pk INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, sub TEXT, email TEXT, name TEXT, shown_email TEXT,
    emails TEXT, signed_in INTEGER NOT NULL DEFAULT 0, described INTEGER NOT NULL DEFAULT 0, at TEXT NOT NULL, user_pk INTEGER)`,
  `rooms (pk INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT, created_at INTEGER, created_by INTEGER,
    seq INTEGER, rev INTEGER, access TEXT, posting TEXT, slow_mode INTEGER,
    direct_one INTEGER, direct_other INTEGER, at TEXT NOT NULL)`,
  RESTRICTIONS_TABLE,
  `members (room INTEGER NOT NULL, user INTEGER NOT NULL, role TEXT NOT NULL, joined_at INTEGER NOT NULL,
    at TEXT NOT NULL, PRIMARY KEY (room, user)) WITHOUT ROWID`,
  `messages (pk INTEGER PRIMARY KEY, room INTEGER NOT NULL, sender INTEGER NOT NULL, text TEXT, sent_at INTEGER NOT NULL,
    edited_at INTEGER, deleted_at INTEGER, reply_key TEXT, reply_seq INTEGER, client_id TEXT, meta TEXT, seq INTEGER, rev INTEGER,
    changed_rev INTEGER, at TEXT NOT NULL)`,
  `reactions (pk INTEGER PRIMARY KEY, room INTEGER NOT NULL, message_key TEXT, message_seq INTEGER, user INTEGER NOT NULL,
    emoji TEXT NOT NULL, at TEXT NOT NULL)`,
  `reads (room INTEGER NOT NULL, user INTEGER NOT NULL, seq INTEGER NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (room, user)) WITHOUT ROWID`,
  // Keys of messages that were in a room before. Filled when it is needed.
  `known (room INTEGER NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (room, key, seq)) WITHOUT ROWID`,
];

const INDEXES = [
  "UNIQUE INDEX staging.messages_key ON messages (room, client_id) WHERE seq IS NULL",
  "UNIQUE INDEX staging.messages_seq ON messages (room, seq) WHERE seq IS NOT NULL",
];

/** Indexes that are not needed before all records are there. */
const LATE_INDEXES = [
  "INDEX staging.messages_sent ON messages (room, sent_at) WHERE seq IS NULL",
  "INDEX staging.messages_rev ON messages (room, rev) WHERE rev IS NOT NULL",
  "INDEX staging.messages_changed ON messages (room, changed_rev) WHERE changed_rev IS NOT NULL",
  "INDEX staging.reactions_room ON reactions (room)",
  "INDEX staging.reactions_key ON reactions (room, message_key) WHERE message_key IS NOT NULL",
  "INDEX staging.reactions_seq ON reactions (room, message_seq) WHERE message_seq IS NOT NULL",
];

/** Records of an import, in tables of a temporary database that is attached as `staging`. */
export class Staging implements Disposable {
  readonly #statements: Statements;
  readonly #users = new Map<string, number>();
  readonly #rooms = new Map<string, number>();
  #pending = 0;

  constructor(private readonly client: Database) {
    this.#statements = new Statements(client);
    client.run("ATTACH '' AS staging");
    client.run(`PRAGMA staging.page_size = ${PAGE_BYTES}`);
    // The database is lost with the process anyway.
    client.run("PRAGMA staging.journal_mode = MEMORY");
    client.run("PRAGMA staging.synchronous = OFF");
    client.run(`PRAGMA staging.cache_size = -${CACHE_KIB}`);
    for (const table of TABLES) client.run(`CREATE TABLE staging.${table}`);
    for (const index of INDEXES) client.run(`CREATE ${index}`);
  }

  /** Keeps a record that was checked. Returns why it was left out, if it was: it is there already. */
  add(at: string, record: TransferRecord): LeftOut | undefined {
    if (this.#pending === 0) this.client.run("BEGIN");
    const leftOut = this.#add(at, record);
    if (++this.#pending >= COMMIT_EVERY) this.#commit();
    return leftOut;
  }

  /** To be called after the last record. */
  finish(): void {
    this.#commit();
    for (const index of LATE_INDEXES) this.client.run(`CREATE ${index}`);
  }

  [Symbol.dispose](): void {
    if (this.client.inTransaction) this.client.run("ROLLBACK");
    this.#statements[Symbol.dispose]();
    this.client.run("DETACH staging");
  }

  #commit(): void {
    if (this.#pending > 0) this.client.run("COMMIT");
    this.#pending = 0;
  }

  #add(at: string, record: TransferRecord): LeftOut | undefined {
    if (record.type === "message") return this.#addMessage(at, record);
    if (record.type === "user") return this.#addUser(at, record);
    if (record.type === "room") return this.#addRoom(at, record);
    if (record.type === "member") return this.#addMember(at, record);
    if (record.type === "reaction") return this.#addReaction(at, record);
    if (record.type === "read") return this.#addRead(at, record);
    return stageRestriction(this.#statements, at, record, {
      room: this.#room(at, record.room),
      user: this.#user(at, record.user),
    });
  }

  /** The first description of a user counts; later ones add what it lacks. */
  #addUser(at: string, { user, name, email, emails, signedIn }: UserRecord): undefined {
    const pk = this.#user(at, user);
    this.#statements.run(
      `UPDATE staging.users SET name = coalesce(name, ?), shown_email = coalesce(shown_email, ?),
        emails = CASE WHEN ? = '[]' THEN emails ELSE coalesce(emails, ?) END, signed_in = max(signed_in, ?), described = 1
        WHERE pk = ?`,
      name,
      email,
      JSON.stringify(emails),
      JSON.stringify(emails),
      Number(signedIn),
      pk,
    );
  }

  #addRoom(
    at: string,
    { id, name, settings = defaultSettings, direct, createdAt, createdBy, head }: RoomRecord,
  ): LeftOut | undefined {
    const pk = this.#room(at, id);
    const row = [
      name,
      createdAt,
      createdBy && this.#user(at, createdBy),
      head?.seq ?? null,
      head?.rev ?? null,
      settings.access,
      settings.posting,
      settings.slowMode,
      direct ? this.#user(at, direct[0]) : null,
      direct ? this.#user(at, direct[1]) : null,
    ];
    const before = this.#statements.all(
      `SELECT name, created_at, created_by, seq, rev, access, posting, slow_mode, direct_one, direct_other
        FROM staging.rooms WHERE pk = ?`,
      pk,
    )[0];
    if (before?.[0] === null || before === undefined) {
      this.#statements.run(
        `UPDATE staging.rooms SET name = ?, created_at = ?, created_by = ?, seq = ?, rev = ?, access = ?, posting = ?,
          slow_mode = ?, direct_one = ?, direct_other = ?, at = ? WHERE pk = ?`,
        ...row,
        at,
        pk,
      );
      return undefined;
    }
    return same(row, before, `Room ${id} is described twice, in different ways.`);
  }

  #addMember(at: string, { room, user, role, joinedAt }: MemberRecord): LeftOut | undefined {
    const [roomPk, userPk] = [this.#room(at, room), this.#user(at, user)];
    const added = this.#statements.run(
      "INSERT OR IGNORE INTO staging.members (room, user, role, joined_at, at) VALUES (?, ?, ?, ?, ?)",
      roomPk,
      userPk,
      role,
      joinedAt,
      at,
    );
    if (added > 0) return undefined;
    const before = this.#statements.all(
      "SELECT role FROM staging.members WHERE room = ? AND user = ?",
      roomPk,
      userPk,
    )[0];
    return same([role], before, `A member of ${room} is listed twice, with different roles.`);
  }

  #addMessage(at: string, record: MessageRecord): LeftOut | undefined {
    const { text, sentAt, editedAt, deletedAt, replyTo, clientId, meta, position } = record;
    const room = this.#room(at, record.room);
    const sender = this.#user(at, record.sender);
    const row = [
      room,
      sender,
      text,
      sentAt,
      editedAt,
      deletedAt,
      replyTo && "key" in replyTo ? replyTo.key : null,
      replyTo && "seq" in replyTo ? replyTo.seq : null,
      clientId,
      meta && JSON.stringify(meta),
      position?.seq ?? null,
      position?.rev ?? null,
      position?.changedRev ?? null,
    ];
    const added = this.#statements.run(
      `INSERT OR IGNORE INTO staging.messages (room, sender, text, sent_at, edited_at, deleted_at, reply_key, reply_seq,
        client_id, meta, seq, rev, changed_rev, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...row,
      at,
    );
    if (added > 0) return undefined;
    const columns = `room, sender, text, sent_at, edited_at, deleted_at, reply_key, reply_seq, client_id, meta, seq, rev, changed_rev`;
    const before = position
      ? this.#statements.all(
          `SELECT ${columns} FROM staging.messages WHERE room = ? AND seq = ?`,
          room,
          position.seq,
        )[0]
      : this.#statements.all(
          `SELECT ${columns} FROM staging.messages WHERE room = ? AND client_id = ? AND seq IS NULL`,
          room,
          clientId,
        )[0];
    const name = position ? `seq ${position.seq}` : `the key ${clientId}`;
    return same(row, before, `Two different messages of ${record.room} have ${name}.`);
  }

  #addReaction(at: string, { room, message, user, emoji }: ReactionRecord): undefined {
    this.#statements.run(
      "INSERT INTO staging.reactions (room, message_key, message_seq, user, emoji, at) VALUES (?, ?, ?, ?, ?, ?)",
      this.#room(at, room),
      "key" in message ? message.key : null,
      "seq" in message ? message.seq : null,
      this.#user(at, user),
      emoji,
      at,
    );
  }

  #addRead(at: string, { room, user, seq }: ReadRecord): LeftOut | undefined {
    const [roomPk, userPk] = [this.#room(at, room), this.#user(at, user)];
    const added = this.#statements.run(
      "INSERT OR IGNORE INTO staging.reads (room, user, seq, at) VALUES (?, ?, ?, ?)",
      roomPk,
      userPk,
      seq,
      at,
    );
    if (added > 0) return undefined;
    const before = this.#statements.all(
      "SELECT seq FROM staging.reads WHERE room = ? AND user = ?",
      roomPk,
      userPk,
    )[0];
    return same([seq], before, `A user has two different read marks in ${room}.`);
  }

  #user(at: string, user: Invitee): number {
    const ref = "sub" in user ? `sub:${user.sub}` : `email:${user.email}`;
    const known = this.#users.get(ref);
    if (known !== undefined) return known;
    const [sub, email] = "sub" in user ? [user.sub, null] : [null, user.email];
    this.#statements.run(
      "INSERT OR IGNORE INTO staging.users (ref, sub, email, at) VALUES (?, ?, ?, ?)",
      ref,
      sub,
      email,
      at,
    );
    const [pk] = this.#statements.all("SELECT pk FROM staging.users WHERE ref = ?", ref)[0] ?? [];
    return remember(this.#users, ref, pk as number);
  }

  #room(at: string, id: string): number {
    const known = this.#rooms.get(id);
    if (known !== undefined) return known;
    this.#statements.run("INSERT OR IGNORE INTO staging.rooms (id, at) VALUES (?, ?)", id, at);
    const [pk] = this.#statements.all("SELECT pk FROM staging.rooms WHERE id = ?", id)[0] ?? [];
    return remember(this.#rooms, id, pk as number);
  }
}

function remember(keys: Map<string, number>, name: string, key: number): number {
  if (keys.size >= MAX_CACHED_KEYS) keys.clear();
  keys.set(name, key);
  return key;
}
