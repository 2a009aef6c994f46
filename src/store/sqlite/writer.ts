import type { Database } from "bun:sqlite";

import { StoreError } from "../../chat/errors.ts";
import { sqliteError } from "./open.ts";

/** How long a write waits for another process to release the file. */
const MAX_BUSY_MS = 5000;
/** How often it tries meanwhile. Each attempt holds the event loop for SQLite's own busy timeout. */
const BUSY_RETRY_MS = 20;

/** Runs writes, each in an IMMEDIATE transaction. While another process writes, they wait with the event loop free. */
export class Writer {
  /** Begun once: bun:sqlite creates five functions for each new transaction. */
  readonly #transaction: ReturnType<typeof beginWith>;
  /** Settles when the writer that waits for another process is done. Undefined while none waits. */
  #waiting: Promise<void> | undefined;

  constructor(database: Database) {
    this.#transaction = beginWith(database);
  }

  /** Resolves when the write is on disk. Rejects with `StoreError`; then nothing has changed. */
  async write<T>(work: () => T): Promise<T> {
    const deadline = performance.now() + MAX_BUSY_MS;
    // Only one of those who wait keeps trying.
    while (this.#waiting) await this.#waiting;
    const { promise, resolve } = Promise.withResolvers<void>();
    try {
      for (;;) {
        try {
          return this.#transaction.immediate(work) as T;
        } catch (error) {
          const busy = sqliteError(error)?.code?.startsWith("SQLITE_BUSY");
          if (!busy || performance.now() > deadline) throw toStoreError(error);
          this.#waiting ??= promise;
          await Bun.sleep(BUSY_RETRY_MS);
        }
      }
    } finally {
      if (this.#waiting === promise) this.#waiting = undefined;
      resolve();
    }
  }
}

const beginWith = (database: Database) => database.transaction((work: () => unknown) => work());

/** The domain's error for one of SQLite. Leaves out Drizzle's own error, which repeats the parameters. */
export function toStoreError(error: unknown): StoreError {
  const cause = sqliteError(error);
  return new StoreError(cause ? `${cause.code}: ${cause.message}` : String(error), { cause: cause ?? error });
}
