import { constants as sqlite, Database, SQLiteError } from "bun:sqlite";
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { join } from "node:path";

import { drizzle } from "drizzle-orm/bun-sqlite";
import { migrate } from "drizzle-orm/bun-sqlite/migrator";
import { readMigrationFiles } from "drizzle-orm/migrator";

import { fillNameKeys } from "./mention-rows.ts";
import * as schema from "./schema.ts";

/** "PARL". The first migration sets it, which tells Parley's databases from those of other programs. */
const APPLICATION_ID = 0x5041524c;

/** The binary has the migrations beside its bundle. */
const MIGRATIONS_FOLDER = join(import.meta.dir, Bun.isStandaloneExecutable ? "drizzle" : "../../../drizzle");

/** How long a statement waits for another process's lock, while it holds the event loop. */
const BUSY_TIMEOUT_MS = 5;
/** The same at the start, when nothing else is going on. */
const START_BUSY_TIMEOUT_MS = 2000;
const START_RETRY_MS = 20;

/** Why a file cannot be used, in one line for the operator. The file is unchanged. */
export class OpenError extends Error {
  override readonly name = "OpenError";
}

export interface OpenOptions {
  /** Search the whole file for damage first, at about three seconds per GB, and half a second per million indexed messages. Default: false. */
  check?: boolean;
  /** Create the file when there is none. Default: true. */
  create?: boolean;
}

/** Opens the database at `path` and brings it to the newest schema. Throws `OpenError`. */
export function open(path: string, { check = false, create = true }: OpenOptions = {}): Db {
  const deadline = performance.now() + START_BUSY_TIMEOUT_MS;
  for (;;) {
    try {
      return attempt(path, { check, create });
    } catch (error) {
      // SQLite's own timeout does not wait for every lock, such as the one that turns a file to WAL.
      const busy = sqliteError(error)?.code?.startsWith("SQLITE_BUSY");
      if (!busy || performance.now() > deadline) throw toOpenError(path, error);
      Bun.sleepSync(START_RETRY_MS);
    }
  }
}

/** Writes the log back into the file and closes both. Closes them even if it throws. */
export function closeDatabase({ $client }: Db): void {
  try {
    $client.run("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    $client.close();
  }
}

/** A Drizzle database on an open file. `$client` is the bun:sqlite connection. */
export type Db = ReturnType<typeof attempt>;

function attempt(path: string, options: Required<OpenOptions>) {
  const { client, isIndexDamaged } = connect(path, options);
  const db = drizzle(client, { schema });
  try {
    // First, because the change to WAL takes a lock.
    client.run(`PRAGMA busy_timeout = ${START_BUSY_TIMEOUT_MS}`);
    client.run("PRAGMA journal_mode = WAL");
    client.run("PRAGMA synchronous = FULL");
    client.run("PRAGMA foreign_keys = ON");
    // Deleted messages are overwritten, not only unlinked.
    client.run("PRAGMA secure_delete = ON");
    // More than the default 1000 pages: a checkpoint writes each page once, however often it changed.
    client.run("PRAGMA wal_autocheckpoint = 4000");
    client.run("PRAGMA journal_size_limit = 67108864");
    // 2 MiB hold the pages of hundreds of busy rooms, and the system caches more. A larger cache would be filled by those
    // who read a long room from its beginning, with pages that nobody reads again.
    client.run("PRAGMA cache_size = -2048");
    upgrade(db, client);
    fillNameKeys(client);
    if (isIndexDamaged) client.run("UPDATE search_state SET version = ''");
    // Finds out now, not at the first message, whether the file can be written. BEGIN IMMEDIATE alone does not.
    client.run("BEGIN IMMEDIATE");
    client.run("INSERT INTO probes (pk, bytes) VALUES (0, '')");
    client.run("ROLLBACK");
    client.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    return db;
  } catch (error) {
    client.close();
    throw error;
  }
}

/** Connects to a file that was checked. It is checked over a read-only connection, which changes nothing. */
function connect(path: string, { check, create }: Required<OpenOptions>): Connected {
  if (path === "" || path.startsWith(":")) throw new OpenError(`${path}: this is not a file name`);
  const exists = existsSync(path);
  if (!exists && !create) throw new OpenError(`${path}: there is no such file`);
  if (exists && statSync(path).isDirectory()) throw new OpenError(`${path}: this is a folder, not a file`);
  // Otherwise SQLite falls back to read-only access and leaves a log beside the file.
  if (exists) accessSync(path, constants.R_OK | constants.W_OK);
  let isIndexDamaged = false;
  if (exists && statSync(path).size > 0) {
    const reader = openReader(path);
    try {
      reader.run(`PRAGMA busy_timeout = ${START_BUSY_TIMEOUT_MS}`);
      identify(path, reader);
      if (check) isIndexDamaged = findDamage(path, reader);
    } finally {
      reader.close();
    }
  }
  const client = new Database(path, { strict: true, create: true, readwrite: true });
  return { client, isIndexDamaged };
}

interface Connected {
  client: Database;
  /** Whether the search index, which can be built again, is all that is damaged. */
  isIndexDamaged: boolean;
}

/**
 * A read-only connection that leaves nothing beside the file. If there is no log, the file is opened as immutable, because
 * SQLite would create a log even for a reader.
 */
function openReader(path: string): Database {
  const log = `${path}-wal`;
  if (existsSync(log) && statSync(log).size > 0) return new Database(path, { readonly: true });
  const url = Bun.pathToFileURL(path);
  url.search = "immutable=1";
  return new Database(url.href, sqlite.SQLITE_OPEN_READONLY | sqlite.SQLITE_OPEN_URI);
}

function identify(path: string, reader: Database): void {
  // One snapshot, or the file of a process that is just creating it would look like another program's.
  reader.run("BEGIN");
  const id = pragma(reader, "application_id");
  const tables = reader.query<{ name: string }, []>("SELECT name FROM sqlite_schema").all();
  // An interrupted first start leaves only the empty table of migrations.
  const isNew = id === 0 && tables.every(({ name }) => name.includes("__drizzle_migrations"));
  if (id !== APPLICATION_ID && !isNew) throw new OpenError(`${path}: this is another program's database`);
  if (!isNew && appliedMigration(reader) > newestMigration()) {
    throw new OpenError(`${path}: written by a newer version of Parley. Start that one, or restore a backup`);
  }
}

/** Returns whether the search index is damaged. Throws `OpenError` for any other damage. */
function findDamage(path: string, reader: Database): boolean {
  const rows = reader.query("PRAGMA quick_check").values().flat();
  const found = rows.map((row) => String(row).split("\n").at(-1)).filter((line) => line !== "ok");
  const other = found.find((line) => !line?.toLowerCase().includes("fts5"));
  if (other !== undefined) throw new OpenError(`${path}: the database is damaged (${other})`);
  return found.length > 0;
}

function upgrade(db: Parameters<typeof migrate>[0], client: Database): void {
  try {
    // One transaction, so an interrupted migration leaves the old schema.
    migrate(db, { migrationsFolder: MIGRATIONS_FOLDER });
  } catch (error) {
    // Another process may have migrated the file at the same moment.
    const migrated =
      pragma(client, "application_id") === APPLICATION_ID && appliedMigration(client) === newestMigration();
    if (!migrated) throw error;
  }
}

/** When the newest migration in the file was generated, in milliseconds since the epoch; 0 if there is none. */
function appliedMigration(client: Database): number {
  const row = client
    .query<{ at: number | null }, []>("SELECT max(created_at) AS at FROM __drizzle_migrations")
    .get();
  return row?.at ?? 0;
}

/** When the newest migration of this version of Parley was generated, in milliseconds since the epoch. */
function newestMigration(): number {
  return readMigrationFiles({ migrationsFolder: MIGRATIONS_FOLDER }).at(-1)?.folderMillis ?? 0;
}

function pragma(client: Database, name: "application_id"): unknown {
  return client.query<Record<string, unknown>, []>(`PRAGMA ${name}`).get()?.[name];
}

/** What to tell the operator, by the prefix of an error code. */
const OPEN_FAILURES: Record<string, string> = {
  SQLITE_NOTADB: "this is not a database",
  SQLITE_CORRUPT: "the database is damaged",
  SQLITE_CANTOPEN: "the file cannot be opened. Does its folder exist, and may Parley write there?",
  SQLITE_READONLY: "the file cannot be written",
  SQLITE_BUSY: "another process has locked the database. Try again",
  SQLITE_FULL: "the disk is full",
  SQLITE_IOERR: "the disk reports an error",
  EACCES: "Parley may not read and write this file",
  EPERM: "Parley may not read and write this file",
  EROFS: "the file cannot be written",
};

function toOpenError(path: string, error: unknown): OpenError {
  if (error instanceof OpenError) return error;
  const cause = sqliteError(error) ?? error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const known = Object.entries(OPEN_FAILURES).find(([name]) => code.startsWith(name))?.[1];
  return new OpenError(`${path}: ${known ?? (error instanceof Error ? error.message : String(error))}`, {
    cause: error,
  });
}

/** The `SQLiteError` itself, or the one that an error of Drizzle has as its `cause`. */
export function sqliteError(error: unknown): SQLiteError | undefined {
  if (error instanceof SQLiteError) return error;
  return error instanceof Error && error.cause !== undefined ? sqliteError(error.cause) : undefined;
}
