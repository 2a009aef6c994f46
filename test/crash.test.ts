import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";

import { connectClassic } from "./support/client.ts";
import { startIssuer } from "./support/issuer.ts";
import { seedDatabase, startServerProcess } from "./support/server-process.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";
import { waitUntil } from "./support/wait.ts";

const rounds = 11;
/** Messages that each client has under way. */
const inFlight = 16;
/** Broadcasts that must have been seen in a round before the server is killed in the middle of the rest. */
const enough = 2000;

const rooms = ["a", "b", "c", "d"].map((id) => ({
  id,
  members: [1, 2, 3, 4, 5].map((n) => `${id}${n}@example.com`),
}));

/** What one connection was sent: the history, then what came live. */
interface Heard {
  room: string;
  texts: string[];
}

test("a server that is killed again and again while 20 clients send keeps every message that anyone saw, once and in order", async () => {
  await using issuer = await startIssuer();
  using folder = temporaryFolder();
  const database = join(folder.path, "parley.db");
  await seedDatabase(database, Object.fromEntries(rooms.map(({ id, members }) => [id, members])));
  const seats = await Promise.all(
    rooms.flatMap(({ id, members }) =>
      members.map(async (email) => ({ room: id, email, token: await issuer.sign(email) })),
    ),
  );

  const heard: Heard[] = [];
  let sent = 0;
  for (let round = 0; round < rounds; round++) {
    await using server = await startServerProcess({ issuer: issuer.issuer, database });
    let seen = 0;
    const clients = seats.map(async ({ room, email, token }) => {
      const client = await connectClassic(server.url.host, room, { token });
      const mine: Heard = { room, texts: client.history.map(({ text }) => text) };
      heard.push(mine);
      const say = () => client.send({ message: `${email} ${++sent}` });
      for (let n = 0; n < inFlight; n++) say();
      try {
        for (;;) {
          const { message = "" } = await client.next();
          mine.texts.push(message);
          seen++;
          if (message.startsWith(email)) say();
        }
      } catch {
        return (await client.closed).code;
      }
    });
    await waitUntil("enough was seen", () => seen >= enough, 20_000);
    // Anywhere in the work: between two batches, in a commit, before a publish.
    await Bun.sleep(Math.random() * 150);
    server.kill("SIGKILL");
    // 1006: no close frame, so nobody was told goodbye.
    expect(new Set(await Promise.all(clients))).toEqual(new Set([1006]));
  }

  // Once more, so that what the last kill left is put right; and stopped as it should be.
  await using last = await startServerProcess({ issuer: issuer.issuer, database });
  last.kill("SIGTERM");
  expect((await last.ended).code).toBe(0);

  const db = new Database(database, { readonly: true });
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
    // Each client's text is another one: none was stored twice.
    expect(seqOf.size).toBe(rows.length);
    for (const { texts } of heard.filter(({ room }) => room === id)) {
      // Each that was seen is there; none was missed, doubled or out of order between the first seen and the last.
      const first = seqOf.get(texts[0] ?? "") ?? 0;
      const astray = texts.filter((text, index) => seqOf.get(text) !== first + index);
      expect(astray).toEqual([]);
    }
  }
  expect(heard.length).toBe(rounds * seats.length);
  db.close();
}, 120_000);
