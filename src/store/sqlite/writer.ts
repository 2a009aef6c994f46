import type { Database } from "bun:sqlite";

import { isRefused, type Refused, StoreError } from "../../chat/errors.ts";
import { sqliteError } from "./open.ts";

/** How long a write waits for another process to release the file. */
const MAX_BUSY_MS = 5000;
/** Delay between two attempts. Each attempt blocks the event loop for SQLite's own busy timeout. */
const BUSY_RETRY_MS = 20;
/** What `PRAGMA synchronous` answers. */
const SYNCHRONOUS_FULL = 2;

/** Runs writes, each in an IMMEDIATE transaction. While another process writes, they wait without blocking the event loop. */
export class Writer {
  /** Created once: bun:sqlite creates five functions for each new transaction. */
  readonly #transaction: ReturnType<typeof createTransaction>;
  /** Resolves when the write that retries is done. Undefined while none does. */
  #waiting: Promise<void> | undefined;

  constructor(private readonly database: Database) {
    this.#transaction = createTransaction(database);
  }

  /**
   * Resolves when the write is on disk. Rejects with `StoreError`; then nothing has changed. Nor has it when the work returns
   * `Refused`: what it wrote before is rolled back.
   */
  write<T>(work: () => T): Promise<T> {
    return this.#write(() => this.#commit(work));
  }

  /**
   * The same for what can be derived again from the rest of the database, such as the search index: it does not wait for the
   * disk. A power failure may undo it, like everything of this kind that was written after the last `write`.
   */
  writeDerived<T>(work: () => T): Promise<T> {
    return this.#write(() => this.#withoutSync(() => this.#commit(work)));
  }

  #commit<T>(work: () => T): T {
    return this.#transaction.immediate(() => rollBackIfRefused(work())) as T;
  }

  /** In WAL mode, commits with `NORMAL` stay in order, and the next one with `FULL` puts all of them on disk. */
  #withoutSync<T>(commit: () => T): T {
    const row = this.database.query<{ synchronous: number }, []>("PRAGMA synchronous").get();
    if (row?.synchronous !== SYNCHRONOUS_FULL) return commit();
    this.database.run("PRAGMA synchronous = NORMAL");
    try {
      return commit();
    } finally {
      this.database.run("PRAGMA synchronous = FULL");
    }
  }

  async #write<T>(attempt: () => T): Promise<T> {
    const deadline = performance.now() + MAX_BUSY_MS;
    // Only one write retries. The others wait for it.
    while (this.#waiting) await this.#waiting;
    const { promise, resolve } = Promise.withResolvers<void>();
    try {
      for (;;) {
        try {
          return attempt();
        } catch (error) {
          if (error instanceof Rollback) return error.result as T;
          if (!isBusy(error) || performance.now() > deadline) throw toStoreError(error);
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

/** Rolls a transaction back, whose result is known nevertheless. */
class Rollback extends Error {
  constructor(readonly result: Refused) {
    super("rolled back");
  }
}

function rollBackIfRefused<T>(result: T): T {
  if (isRefused(result)) throw new Rollback(result);
  return result;
}

/** Begins an IMMEDIATE transaction that lasts many turns. While another process writes, it waits. Throws errors of SQLite. */
export async function beginImmediate(database: Database): Promise<void> {
  const deadline = performance.now() + MAX_BUSY_MS;
  for (;;) {
    try {
      database.run("BEGIN IMMEDIATE");
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
      await Bun.sleep(BUSY_RETRY_MS);
    }
  }
}

/** Whether another process has locked the file. */
export const isBusy = (error: unknown) => sqliteError(error)?.code?.startsWith("SQLITE_BUSY") ?? false;

/** Whether a virtual table is damaged: the search index, since there are no others. */
export const isDamaged = (error: unknown) => sqliteError(error)?.code === "SQLITE_CORRUPT_VTAB";

/** Returns a function that runs some work in a transaction. */
export const createTransaction = (database: Database) =>
  database.transaction((work: () => unknown) => work());

/** The domain's error for an error of SQLite. Leaves out Drizzle's message, which contains the parameters. */
export function toStoreError(error: unknown): StoreError {
  const cause = sqliteError(error);
  return new StoreError(cause ? `${cause.code}: ${cause.message}` : String(error), { cause: cause ?? error });
}
