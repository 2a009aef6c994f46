import { join } from "node:path";

import type { ImportResult } from "../../src/chat/archive.ts";
import type { MessageRecord, TransferRecord } from "../../src/chat/transfer.ts";
import { SqliteArchive } from "../../src/store/sqlite/archive.ts";
import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { encodeLine } from "../../src/transfer/encode-jsonl.ts";
import { parseLine } from "../../src/transfer/jsonl.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** What became of an import. */
export interface Imported {
  /** Undefined when nothing was applied because a record was invalid by itself. */
  counts: ImportResult | undefined;
  /** Errors, each as "3: reason": the number of the record, from 1, and the reason. */
  errors: string[];
  /** Reasons for leaving something out on purpose. */
  skipped: string[];
}

/** A store with its archive on a new file, which goes when the test does. */
export function openArchive() {
  const folder = temporaryFolder();
  const path = join(folder.path, "parley.db");
  const db = open(path);
  const store = new SqliteStore(db);
  const archive = new SqliteArchive(db);
  return {
    path,
    client: db.$client,
    store,
    archive,
    /** Imports records, as the command line does. */
    async import(
      records: readonly TransferRecord[],
      { dryRun = false, skipInvalid = false } = {},
    ): Promise<Imported> {
      const result: Imported = { counts: undefined, errors: [], skipped: [] };
      using started = archive.beginImport();
      for (const [index, record] of records.entries()) {
        const leftOut = started.add(String(index + 1), record);
        if (leftOut && "invalid" in leftOut) result.errors.push(`${index + 1}: ${leftOut.invalid}`);
        else if (leftOut) result.skipped.push(leftOut.skipped);
      }
      if (result.errors.length > 0 && !skipInvalid) return result;
      result.counts = await started.apply({
        dryRun,
        skipInvalid,
        invalid: (at, reason) => result.errors.push(`${at}: ${reason}`),
        skipped: (reason) => result.skipped.push(reason),
        progress: () => undefined,
        signal: new AbortController().signal,
      });
      return result;
    },
    /** Imports lines. Throws when one is not a record. */
    importLines(lines: readonly string[]) {
      return this.import(lines.map(recordOf));
    },
    async export(room?: string): Promise<string[]> {
      const lines: string[] = [];
      for await (const record of archive.records(room)) lines.push(encodeLine(record));
      return lines;
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      folder[Symbol.dispose]();
    },
  };
}

export type OpenArchive = ReturnType<typeof openArchive>;

function recordOf(line: string): TransferRecord {
  const record = parseLine(line);
  if ("invalid" in record) throw new Error(`${line}: ${record.invalid}`);
  return record;
}

/** Records of a room of another product, each as short as possible. */
export const foreign = {
  room: (id: string): TransferRecord => ({
    type: "room",
    id,
    name: id,
    createdAt: 1,
    createdBy: null,
    head: null,
  }),
  member: (room: string, email: string): TransferRecord => ({
    type: "member",
    room,
    user: { email },
    role: "member",
    joinedAt: 1,
  }),
  message: (room: string, key: string, more: Partial<MessageRecord> = {}): MessageRecord => ({
    type: "message",
    room,
    sender: { email: "ann@example.com" },
    text: `text ${key}`,
    sentAt: 1,
    editedAt: null,
    deletedAt: null,
    replyTo: null,
    clientId: key,
    meta: null,
    position: null,
    ...more,
  }),
  reaction: (room: string, key: string, email: string, emoji = "👍"): TransferRecord => ({
    type: "reaction",
    room,
    message: { key },
    emoji,
    user: { email },
  }),
};
