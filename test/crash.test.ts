import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";

import { connectClassic } from "./support/client.ts";
import { startIssuer } from "./support/issuer.ts";
import { seedDatabase, startServerProcess } from "./support/server-process.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";
import { waitUntil } from "./support/wait.ts";

const ROUNDS = 11;
/** Messages that each client has in flight. */
const IN_FLIGHT = 16;
/** Broadcasts that are awaited in each round before the server is killed. */
const BROADCASTS_PER_ROUND = 2000;
const MAX_KILL_DELAY_MS = 150;

const rooms = ["a", "b", "c", "d"].map((id) => ({
  id,
  members: [1, 2, 3, 4, 5].map((n) => `${id}${n}@example.com`),
}));

/** What one connection received: the history, then live messages. */
interface Received {
  room: string;
  texts: string[];
}

test("a server that is killed repeatedly while 20 clients send keeps every message that anyone saw, once and in order", async () => {
  await using issuer = await startIssuer();
  using folder = temporaryFolder();
  const database = join(folder.path, "parley.db");
  await seedDatabase(database, Object.fromEntries(rooms.map(({ id, members }) => [id, members])));
  const users = await Promise.all(
    rooms.flatMap(({ id, members }) =>
      members.map(async (email) => ({ room: id, email, token: await issuer.sign(email) })),
    ),
  );

  const received: Received[] = [];
  let sent = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await using server = await startServerProcess({ issuer: issuer.issuer, database });
    let broadcasts = 0;
    const clients = users.map(async ({ room, email, token }) => {
      const client = await connectClassic(server.url.host, room, { token });
      const texts = client.history.map(({ text }) => text);
      received.push({ room, texts });
      const send = () => client.send({ message: `${email} ${++sent}` });
      for (let n = 0; n < IN_FLIGHT; n++) send();
      try {
        for (;;) {
          const { message = "" } = await client.next();
          texts.push(message);
          broadcasts++;
          if (message.startsWith(email)) send();
        }
      } catch {
        return (await client.closed).code;
      }
    });
    await waitUntil("enough messages were broadcast", () => broadcasts >= BROADCASTS_PER_ROUND, 20_000);
    // At any point of its work: between two batches, in a commit, before a publish.
    await Bun.sleep(Math.random() * MAX_KILL_DELAY_MS);
    server.kill("SIGKILL");
    // 1006: the connections ended without a close frame.
    expect(new Set(await Promise.all(clients))).toEqual(new Set([1006]));
  }

  // The last start recovers from the last kill.
  await using last = await startServerProcess({ issuer: issuer.issuer, database });
  last.kill("SIGTERM");
  expect((await last.ended).code).toBe(0);

  using db = new Database(database, { readonly: true });
  expect(db.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
  expect(db.query("PRAGMA foreign_key_check").values()).toEqual([]);
  for (const { id } of rooms) {
    const rows = db
      .query<{ seq: number; created_rev: number; text: string }, [string]>(
        "SELECT m.seq, created_rev, text FROM messages m JOIN rooms ON pk = room_pk WHERE id = ? ORDER BY m.seq",
      )
      .all(id);
    const gaps = rows.filter(({ seq, created_rev: rev }, index) => seq !== index + 1 || rev !== seq);
    expect(gaps).toEqual([]);
    expect(db.query("SELECT seq, rev FROM rooms WHERE id = ?").values(id)).toEqual([
      [rows.length, rows.length],
    ]);
    const seqOf = new Map(rows.map(({ seq, text }) => [text, seq]));
    // Texts are unique, so none was stored twice.
    expect(seqOf.size).toBe(rows.length);
    for (const { texts } of received.filter(({ room }) => room === id)) {
      // From the first text on, a connection received the stored messages without a gap.
      const first = seqOf.get(texts[0] ?? "") ?? 0;
      const wrong = texts.filter((text, index) => seqOf.get(text) !== first + index);
      expect(wrong).toEqual([]);
    }
  }
  expect(received.length).toBe(ROUNDS * users.length);
}, 120_000);
