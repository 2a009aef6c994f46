import type { TransferRecord } from "./transfer.ts";

/**
 * Whole chats on their way into the storage and out of it. Stands beside `Store`, for the command line. Like a store, it looks
 * up facts and writes; the rules are in `check-record.ts` and `decide-import.ts`. Methods reject with `StoreError` when the
 * storage cannot be used.
 */
export interface Archive {
  /** Begins an import. Nothing in the chat changes, and nothing is locked, until it is applied. */
  beginImport(): Import;
  /**
   * All records as of one moment: users, then room by room, by id, the room, its members, its bans and mutes, its messages, each followed by its
   * reactions, and its read marks. With `room`, that room alone and the users whom it names; none when it does not exist.
   */
  records(room?: string): AsyncIterable<TransferRecord>;
  /** Writes everything back and closes the files. */
  close(): Promise<void>;
}

/** Records that are collected, whatever their order, and applied together. */
export interface Import extends Disposable {
  /** Checks a record by itself and keeps it. `at` is its place in the file. Returns why it was left out, if it was. */
  add(at: string, record: TransferRecord): LeftOut | undefined;
  /** Applies the records in one transaction: all of them, or nothing when one is invalid. To be called once. */
  apply(options: ApplyOptions): Promise<ImportResult>;
}

/** Why a record was left out. `skipped` is plural, for the counts. */
export type LeftOut = { skipped: string } | { invalid: string };

export interface ApplyOptions {
  /** Do everything, then roll it back. */
  dryRun: boolean;
  /** Leave invalid records out instead of applying nothing. */
  skipInvalid: boolean;
  /** Called for each record that is invalid in the context of the others, or of what the chat has. */
  invalid: (at: string, reason: string) => void;
  /** Called for each record that is left out on purpose, or changed to fit. The reason is plural. */
  skipped: (reason: string) => void;
  /** Called now and then with the number of messages that have been applied. */
  progress: (messages: number, total: number) => void;
  /** When it is aborted, everything is rolled back and `apply` rejects with its reason. */
  signal: AbortSignal;
}

export const kinds = [
  "rooms",
  "users",
  "members",
  "bans and mutes",
  "messages",
  "reactions",
  "read marks",
] as const;
export type Kind = (typeof kinds)[number];

export type ImportResult = Record<Kind, Count>;

export interface Count {
  added: number;
  /** Records of what the chat had already. */
  known: number;
}
