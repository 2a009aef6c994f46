import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { readMigrationFiles } from "drizzle-orm/migrator";

import { open, OpenError } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { StoreHarness } from "../contract/store-harness.ts";
import { temporaryFolder } from "../support/parley.ts";
import { root, run } from "../support/process.ts";

const migrations = readMigrationFiles({ migrationsFolder: join(root, "drizzle") });
const child = join(import.meta.dir, "../support/open-child.ts");

/** Opens the database in a process of its own. */
function openElsewhere(path: string, ...how: string[]) {
  return run([process.execPath, child, path, ...how], { cwd: dirname(path) });
}

/** A sound database with a few thousand messages, all in the one file. */
async function make(path: string): Promise<void> {
  const db = open(path);
  const store = new SqliteStore(db);
  const w = new StoreHarness(store);
  const alice = await w.user();
  await w.fill(await w.room(alice), alice, 3000);
  await store.close();
}

/** Changes a sound database behind Parley's back, and leaves all of it in the one file. */
function alter(path: string, ...statements: string[]): void {
  const db = new Database(path);
  for (const statement of [...statements, "PRAGMA wal_checkpoint(TRUNCATE)"]) db.run(statement);
  db.close(true);
}

function pragmas(db: Database, ...names: string[]) {
  const value = (name: string) => db.query<Record<string, unknown>, []>(`PRAGMA ${name}`).get() ?? {};
  return Object.fromEntries(names.map((name) => [name, Object.values(value(name))[0]]));
}

test("a new file is made, marked as Parley's, and opened as durable as SQLite can be", () => {
  using folder = temporaryFolder();
  const db = open(join(folder.path, "parley.db")).$client;
  expect(
    pragmas(db, "application_id", "journal_mode", "synchronous", "foreign_keys", "secure_delete"),
  ).toEqual({
    application_id: 0x5041524c,
    journal_mode: "wal",
    synchronous: 2,
    foreign_keys: 1,
    secure_delete: 1,
  });
  expect(pragmas(db, "integrity_check")).toEqual({ integrity_check: "ok" });
  db.close();
});

test("what was stored is there when the file is opened again", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "parley.db");
  await make(path);
  const store = new SqliteStore(open(path, { check: true, create: false }));
  expect(await store.rooms()).toMatchObject([{ seq: 3000, rev: 3000 }]);
  await store.close();
});

test("an empty file is as good as none", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "parley.db");
  writeFileSync(path, "");
  const db = open(path, { check: true }).$client;
  expect(pragmas(db, "application_id")).toEqual({ application_id: 0x5041524c });
  db.close();
});

test("without leave to make a file, none is made", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "parley.db");
  expect(() => open(path, { create: false })).toThrow(new OpenError(`${path}: there is no such file`));
  expect(readdirSync(folder.path)).toEqual([]);
});

function garble(path: string, from: number, to: number): void {
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0xa5, from, Math.min(to, bytes.length)));
}

const bad: [string, (path: string) => void | Promise<void>, RegExp][] = [
  ["text", (path) => writeFileSync(path, "dear diary\n".repeat(999)), /this is not a database$/],
  [
    "a header of garbage",
    async (path) => {
      await make(path);
      garble(path, 0, 100);
    },
    /this is not a database$/,
  ],
  [
    "garbage in the schema",
    async (path) => {
      await make(path);
      garble(path, 100, 4096);
    },
    /the database is damaged$/,
  ],
  [
    "garbage in the middle",
    async (path) => {
      await make(path);
      const middle = 4096 * Math.floor(statSync(path).size / 8192);
      garble(path, middle, middle + 4096);
    },
    /the database is damaged/,
  ],
  [
    "half a file",
    async (path) => {
      await make(path);
      writeFileSync(path, readFileSync(path).subarray(0, 4096 * 40));
    },
    /the database is damaged/,
  ],
  [
    "another program's tables",
    (path) => alter(path, "CREATE TABLE t (a)"),
    /this is another program's database$/,
  ],
  [
    "another program's tables, with a log",
    (path) => alter(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)"),
    /this is another program's database$/,
  ],
  [
    "another program's mark",
    async (path) => {
      await make(path);
      alter(path, "PRAGMA application_id = 42");
    },
    /this is another program's database$/,
  ],
  [
    "a newer Parley's schema",
    async (path) => {
      await make(path);
      alter(path, "INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('later', 9999999999999)");
    },
    /written by a newer Parley; start that one, or restore a backup$/,
  ],
];

for (const [what, spoil, reason] of bad) {
  test(`${what}: Parley does not start, says why in a line, and leaves the file as it was`, async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "parley.db");
    await spoil(path);
    const before = readFileSync(path);
    const beside = readdirSync(folder.path);
    let told: unknown;
    try {
      open(path, { check: true });
    } catch (error) {
      told = error;
    }
    expect(told).toBeInstanceOf(OpenError);
    const line = told instanceof Error ? told.message : "";
    expect(line).toMatch(reason);
    expect(line).toStartWith(`${path}: `);
    expect(line).not.toContain("\n");
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(folder.path)).toEqual(beside);
  });
}

test("a folder, and a file in a folder that is missing, are refused in a line", () => {
  using folder = temporaryFolder();
  expect(() => open(folder.path, { check: true })).toThrow(`${folder.path}: this is a folder, not a file`);
  const path = join(folder.path, "missing", "parley.db");
  expect(() => open(path)).toThrow(`${path}: the file can't be opened; does its folder exist`);
  expect(readdirSync(folder.path)).toEqual([]);
});

test("a file that may not be written is refused and left as it was, though its folder may be", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "parley.db");
  await make(path);
  const before = readFileSync(path);
  const mayNot = "Parley may not read and write this file";
  for (const [file, directory, reason] of [
    [0o444, 0o777, mayNot],
    [0o444, 0o555, mayNot],
    [0o222, 0o777, mayNot],
    // SQLite keeps its log beside the file.
    [0o666, 0o555, "the file can't be"],
  ] as const) {
    for (const each of readdirSync(folder.path)) if (each !== "parley.db") rmSync(join(folder.path, each));
    chmodSync(path, file);
    chmodSync(folder.path, directory);
    const refused = await openElsewhere(path, "as-nobody");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(`${path}: ${reason}`) });
    chmodSync(path, 0o600);
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(folder.path)).toEqual(["parley.db"]);
  }
  // It is the modes that kept it out.
  chmodSync(folder.path, 0o777);
  chmodSync(path, 0o666);
  expect(await openElsewhere(path, "as-nobody")).toMatchObject({ code: 0, stderr: "" });
}, 20_000);

test("a database that another process holds for itself is refused", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "parley.db");
  // Made elsewhere: a process shares its own locks.
  await openElsewhere(path);
  const holder = new Database(path);
  holder.run("PRAGMA locking_mode = EXCLUSIVE");
  holder.run("BEGIN EXCLUSIVE");
  const refused = await openElsewhere(path);
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("another process holds the database"),
  });
  holder.close(true);
  expect(await openElsewhere(path)).toMatchObject({ code: 0, stderr: "" });
}, 30_000);

test("a migration that is killed at any statement leaves the old state or the new, and the next start completes it", async () => {
  using folder = temporaryFolder();
  let killed = 0;
  for (let at = 0; ; at++) {
    const path = join(folder.path, `${at}`, "parley.db");
    mkdirSync(dirname(path));
    const { code } = await openElsewhere(path, "die-at", String(at));
    if (code === 0) break;
    killed++;
    if (readdirSync(dirname(path)).length > 0) {
      const left = new Database(path);
      const tables = left
        .query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .all();
      const whole = tables.some(({ name }) => name === "rooms");
      const names = tables.map(({ name }) => name).filter((name) => !name.includes("__drizzle_migrations"));
      expect(pragmas(left, "application_id")).toEqual({ application_id: whole ? 0x5041524c : 0 });
      if (!whole) expect(names).toEqual([]);
      left.close(true);
    }
    const db = open(path, { check: true }).$client;
    const rows = db.query<{ n: number }, []>("SELECT count(*) AS n FROM __drizzle_migrations").get();
    expect(rows?.n).toBe(migrations.length);
    expect(pragmas(db, "integrity_check")).toEqual({ integrity_check: "ok" });
    db.close();
  }
  expect(killed).toBeGreaterThan(20);
}, 60_000);

test("processes that make the same database at the same moment all succeed", async () => {
  using folder = temporaryFolder();
  for (let round = 0; round < 4; round++) {
    const path = join(folder.path, `${round}.db`);
    const at = String(Date.now() + 400);
    const ended = await Promise.all(Array.from({ length: 4 }, () => openElsewhere(path, "at", at)));
    expect(ended.map(({ code, stderr }) => `${code}${stderr}`)).toEqual(["0", "0", "0", "0"]);
  }
}, 30_000);
