import { writeFileSync } from "node:fs";
import { join } from "node:path";

import type { MessageRecord, TransferRecord } from "../../../src/chat/transfer.ts";
import { type DjangoOptions, djangoSource } from "../../../src/transfer/django/source.ts";
import { SourceError, type SourceItem } from "../../../src/transfer/source.ts";
import { root } from "../../support/process.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

/** A dump that dumpdata wrote. */
export const fixture = (name: string) => join(root, "test/transfer/fixtures/django", `${name}.dump`);

export interface Reading {
  items: SourceItem[];
  notes: string[];
}

/** Reads a dump from a file. */
export async function readFile(path: string, options: DjangoOptions = {}): Promise<Reading> {
  const notes: string[] = [];
  const source = djangoSource({ onNote: (line) => notes.push(line), ...options });
  return { items: await Array.fromAsync(source({ path, progress: () => undefined })), notes };
}

/** Why a reading fails. Rejects when it succeeds, or fails with another error than `SourceError`. */
export async function refusalOf(reading: Promise<Reading>): Promise<string> {
  try {
    await reading;
  } catch (error) {
    if (error instanceof SourceError) return error.message;
    throw error;
  }
  throw new Error("The dump was read.");
}

/** Reads a dump that is given as its text or its records. */
export async function readDump(dump: unknown, options: DjangoOptions = {}): Promise<Reading> {
  using folder = temporaryFolder();
  const path = join(folder.path, "dump.json");
  const isText = typeof dump === "string" || dump instanceof Uint8Array;
  writeFileSync(path, isText ? dump : JSON.stringify(dump));
  return await readFile(path, options);
}

/** The records of one type. */
export function recordsOf<Type extends TransferRecord["type"]>(
  { items }: Reading,
  type: Type,
): Extract<TransferRecord, { type: Type }>[] {
  const records = items.flatMap((item) => ("record" in item ? [item.record] : []));
  return records.filter((record): record is Extract<TransferRecord, { type: Type }> => record.type === type);
}

export const textsOf = (reading: Reading) =>
  recordsOf(reading, "message").map(({ text }: MessageRecord) => text);

export const errorsOf = ({ items }: Reading) =>
  items.flatMap((item) => ("invalid" in item ? [`${item.at}: ${item.invalid}`] : []));

export const skippedOf = ({ items }: Reading) =>
  items.flatMap((item) => ("skipped" in item ? [item.skipped] : []));

export interface Row {
  model: string;
  pk?: number | string;
  fields: Record<string, unknown>;
}

export const user = (pk: number | string, fields: Record<string, unknown> = {}): Row => ({
  model: "auth.user",
  pk,
  fields: { username: `user${pk}`, email: `user${pk}@example.com`, ...fields },
});

export const room = (pk: number | string, fields: Record<string, unknown> = {}): Row => ({
  model: "chat.room",
  pk,
  fields: { name: `Room ${pk}`, participants: [1, 2], created_at: "2024-05-01T09:00:00Z", ...fields },
});

export const message = (pk: number | string, fields: Record<string, unknown> = {}): Row => ({
  model: "chat.message",
  pk,
  fields: { room: 1, sender: 1, text: `Message ${pk}`, timestamp: "2024-05-01T10:00:00Z", ...fields },
});

/** Two users in a room with a message. */
export const conversation = (...more: Row[]): Row[] => [user(1), user(2), room(1), message(1), ...more];
