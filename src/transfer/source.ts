import type { TransferRecord } from "../chat/transfer.ts";

/**
 * One item of a file that is imported: a record, or why there is none. `at` is its place in the file, for errors: "line 812",
 * or "general/2024-05-01.json, message 3".
 */
export type SourceItem = { at: string } & (
  | { record: TransferRecord }
  /** The item is left out on purpose, such as a message without text. The reason is plural, for the counts: "messages without text". */
  | { skipped: string }
  /** The item is wrong. The reason is one line. */
  | { invalid: string }
);

/** Reads a file. Items may refer to others that come later. Throws `SourceError` when the file as a whole cannot be read. */
export type Source = (file: SourceFile) => AsyncIterable<SourceItem>;

export interface SourceFile {
  path: string;
  /** Called now and then with the number of bytes of the file that have been read. */
  progress: (bytes: number) => void;
}

/** A file cannot be read, or is not what it should be. The message is one line for the operator. */
export class SourceError extends Error {
  override readonly name = "SourceError";
}
