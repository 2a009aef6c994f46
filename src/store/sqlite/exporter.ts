import type { Database } from "bun:sqlite";

import { haveSameSettings } from "../../chat/decide-rooms.ts";
import {
  type Access,
  defaultSettings,
  type Invitee,
  type Meta,
  type Posting,
  type Reaction,
  type RestrictionKind,
  type Role,
  type RoomKey,
  type UserKey,
  type UserSnapshot,
} from "../../chat/model.ts";
import type { MessageRecord, TransferRecord } from "../../chat/transfer.ts";
import { Statements } from "./statements.ts";

const PAGE_SIZE = 500;
/** By content, because keys differ from one database to another. */
const BY_USER = "ORDER BY u.sub IS NULL, u.sub, u.email";

/** Users whom a room names. Ids of reactions are in JSON. */
const NAMED_IN_ROOM = `u.pk IN (
  SELECT created_by FROM rooms WHERE pk = ?1
  UNION SELECT user_pk FROM members WHERE room_pk = ?1
  UNION SELECT user_pk FROM restrictions WHERE room_pk = ?1
  UNION SELECT user_pk FROM reads WHERE room_pk = ?1
  UNION SELECT user_pk FROM pending_reactions WHERE room_pk = ?1
  UNION SELECT sender_pk FROM messages WHERE room_pk = ?1
  UNION SELECT x.pk FROM messages m, json_each(m.reactions) r, json_each(r.value, '$.by') b, users x
    WHERE m.room_pk = ?1 AND m.reactions IS NOT NULL AND x.sub = b.value)`;

type Ref = [sub: string | null, email: string | null];
type UserRow = [key: UserKey, ...Ref, name: string | null, signedIn: number];
type RoomRow = [
  key: RoomKey,
  id: string,
  name: string,
  access: Access,
  posting: Posting,
  slowMode: number,
  createdAt: number,
  seq: number,
  rev: number,
  isDirect: number,
  ...creator: Ref,
];
type MemberRow = [...Ref, role: Role, joinedAt: number];
type RestrictionRow = [
  kind: RestrictionKind,
  ...Ref,
  at: number,
  until: number | null,
  reason: string | null,
  by: string | null,
];
type ReadRow = [...Ref, seq: number];
type MessageRow = [
  seq: number,
  rev: number,
  changedRev: number | null,
  ...Ref,
  text: string | null,
  sentAt: number,
  editedAt: number | null,
  deletedAt: number | null,
  replyTo: number | null,
  clientId: string | null,
  meta: string | null,
  reactions: string | null,
];

/** The records of a chat, in the order that `Archive` promises. To be read within one transaction. */
export class Exporter implements Disposable {
  readonly #statements: Statements;

  constructor(client: Database) {
    this.#statements = new Statements(client);
  }

  *records(roomId?: string): Iterable<TransferRecord> {
    if (roomId === undefined) {
      yield* this.#users("(u.sub IS NOT NULL OR u.email IS NOT NULL)");
      yield* this.#rooms();
      return;
    }
    const row = this.#room("id = ?", roomId);
    if (!row) return;
    yield* this.#users(NAMED_IN_ROOM, row[0]);
    yield* this.#contents(row);
  }

  [Symbol.dispose](): void {
    this.#statements[Symbol.dispose]();
  }

  *#users(condition: string, ...values: number[]): Iterable<TransferRecord> {
    const rows = this.#statements.iterate<UserRow>(
      `SELECT u.pk, u.sub, u.email, u.name, u.signed_in FROM users u WHERE ${condition} ${BY_USER}`,
      ...values,
    );
    for (const [key, sub, email, name, signedIn] of rows) {
      // A user without an id owns their address, which goes without saying.
      const emails = sub === null ? [] : this.#emailsOf(key);
      yield { type: "user", user: invitee(sub, email), name, email, emails, signedIn: signedIn === 1 };
    }
  }

  #emailsOf(user: UserKey): string[] {
    return this.#statements
      .all<[string]>("SELECT email FROM emails WHERE user_pk = ? ORDER BY email", user)
      .map(([email]) => email);
  }

  *#rooms(): Iterable<TransferRecord> {
    for (let after = ""; ;) {
      const row = this.#room("id > ?", after);
      if (!row) return;
      yield* this.#contents(row);
      after = row[1];
    }
  }

  /** The first room, by id, that matches. */
  #room(condition: "id = ?" | "id > ?", value: string): RoomRow | undefined {
    return this.#statements.all<RoomRow>(
      `SELECT r.pk, r.id, r.name, r.access, r.posting, r.slow_mode, r.created_at, r.seq, r.rev, r.direct IS NOT NULL, u.sub, u.email
        FROM rooms r LEFT JOIN users u ON u.pk = r.created_by
        WHERE r.${condition} AND r.deleted_at IS NULL ORDER BY r.id LIMIT 1`,
      value,
    )[0];
  }

  *#contents(row: RoomRow): Iterable<TransferRecord> {
    const [key, room, name, access, posting, slowMode, createdAt, seq, rev, isDirect, sub, email] = row;
    const createdBy = sub === null && email === null ? null : invitee(sub, email);
    const settings = { access, posting, slowMode };
    const pair = isDirect ? this.#directUsers(key) : undefined;
    const hasDefaults = haveSameSettings({ name, ...settings }, { name, ...defaultSettings });
    yield {
      type: "room",
      id: room,
      name,
      ...(!hasDefaults && { settings }),
      ...(pair && { direct: pair }),
      createdAt,
      createdBy,
      head: { seq, rev },
    };
    const members = this.#statements.iterate<MemberRow>(
      `SELECT u.sub, u.email, m.role, m.joined_at FROM members m JOIN users u ON u.pk = m.user_pk WHERE m.room_pk = ? ${BY_USER}`,
      key,
    );
    for (const [memberSub, memberEmail, role, joinedAt] of members)
      yield { type: "member", room, user: invitee(memberSub, memberEmail), role, joinedAt };
    yield* this.#restrictions(key, room);
    yield* this.#messages(key, room);
    // A member without a mark has read nothing, which an import must be told. Others may have read the room as administrators.
    const reads = this.#statements.iterate<ReadRow>(
      `SELECT u.sub, u.email, coalesce(r.seq, 0)
        FROM (SELECT user_pk FROM members WHERE room_pk = ?1 UNION SELECT user_pk FROM reads WHERE room_pk = ?1 AND seq > 0) x
        JOIN users u ON u.pk = x.user_pk LEFT JOIN reads r ON r.room_pk = ?1 AND r.user_pk = x.user_pk ${BY_USER}`,
      key,
    );
    for (const [readerSub, readerEmail, mark] of reads)
      yield { type: "read", room, user: invitee(readerSub, readerEmail), seq: mark };
  }

  #directUsers(key: RoomKey): [Invitee, Invitee] | undefined {
    const [one, other] = this.#statements.all<Ref>(
      `SELECT u.sub, u.email FROM members m JOIN users u ON u.pk = m.user_pk WHERE m.room_pk = ? ${BY_USER}`,
      key,
    );
    return one && other && [invitee(...one), invitee(...other)];
  }

  *#restrictions(key: RoomKey, room: string): Iterable<TransferRecord> {
    const rows = this.#statements.iterate<RestrictionRow>(
      `SELECT x.kind, u.sub, u.email, x.at, x.until, x.reason, x.by FROM restrictions x JOIN users u ON u.pk = x.user_pk
        WHERE x.room_pk = ? ${BY_USER}, x.kind`,
      key,
    );
    for (const [type, sub, email, at, until, reason, by] of rows) {
      const imposedBy = by === null ? null : (JSON.parse(by) as UserSnapshot);
      yield { type, room, user: invitee(sub, email), at, until, reason, by: imposedBy };
    }
  }

  *#messages(key: RoomKey, room: string): Iterable<TransferRecord> {
    for (let after = 0; ;) {
      const rows = this.#statements.all<MessageRow>(
        `SELECT m.seq, m.created_rev, m.changed_rev, u.sub, u.email, m.text, m.sent_at, m.edited_at, m.deleted_at, m.reply_to,
            m.client_id, m.meta, m.reactions FROM messages m JOIN users u ON u.pk = m.sender_pk
          WHERE m.room_pk = ? AND m.seq > ? ORDER BY m.seq LIMIT ${PAGE_SIZE}`,
        key,
        after,
      );
      for (const row of rows) {
        yield toMessage(room, row);
        const reactions = row.at(-1);
        if (typeof reactions === "string") yield* this.#reactions(key, room, row[0], reactions);
      }
      if (rows.length < PAGE_SIZE) return;
      after = rows.at(-1)?.[0] ?? after;
    }
  }

  *#reactions(key: RoomKey, room: string, seq: number, json: string): Iterable<TransferRecord> {
    const pending = new Set(
      this.#statements
        .all<[string]>(
          `SELECT u.email FROM pending_reactions p JOIN users u ON u.pk = p.user_pk
            WHERE p.room_pk = ? AND p.seq = ? AND u.sub IS NULL`,
          key,
          seq,
        )
        .map(([email]) => email),
    );
    for (const { emoji, by } of JSON.parse(json) as Reaction[]) {
      for (const id of by) {
        const user = pending.has(id) ? { email: id } : { sub: id };
        yield { type: "reaction", room, message: { seq }, emoji, user };
      }
    }
  }
}

function toMessage(room: string, row: MessageRow): MessageRecord {
  const [seq, rev, changedRev, sub, email, text, sentAt, editedAt, deletedAt, replyTo, clientId, meta] = row;
  return {
    type: "message",
    room,
    sender: invitee(sub, email),
    text,
    sentAt,
    editedAt,
    deletedAt,
    replyTo: replyTo === null ? null : { seq: replyTo },
    clientId,
    meta: meta === null ? null : (JSON.parse(meta) as Meta),
    position: { seq, rev, changedRev },
  };
}

function invitee(sub: string | null, email: string | null): Invitee {
  if (sub !== null) return { sub };
  if (email !== null) return { email };
  throw new Error("a user has neither an id nor an email");
}
