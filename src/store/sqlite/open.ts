import { constants as sqlite, Database, SQLiteError } from "bun:sqlite";
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { join } from "node:path";

import { drizzle } from "drizzle-orm/bun-sqlite";
import { migrate } from "drizzle-orm/bun-sqlite/migrator";
import { readMigrationFiles } from "drizzle-orm/migrator";

import * as schema from "./schema.ts";

/** "PARL", set by the first migration: what tells our file from another program's. */
const applicationId = 0x5041524c;

/** In the binary the migrations are embedded beside the bundle. */
const migrationsFolder = join(import.meta.dir, Bun.isStandaloneExecutable ? "drizzle" : "../../../drizzle");

/** How long to wait, in milliseconds and with the event loop held, for a process that is writing just now. */
const busyTimeout = 5;
/** The same at the start, when nobody waits yet. */
const patience = 2000;

/** Why a file can't be used. The message is one line for whoever starts Parley; the file was left as it was. */
export class OpenError extends Error {
  override readonly name = "OpenError";
}

export interface OpenOptions {
  /** Reads the whole file for damage first: about three seconds per GB. For whoever will run on it for long. */
  check?: boolean;
  /** Makes the file when there is none. */
  create?: boolean;
}

/** Opens the database at `path`, brought to the newest schema. Throws `OpenError`. */
export function open(path: string, { check = false, create = true }: OpenOptions = {}): Db {
  const deadline = performance.now() + patience;
  for (;;) {
    try {
      return attempt(path, { check, create });
    } catch (error) {
      // There are locks that SQLite's own timeout does not wait for, such as the one that makes a file WAL.
      const busy = sqliteError(error)?.code?.startsWith("SQLITE_BUSY");
      if (!busy || performance.now() > deadline) throw refusal(path, error);
      Bun.sleepSync(20);
    }
  }
}

export type Db = ReturnType<typeof attempt>;

function attempt(path: string, options: Required<OpenOptions>) {
  const client = connect(path, options);
  const db = drizzle(client, { schema });
  try {
    // busy_timeout first: even the change to WAL takes a lock.
    client.run(`PRAGMA busy_timeout = ${patience}`);
    client.run("PRAGMA journal_mode = WAL");
    client.run("PRAGMA synchronous = FULL");
    client.run("PRAGMA foreign_keys = ON");
    // What was deleted is overwritten, not only let go.
    client.run("PRAGMA secure_delete = ON");
    // Larger steps than the default 1000 pages: a checkpoint writes each page once, however often it changed.
    client.run("PRAGMA wal_autocheckpoint = 4000");
    client.run("PRAGMA journal_size_limit = 67108864");
    // 2 MiB hold the pages of hundreds of busy rooms; more of them are in the system's own cache. Who reads a long room
    // from its beginning would fill any larger one with what nobody asks for again.
    client.run("PRAGMA cache_size = -2048");
    upgrade(db, client);
    // A file that can't be written would be found out by the first message. BEGIN IMMEDIATE alone takes no notice of it.
    client.run("BEGIN IMMEDIATE");
    client.run("INSERT INTO probes (pk, bytes) VALUES (0, '')");
    client.run("ROLLBACK");
    client.run(`PRAGMA busy_timeout = ${busyTimeout}`);
    return db;
  } catch (error) {
    client.close();
    throw error;
  }
}

/** A checked connection. Looks at the file through a reader, which changes nothing. */
function connect(path: string, { check, create }: Required<OpenOptions>): Database {
  if (path === "" || path.startsWith(":")) throw new OpenError(`${path}: this is not the name of a file`);
  const exists = existsSync(path);
  if (!exists && !create) throw new OpenError(`${path}: there is no such file`);
  if (exists && statSync(path).isDirectory()) throw new OpenError(`${path}: this is a folder, not a file`);
  // SQLite would fall back to reading alone, and leave a log beside the file.
  if (exists) accessSync(path, constants.R_OK | constants.W_OK);
  if (exists && statSync(path).size > 0) {
    const reader = openReader(path);
    try {
      reader.run(`PRAGMA busy_timeout = ${patience}`);
      inspect(path, reader, check);
    } finally {
      reader.close();
    }
  }
  return new Database(path, { strict: true, create: true, readwrite: true });
}

/**
 * Changes nothing, and leaves nothing beside the file: without a log of its own it is read as one that nobody writes,
 * since SQLite would make a log for a reader, too.
 */
function openReader(path: string): Database {
  const log = `${path}-wal`;
  if (existsSync(log) && statSync(log).size > 0) return new Database(path, { readonly: true });
  const url = Bun.pathToFileURL(path);
  url.search = "immutable=1";
  return new Database(url.href, sqlite.SQLITE_OPEN_READONLY | sqlite.SQLITE_OPEN_URI);
}

function inspect(path: string, reader: Database, check: boolean): void {
  const id = pragma(reader, "application_id");
  const tables = reader.query<{ name: string }, []>("SELECT name FROM sqlite_schema").all();
  // A first start that was cut short leaves no more than the table of migrations, empty.
  const fresh = id === 0 && tables.every(({ name }) => name.includes("__drizzle_migrations"));
  if (id !== applicationId && !fresh) throw new OpenError(`${path}: this is another program's database`);
  if (!fresh && applied(reader) > newest()) {
    throw new OpenError(`${path}: written by a newer Parley; start that one, or restore a backup`);
  }
  if (!check) return;
  const result = reader.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").get();
  const found = result?.quick_check.split("\n").at(-1);
  if (found !== "ok") throw new OpenError(`${path}: the database is damaged (${found})`);
}

function upgrade(db: Parameters<typeof migrate>[0], client: Database): void {
  try {
    // One transaction: cut short, it leaves the old schema.
    migrate(db, { migrationsFolder });
  } catch (error) {
    // Another process may have done it in the same moment.
    if (pragma(client, "application_id") !== applicationId || applied(client) !== newest()) throw error;
  }
}

/** When the newest migration that the file has was generated; 0 for none. */
function applied(client: Database): number {
  const row = client
    .query<{ at: number | null }, []>("SELECT max(created_at) AS at FROM __drizzle_migrations")
    .get();
  return row?.at ?? 0;
}

function newest(): number {
  return readMigrationFiles({ migrationsFolder }).at(-1)?.folderMillis ?? 0;
}

function pragma(client: Database, name: "application_id"): unknown {
  return client.query<Record<string, unknown>, []>(`PRAGMA ${name}`).get()?.[name];
}

const reasons: Record<string, string> = {
  SQLITE_NOTADB: "this is not a database",
  SQLITE_CORRUPT: "the database is damaged",
  SQLITE_CANTOPEN: "the file can't be opened; does its folder exist, and may Parley write there?",
  SQLITE_READONLY: "the file can't be written",
  SQLITE_BUSY: "another process holds the database; try again",
  SQLITE_FULL: "the disk is full",
  SQLITE_IOERR: "the disk reports an error",
  EACCES: "Parley may not read and write this file",
  EPERM: "Parley may not read and write this file",
  EROFS: "the file can't be written",
};

function refusal(path: string, error: unknown): OpenError {
  if (error instanceof OpenError) return error;
  const cause = sqliteError(error) ?? error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const known = Object.entries(reasons).find(([name]) => code.startsWith(name))?.[1];
  return new OpenError(`${path}: ${known ?? (error instanceof Error ? error.message : String(error))}`, {
    cause: error,
  });
}

/** The `SQLiteError` behind an error of bun:sqlite, or of Drizzle, which hides it in `cause`. */
export function sqliteError(error: unknown): SQLiteError | undefined {
  if (error instanceof SQLiteError) return error;
  return error instanceof Error && error.cause !== undefined ? sqliteError(error.cause) : undefined;
}
