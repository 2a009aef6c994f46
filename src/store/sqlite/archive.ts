import type { ApplyOptions, Archive, Import, ImportResult, LeftOut } from "../../chat/archive.ts";
import { checkRecord } from "../../chat/check-record.ts";
import { StoreError } from "../../chat/errors.ts";
import type { TransferRecord } from "../../chat/transfer.ts";
import { Exporter } from "./exporter.ts";
import { Importer } from "./importer.ts";
import { closeDatabase, type Db, sqliteError } from "./open.ts";
import { Staging } from "./staging.ts";
import { isBusy, toStoreError } from "./writer.ts";

/** The `Archive` on one SQLite file. While an import or an export is under way, nothing else may use the connection. */
export class SqliteArchive implements Archive {
  constructor(private readonly db: Db) {}

  beginImport(): Import {
    return new SqliteImport(this.db);
  }

  async *records(room?: string): AsyncIterable<TransferRecord> {
    const { $client } = this.db;
    using exporter = new Exporter($client);
    try {
      // A read transaction sees one state of the file, however long it takes.
      $client.run("BEGIN");
      yield* exporter.records(room);
    } catch (error) {
      throw asStoreError(error);
    } finally {
      if ($client.inTransaction) $client.run("ROLLBACK");
    }
  }

  async close(): Promise<void> {
    storeErrors(() => closeDatabase(this.db));
  }
}

class SqliteImport implements Import {
  readonly #staging: Staging;

  constructor(private readonly db: Db) {
    this.#staging = stagingErrors(() => new Staging(db.$client));
  }

  add(at: string, record: TransferRecord): LeftOut | undefined {
    const checked = checkRecord(record);
    return "invalid" in checked ? checked : stagingErrors(() => this.#staging.add(at, checked));
  }

  async apply(options: ApplyOptions): Promise<ImportResult> {
    stagingErrors(() => this.#staging.finish());
    try {
      return await new Importer(this.db, options).run();
    } catch (error) {
      if (isBusy(error))
        throw new StoreError("another process is writing to the database. Try again", { cause: error });
      throw asStoreError(error);
    }
  }

  [Symbol.dispose](): void {
    this.#staging[Symbol.dispose]();
  }
}

/** Throws `StoreError` for an error of SQLite. */
function storeErrors<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asStoreError(error);
  }
}

/** Throws `StoreError` for an error of the temporary database, which may be on another disk than the chat. */
function stagingErrors<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!sqliteError(error)) throw error;
    const { message } = toStoreError(error);
    throw new StoreError(`the temporary database cannot be written (SQLITE_TMPDIR): ${message}`, {
      cause: error,
    });
  }
}

/** The domain's error for an error of SQLite; another error as it is. */
function asStoreError(error: unknown): unknown {
  return sqliteError(error) ? toStoreError(error) : error;
}
