import { Database } from "bun:sqlite";

import { operator } from "../../src/chat/model.ts";
import { readConfig } from "../../src/config.ts";
import { openChat } from "../../src/open-chat.ts";
import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { subjectOf } from "../support/tokens.ts";
import { TEXT } from "./dialects.ts";

// All that the benchmark needs to know of the server's own code.

/** Creates rooms, each with its members' emails. */
export async function seedRooms(
  env: Record<string, string>,
  rooms: Record<string, readonly string[]>,
): Promise<void> {
  const { chat, close } = openChat(readConfig(env), { create: true });
  for (const [id, members] of Object.entries(rooms)) {
    await chat.rooms.create(operator, id, id);
    for (const email of members) await chat.rooms.setMember(operator, id, { email }, "member");
  }
  await close();
}

const BATCH_SIZE = 1000;

/** Stores messages of the room's first member, and edits every tenth of them. Returns the room's `rev`. */
export async function seedMessages(
  env: Record<string, string>,
  roomId: string,
  messages: number,
): Promise<number> {
  const { chat, close } = openChat(readConfig(env), { create: false });
  const { room } = await chat.rooms.enter(operator, roomId);
  const [member] = await chat.rooms.members(operator, roomId);
  await close();
  if (!member) throw new Error(`room ${roomId} has no member`);
  const actor = { ...member.user, admin: false };
  const store = openStore(readConfig(env).database);
  const append = async (seqs: number[], actionFor: (seq: number) => Action) => {
    for (let from = 0; from < seqs.length; from += BATCH_SIZE) {
      const batch = seqs.slice(from, from + BATCH_SIZE);
      await store.append(
        batch.map((seq) => ({ room: room.key, actor, at: Date.now(), action: actionFor(seq) })),
      );
    }
  };
  const seqs = Array.from({ length: messages }, (_, index) => index + 1);
  await append(seqs, (seq) => ({
    type: "send",
    text: `${TEXT} ${seq}`,
    clientId: null,
    replyTo: null,
    meta: null,
  }));
  const edited = seqs.filter((seq) => seq % 10 === 0);
  await append(edited, (seq) => ({ type: "edit", seq, text: TEXT }));
  await store.close();
  return messages + edited.length;
}

type Action = Parameters<SqliteStore["append"]>[0][number]["action"];

export function openStore(path: string): SqliteStore {
  return new SqliteStore(open(path));
}

/** Fills a new database with messages that were sent to so many rooms in turn, whose keys are 1, 2, 3 …. */
export function fillDatabase(path: string, rooms: number, messages: number): void {
  open(path).$client.close();
  using db = new Database(path);
  db.run("PRAGMA synchronous = OFF");
  db.run("BEGIN");
  db.run("INSERT INTO users (sub, email) VALUES ('user', 'user@example.com')");
  const perRoom = messages / rooms;
  const room = db.prepare(
    "INSERT INTO rooms (pk, id, name, seq, rev, created_at) VALUES (?1, ?2, ?2, ?3, ?3, 0)",
  );
  for (let key = 1; key <= rooms; key++) room.run(key, `room${key}`, perRoom);
  const message = db.prepare(
    "INSERT INTO messages (room_pk, seq, created_rev, sender_pk, text, sent_at) VALUES (?1, ?2, ?2, 1, ?3, ?4)",
  );
  for (let seq = 1; seq <= perRoom; seq++)
    for (let key = 1; key <= rooms; key++) message.run(key, seq, `message ${seq} of room ${key}`, seq);
  db.run("COMMIT");
}

/** A room to fill a database with. */
export interface RoomSeed {
  id: string;
  /** Emails. The members have sent the messages in turn. */
  members: readonly string[];
  /** One in ten of them is edited later. */
  messages: number;
}

/** Fills a new database with rooms. */
export function fillRooms(path: string, rooms: readonly RoomSeed[]): void {
  open(path).$client.close();
  using db = new Database(path);
  db.run("PRAGMA synchronous = OFF");
  db.run("BEGIN");
  const user = db.prepare<{ pk: number }, [string, string]>(
    "INSERT INTO users (sub, email, signed_in) VALUES (?1, ?2, TRUE) RETURNING pk",
  );
  const ownedEmail = db.prepare("INSERT INTO emails (email, user_pk) VALUES (?1, ?2)");
  const keys = new Map<string, number>();
  for (const email of new Set(rooms.flatMap(({ members }) => members))) {
    const key = user.get(subjectOf(email), email)?.pk ?? 0;
    ownedEmail.run(email, key);
    keys.set(email, key);
  }
  const room = db.prepare(
    "INSERT INTO rooms (pk, id, name, seq, rev, created_at) VALUES (?1, ?2, ?2, ?3, ?4, 0)",
  );
  const member = db.prepare(
    "INSERT INTO members (room_pk, user_pk, role, joined_at) VALUES (?1, ?2, 'member', 0)",
  );
  const mark = db.prepare("INSERT INTO reads (room_pk, user_pk, seq) VALUES (?1, ?2, ?3)");
  const message = db.prepare(
    `INSERT INTO messages (room_pk, seq, created_rev, changed_rev, edited_at, sender_pk, text, sent_at)
     VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7)`,
  );
  for (const [index, { id, members, messages }] of rooms.entries()) {
    const key = index + 1;
    room.run(key, id, messages, revAfter(messages));
    const memberKeys = members.map((email) => keys.get(email) ?? 0);
    for (const [position, memberKey] of memberKeys.entries()) {
      member.run(key, memberKey);
      // One in five members has not read the last messages.
      mark.run(key, memberKey, Math.max(0, messages - (position % 5 === 0 ? UNREAD_MESSAGES : 0)));
    }
    for (let seq = 1; seq <= messages; seq++) {
      const sender = memberKeys[seq % memberKeys.length] ?? 0;
      const sentAt = FIRST_SENT_AT + (seq * rooms.length + index) * 1000;
      const isEdited = seq % 10 === 0;
      const changedRev = isEdited ? messages + seq / 10 : null;
      message.run(key, seq, changedRev, isEdited ? sentAt + 1 : null, sender, `${TEXT} ${seq}`, sentAt);
    }
  }
  db.run("COMMIT");
}

/** The `rev` of a room whose messages were sent, and one in ten of them edited after that. */
export function revAfter(messages: number): number {
  return messages + Math.floor(messages / 10);
}

const UNREAD_MESSAGES = 3;
const FIRST_SENT_AT = Date.UTC(2026, 0, 1);

/** Fills a new database with messages of two years, in rooms of which the member is in every second one. */
export function fillForSearch(
  path: string,
  { rooms, messages, member, text }: { rooms: number; messages: number; member: string; text: () => string },
): void {
  const emails = Array.from({ length: rooms }, (_, index) => (index % 2 === 0 ? [member] : []));
  fillRooms(
    path,
    emails.map((members, index) => ({
      id: `room${index}`,
      members: ["other@example.com", ...members],
      messages: 0,
    })),
  );
  using db = new Database(path);
  db.run("PRAGMA synchronous = OFF");
  db.run("BEGIN");
  const insert = db.prepare(
    `INSERT INTO messages (room_pk, seq, created_rev, sender_pk, text, sent_at) VALUES (?1, ?2, ?2, 1, ?3, ?4)`,
  );
  const perRoom = messages / rooms;
  for (let seq = 1; seq <= perRoom; seq++)
    for (let key = 1; key <= rooms; key++)
      insert.run(key, seq, text(), FIRST_SENT_AT + Math.floor((seq * TWO_YEARS_MS) / perRoom));
  db.run("UPDATE rooms SET seq = ?1, rev = ?1", [perRoom]);
  db.run("COMMIT");
}

const TWO_YEARS_MS = 2 * 365 * 86_400_000;

/** Indexes a database for search. */
export async function indexAll(
  path: string,
): Promise<{ textBytes: number; indexBytes: number; microseconds: number }> {
  const store = openStore(path);
  const start = process.cpuUsage();
  while (await store.search.update());
  const { user, system } = process.cpuUsage(start);
  await store.close();
  using db = new Database(path);
  const count = (sql: string) => Number(db.query(sql).values()[0]?.[0]);
  const messages = count("SELECT count(*) FROM messages");
  return {
    textBytes: count("SELECT sum(length(CAST(text AS BLOB))) FROM messages"),
    indexBytes: count("SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'search%'"),
    microseconds: (user + system) / messages,
  };
}
