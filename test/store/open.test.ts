import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { readMigrationFiles } from "drizzle-orm/migrator";

import { open, OpenError } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { StoreHarness } from "../contract/store-harness.ts";
import { root, runProcess } from "../support/process.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const APPLICATION_ID = 0x5041524c;
const migrations = readMigrationFiles({ migrationsFolder: join(root, "drizzle") });
const child = join(import.meta.dir, "../support/open-child.ts");

/** Opens the database in a process of its own. */
function openElsewhere(path: string, ...mode: string[]) {
  return runProcess([process.execPath, child, path, ...mode], { cwd: dirname(path) });
}

/** A folder with the path of a database in it. */
function databaseFolder() {
  const folder = temporaryFolder();
  return {
    folder: folder.path,
    path: join(folder.path, "parley.db"),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

/** Creates an intact database with a few thousand messages, all in one file. */
async function create(path: string): Promise<void> {
  const store = new SqliteStore(open(path));
  const h = new StoreHarness(store);
  const alice = await h.user();
  await h.fill(await h.room(alice), alice, 3000);
  await store.close();
}

/** Runs statements that Parley knows nothing of, and leaves everything in the one file. */
function alter(path: string, ...statements: string[]): void {
  const db = new Database(path);
  for (const statement of [...statements, "PRAGMA wal_checkpoint(TRUNCATE)"]) db.run(statement);
  db.close(true);
}

function pragmas(db: Database, ...names: string[]) {
  const value = (name: string) => db.query<Record<string, unknown>, []>(`PRAGMA ${name}`).get() ?? {};
  return Object.fromEntries(names.map((name) => [name, Object.values(value(name))[0]]));
}

function overwrite(path: string, from: number, to: number): void {
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0xa5, from, Math.min(to, bytes.length)));
}

test("a new file is marked as Parley's, and as durable as SQLite can be", () => {
  using at = databaseFolder();
  const db = open(at.path).$client;
  expect(
    pragmas(db, "application_id", "journal_mode", "synchronous", "foreign_keys", "secure_delete"),
  ).toEqual({
    application_id: APPLICATION_ID,
    journal_mode: "wal",
    synchronous: 2,
    foreign_keys: 1,
    secure_delete: 1,
  });
  expect(pragmas(db, "integrity_check")).toEqual({ integrity_check: "ok" });
  db.close();
});

test("what was stored is there when the file is opened again", async () => {
  using at = databaseFolder();
  await create(at.path);
  const store = new SqliteStore(open(at.path, { check: true, create: false }));
  expect(await store.rooms()).toMatchObject([{ seq: 3000, rev: 3000 }]);
  await store.close();
});

test("an empty file is taken for a new one", () => {
  using at = databaseFolder();
  writeFileSync(at.path, "");
  const db = open(at.path, { check: true }).$client;
  expect(pragmas(db, "application_id")).toEqual({ application_id: APPLICATION_ID });
  db.close();
});

test("no file is created where there should be one", () => {
  using at = databaseFolder();
  const error = new OpenError(`${at.path}: there is no such file`);
  expect(() => open(at.path, { create: false })).toThrow(error);
  expect(readdirSync(at.folder)).toEqual([]);
});

const unusable: [what: string, prepare: (path: string) => void | Promise<void>, reason: RegExp][] = [
  ["a text file", (path) => writeFileSync(path, "dear diary\n".repeat(999)), /this is not a database$/],
  [
    "a damaged header",
    async (path) => {
      await create(path);
      overwrite(path, 0, 100);
    },
    /this is not a database$/,
  ],
  [
    "a damaged schema",
    async (path) => {
      await create(path);
      overwrite(path, 100, 4096);
    },
    /the database is damaged$/,
  ],
  [
    "a damaged page",
    async (path) => {
      await create(path);
      const middle = 4096 * Math.floor(statSync(path).size / 8192);
      overwrite(path, middle, middle + 4096);
    },
    /the database is damaged/,
  ],
  [
    "a truncated file",
    async (path) => {
      await create(path);
      writeFileSync(path, readFileSync(path).subarray(0, 4096 * 40));
    },
    /the database is damaged/,
  ],
  [
    "another program's database",
    (path) => alter(path, "CREATE TABLE t (a)"),
    /this is another program's database$/,
  ],
  [
    "another program's database with a log",
    (path) => alter(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)"),
    /this is another program's database$/,
  ],
  [
    "another application id",
    async (path) => {
      await create(path);
      alter(path, "PRAGMA application_id = 42");
    },
    /this is another program's database$/,
  ],
  [
    "a newer version's schema",
    async (path) => {
      await create(path);
      alter(path, "INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('later', 9999999999999)");
    },
    /written by a newer version of Parley\. Start that one, or restore a backup$/,
  ],
];

test.each(unusable)("%s is refused in one line, and left as it was", async (_, prepare, reason) => {
  using at = databaseFolder();
  await prepare(at.path);
  const [bytes, names] = [readFileSync(at.path), readdirSync(at.folder)];
  const error = (() => {
    try {
      return open(at.path, { check: true });
    } catch (thrown) {
      return thrown;
    }
  })();
  const message = error instanceof OpenError ? error.message : expect.unreachable();
  expect(message).toMatch(reason);
  expect(message).toStartWith(`${at.path}: `);
  expect(message).not.toContain("\n");
  expect(readFileSync(at.path).equals(bytes)).toBe(true);
  expect(readdirSync(at.folder)).toEqual(names);
});

test("a folder, and a file in a folder that does not exist, are refused", () => {
  using at = databaseFolder();
  expect(() => open(at.folder, { check: true })).toThrow(`${at.folder}: this is a folder, not a file`);
  const path = join(at.folder, "missing", "parley.db");
  expect(() => open(path)).toThrow(`${path}: the file cannot be opened. Does its folder exist`);
  for (const name of ["", ":memory:"]) expect(() => open(name)).toThrow(`${name}: this is not a file name`);
  expect(readdirSync(at.folder)).toEqual([]);
});

test("a file that may not be written is refused and left as it was", async () => {
  using at = databaseFolder();
  const { folder, path } = at;
  await create(path);
  const bytes = readFileSync(path);
  const denied = "Parley may not read and write this file";
  for (const [fileMode, folderMode, reason] of [
    [0o444, 0o777, denied],
    [0o444, 0o555, denied],
    [0o222, 0o777, denied],
    // SQLite keeps its log beside the file.
    [0o666, 0o555, "the file cannot be"],
  ] as const) {
    for (const name of readdirSync(folder)) if (name !== "parley.db") rmSync(join(folder, name));
    chmodSync(path, fileMode);
    chmodSync(folder, folderMode);
    const refused = await openElsewhere(path, "as-nobody");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(`${path}: ${reason}`) });
    chmodSync(path, 0o600);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(readdirSync(folder)).toEqual(["parley.db"]);
  }
  // With other modes it opens.
  chmodSync(folder, 0o777);
  chmodSync(path, 0o666);
  expect(await openElsewhere(path, "as-nobody")).toMatchObject({ code: 0, stderr: "" });
}, 20_000);

test("a database that another process has locked is refused, and opens when the lock is gone", async () => {
  using at = databaseFolder();
  // Created elsewhere, because a process shares its own locks.
  await openElsewhere(at.path);
  const holder = new Database(at.path);
  holder.run("PRAGMA locking_mode = EXCLUSIVE");
  holder.run("BEGIN EXCLUSIVE");
  const stderr = expect.stringContaining("another process has locked the database");
  expect(await openElsewhere(at.path)).toMatchObject({ code: 1, stderr });
  holder.close(true);
  expect(await openElsewhere(at.path)).toMatchObject({ code: 0, stderr: "" });
}, 30_000);

/** The first and the last of so many statements, where all differ, and some of those of the migrations, which are one transaction. */
function statementsToDieAt(count: number): number[] {
  const offset = Math.floor(Math.random() * 6);
  return [...Array(count).keys()].filter(
    (index) => index < 10 || index >= count - 12 || index % 6 === offset,
  );
}

test("a migration that is killed at any statement leaves the old schema or the new one, and the next start completes it", async () => {
  using at = databaseFolder();
  const { stdout } = await openElsewhere(at.path, "count");
  const chosen = statementsToDieAt(Number(stdout));
  expect(chosen.length).toBeGreaterThan(25);
  for (const statement of chosen) {
    const path = join(at.folder, `${statement}`, "parley.db");
    mkdirSync(dirname(path));
    expect((await openElsewhere(path, "die-at", String(statement))).code).not.toBe(0);
    if (readdirSync(dirname(path)).length > 0) {
      const left = new Database(path);
      const schema = left.query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table'");
      const names = schema.all().map(({ name }) => name);
      const migrated = names.includes("rooms");
      expect(pragmas(left, "application_id")).toEqual({ application_id: migrated ? APPLICATION_ID : 0 });
      if (!migrated) expect(names.filter((name) => !name.includes("__drizzle_migrations"))).toEqual([]);
      left.close(true);
    }
    const db = open(path, { check: true }).$client;
    const rows = db.query<{ n: number }, []>("SELECT count(*) AS n FROM __drizzle_migrations").get();
    expect(rows?.n).toBe(migrations.length);
    expect(pragmas(db, "integrity_check")).toEqual({ integrity_check: "ok" });
    db.close();
  }
}, 60_000);

test("processes that create the same database at the same moment all succeed", async () => {
  using at = databaseFolder();
  for (let round = 0; round < 4; round++) {
    const path = join(at.folder, `${round}.db`);
    const start = String(Date.now() + 400);
    const ended = await Promise.all(Array.from({ length: 4 }, () => openElsewhere(path, "at", start)));
    expect(ended.map(({ code, stderr }) => `${code}${stderr}`)).toEqual(["0", "0", "0", "0"]);
  }
}, 30_000);
