import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";

import { readMigrationFiles } from "drizzle-orm/migrator";

import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { root } from "../support/process.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const migrations = readMigrationFiles({ migrationsFolder: join(root, "drizzle") });

/** A database as it was when Parley had only its first migrations, with two messages of one user in one room. */
function makeOld(path: string, count: number): void {
  const db = new Database(path, { create: true });
  db.run("PRAGMA journal_mode = WAL");
  db.run("CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)");
  for (const { sql, hash, folderMillis } of migrations.slice(0, count)) {
    for (const statement of sql) db.run(statement);
    db.run("INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)", [hash, folderMillis]);
  }
  db.run("INSERT INTO users (sub, email) VALUES ('sub|old', 'old@example.com')");
  db.run("INSERT INTO rooms (id, name, seq, rev, created_at) VALUES ('old', 'Old', 2, 2, 1)");
  db.run("INSERT INTO members (room_pk, user_pk, role, joined_at) VALUES (1, 1, 'member', 1)");
  for (const seq of [1, 2]) {
    const values = [seq, seq, `text ${seq}`];
    db.run(
      "INSERT INTO messages (room_pk, seq, created_rev, sender_pk, text, sent_at) VALUES (1, ?, ?, 1, ?, 1)",
      values,
    );
  }
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close(true);
}

test("what an older Parley stored is there, and can be changed, once the file has been brought up to date", async () => {
  using folder = temporaryFolder();
  for (const count of migrations.keys().map((index) => index + 1)) {
    const path = join(folder.path, `${count}.db`);
    makeOld(path, count);
    const store = new SqliteStore(open(path, { check: true, create: false }));
    const texts = async () =>
      (await store.changes(1, 0, 9)).messages.map(({ rev, text }) => `${text}@${rev}`);
    expect(await texts()).toEqual(["text 1@1", "text 2@2"]);
    const actor = { ...(await store.signIn({ sub: "sub|old" })), admin: false };
    const action = { type: "react", seq: 1, emoji: "👍", on: true } as const;
    expect(await store.append([{ room: 1, actor, at: 2, action }])).toMatchObject([
      { change: { message: { text: "text 1", reactions: [{ emoji: "👍", by: ["sub|old"] }] } } },
    ]);
    expect(await texts()).toEqual(["text 2@2", "text 1@3"]);
    await store.close();
  }
});
