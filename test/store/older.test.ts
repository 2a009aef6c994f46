import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";

import { readMigrationFiles } from "drizzle-orm/migrator";

import { defaultSettings } from "../../src/chat/model.ts";
import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { StoreHarness } from "../contract/store-harness.ts";
import { root } from "../support/process.ts";
import { send } from "../support/samples.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const migrations = readMigrationFiles({ migrationsFolder: join(root, "drizzle") });

/** A database as it was after its first `count` migrations: a room with a member, an invitation, and three messages. */
function createOld(path: string, count: number): void {
  const db = new Database(path, { create: true });
  db.run("PRAGMA journal_mode = WAL");
  db.run("CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)");
  for (const { sql, hash, folderMillis } of migrations.slice(0, count)) {
    for (const statement of sql) db.run(statement);
    db.run("INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)", [hash, folderMillis]);
  }
  db.run("INSERT INTO users (sub, email, name) VALUES ('sub|old', 'old@example.com', 'Old')");
  db.run("INSERT INTO users (email) VALUES ('invited@example.com')");
  db.run("INSERT INTO emails (email, user_pk) VALUES ('old@example.com', 1), ('invited@example.com', 2)");
  db.run("INSERT INTO rooms (id, name, seq, rev, created_by, created_at) VALUES ('old', 'Old', 3, 5, 1, 1)");
  db.run(
    "INSERT INTO members (room_pk, user_pk, role, joined_at) VALUES (1, 1, 'owner', 1), (1, 2, 'member', 1)",
  );
  db.run("INSERT INTO reads (room_pk, user_pk, seq) VALUES (1, 1, 1)");
  const insert = db.prepare(
    "INSERT INTO messages (room_pk, seq, created_rev, changed_rev, sender_pk, text, sent_at, edited_at, deleted_at, client_id)" +
      "VALUES (1, ?, ?, ?, 1, ?, 1, ?, ?, ?)",
  );
  insert.run(1, 1, null, "text 1", null, null, "c");
  insert.run(2, 2, 4, "edited", 2, null, null);
  insert.run(3, 3, 5, null, null, 2, null);
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close(true);
}

test.each(
  migrations
    .keys()
    .map((index) => [index + 1] as const)
    .toArray(),
)("a database after migration number %d keeps everything, and can be changed", async (count) => {
  using folder = temporaryFolder();
  const path = join(folder.path, "parley.db");
  createOld(path, count);
  const store = new SqliteStore(open(path, { check: true, create: false }));
  const h = new StoreHarness(store);
  const room = { key: 1, id: "old", name: "Old", ...defaultSettings, seq: 3, rev: 5, createdAt: 1 };
  const user = { key: 1, id: "sub|old", email: "old@example.com", name: "Old" };
  expect(await store.history(1, 9)).toMatchObject({
    seq: 3,
    rev: 5,
    messages: [
      { seq: 1, rev: 1, sender: user, text: "text 1", clientId: "c", meta: null, reactions: [] },
      { seq: 2, rev: 4, text: "edited", editedAt: 2 },
      { seq: 3, rev: 5, text: null, deletedAt: 2 },
    ],
  });
  // One message is after the mark, and one more that is deleted.
  expect(await store.roomsOf(1)).toEqual([{ room, role: "owner", read: 1, unread: 1, mentions: 0 }]);
  expect((await store.lastMessages([1])).get(1)).toMatchObject({ seq: 2 });
  const old = await h.signIn("sub|old");
  expect(old).toMatchObject(user);
  expect(await h.act(room, old, send("text 1", "c"))).toEqual(["unchanged 1/1"]);
  expect(await h.act(room, old, send("text 1", "c", null, "{}"))).toEqual(["client_id_used 1"]);
  expect(await h.act(room, old, { type: "react", seq: 1, emoji: "👍", on: true })).toEqual(["reacted 1/6"]);
  // Names of an older version can be mentioned.
  await h.act(room, old, send("@OLD"));
  expect((await h.newest(room))?.mentions).toBe('{"users":["sub|old"]}');
  // A user who had signed in is not taken for an invitation, and an invitation still stands.
  await h.grant(room, { sub: "sub|second" }, "owner");
  await h.remove(room, { sub: "sub|old" });
  expect(await h.signIn("sub|old")).toEqual(old);
  const invited = await h.signIn("sub|invited", "invited@example.com");
  expect(await store.role(1, invited.key)).toBe("member");
  expect(await h.unread(room, invited)).toBe(3);
  await store.close();
});
