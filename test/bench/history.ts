import { Database } from "bun:sqlite";
import { join } from "node:path";

import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";

const rooms = 1000;

/** The last 50 messages of a room, in a database of 50,000 messages and in one of 5,000,000. */
export async function history(folder: string): Promise<string[]> {
  const small = await timed(join(folder, "small.db"), 50_000);
  const large = await timed(join(folder, "large.db"), 5_000_000);
  return [
    `  ${small.toFixed(1)} µs in 50,000 messages, ${large.toFixed(1)} µs in 5,000,000`,
    `  history: ${(large / small).toFixed(2)} × the small one`,
  ];
}

/** Microseconds for one history. */
async function timed(path: string, messages: number): Promise<number> {
  open(path).$client.close();
  fill(path, messages);
  const store = new SqliteStore(open(path));
  const read = async (times: number) => {
    for (let index = 0; index < times; index++) {
      await store.messages(1 + ((index * 7919) % rooms), { limit: 50 });
    }
  };
  await read(3000);
  const times = 20_000;
  const start = performance.now();
  await read(times);
  const microseconds = ((performance.now() - start) * 1000) / times;
  await store.close();
  return microseconds;
}

/** Messages as they would have come: to a thousand rooms in turn. */
function fill(path: string, messages: number): void {
  const db = new Database(path);
  db.run("PRAGMA synchronous = OFF");
  db.run("BEGIN");
  db.run("INSERT INTO users (sub, email) VALUES ('user', 'user@example.com')");
  const each = messages / rooms;
  const room = db.prepare(
    "INSERT INTO rooms (pk, id, name, seq, rev, created_at) VALUES (?1, ?2, ?2, ?3, ?3, 0)",
  );
  for (let index = 1; index <= rooms; index++) room.run(index, `room${index}`, each);
  const message = db.prepare(
    "INSERT INTO messages (room_pk, seq, created_rev, sender_pk, text, sent_at) VALUES (?1, ?2, ?2, 1, ?3, ?4)",
  );
  for (let seq = 1; seq <= each; seq++) {
    for (let index = 1; index <= rooms; index++)
      message.run(index, seq, `message ${seq} of room ${index}`, seq);
  }
  db.run("COMMIT");
  db.close();
}
