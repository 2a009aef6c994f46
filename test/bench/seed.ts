import { Database } from "bun:sqlite";

import { operator } from "../../src/chat/model.ts";
import { readConfig } from "../../src/config.ts";
import { openChat } from "../../src/server.ts";
import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
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
  await append(seqs, (seq) => ({ type: "send", text: `${TEXT} ${seq}`, clientId: null, replyTo: null }));
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
