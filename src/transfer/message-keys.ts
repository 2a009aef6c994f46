import { Database } from "bun:sqlite";

/** Keys of messages, counted in a temporary database on disk: memory stays flat whatever their number. */
export class MessageKeys implements Disposable {
  readonly #database = openTemporary(
    "CREATE TABLE disk.keys (room, key, count, PRIMARY KEY (room, key)) WITHOUT ROWID",
  );
  readonly #add = this.#database.query<{ count: number }, [string, string]>(
    "INSERT INTO disk.keys VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count",
  );
  readonly #has = this.#database.query<{ found: 1 }, [string, string]>(
    "SELECT 1 AS found FROM disk.keys WHERE room = ? AND key = ?",
  );

  /** Adds a key and returns how often it has been added: 1 for a new one. */
  add(room: string, key: string): number {
    return this.#add.get(room, key)?.count ?? 0;
  }

  has(room: string, key: string): boolean {
    return this.#has.get(room, key) !== null;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** Values that wait on disk until they are asked for, in the order in which they were added. They must survive JSON. */
export class DiskQueue<T> implements Disposable {
  readonly #database = openTemporary("CREATE TABLE disk.queue (id INTEGER PRIMARY KEY, value TEXT)");
  readonly #add = this.#database.query<never, [string]>("INSERT INTO disk.queue (value) VALUES (?)");

  add(value: T): void {
    this.#add.run(JSON.stringify(value));
  }

  *values(): Generator<T> {
    const rows = this.#database.query<{ value: string }, []>("SELECT value FROM disk.queue ORDER BY id");
    for (const { value } of rows.iterate()) yield JSON.parse(value) as T;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

const CACHE_KIB = 16 * 1024;

/** SQLite keeps a database without a name in a temporary file, which it deletes by itself. */
function openTemporary(table: string): Database {
  const database = new Database(":memory:");
  database.run("ATTACH '' AS disk");
  database.run("PRAGMA disk.journal_mode = OFF");
  database.run("PRAGMA disk.synchronous = OFF");
  database.run(`PRAGMA disk.cache_size = -${CACHE_KIB}`);
  database.run(table);
  database.run("BEGIN");
  return database;
}
