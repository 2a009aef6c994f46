import { join } from "node:path";

import type { TransferRecord } from "../../src/chat/transfer.ts";
import type { Source, SourceItem } from "../../src/transfer/source.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { buildZip, type ZipFileEntry } from "./zip.ts";

/** Reads a file with the given content to its end. */
export async function readAll(
  source: Source,
  content: string | Uint8Array<ArrayBuffer>,
): Promise<SourceItem[]> {
  using folder = temporaryFolder();
  const path = join(folder.path, "export");
  await Bun.write(path, content);
  return await Array.fromAsync(source({ path, progress: () => {} }));
}

type RecordOf<Type extends TransferRecord["type"]> = Extract<TransferRecord, { type: Type }>;

/** The records of one type. */
export function recordsOf<Type extends TransferRecord["type"]>(
  items: readonly SourceItem[],
  type: Type,
): RecordOf<Type>[] {
  return items
    .flatMap((item) => ("record" in item ? [item.record] : []))
    .filter((record): record is RecordOf<Type> => record.type === type);
}

/** What was left out on purpose, and how often. */
export function skippedIn(items: readonly SourceItem[]): Record<string, number> {
  const reasons = items.flatMap((item) => ("skipped" in item ? [item.skipped] : []));
  return Object.fromEntries(
    [...new Set(reasons)].map((reason) => [reason, reasons.filter((other) => other === reason).length]),
  );
}

/** What was wrong, as `place: reason`. */
export function errorsIn(items: readonly SourceItem[]): string[] {
  return items.flatMap((item) => ("invalid" in item ? [`${item.at}: ${item.invalid}`] : []));
}

/** A zip file with JSON files. A text is taken as it is. */
export function jsonZip(files: Readonly<Record<string, unknown>>, more: readonly ZipFileEntry[] = []) {
  const entries = Object.entries(files).map(([name, value]) => ({
    name,
    content: typeof value === "string" ? value : JSON.stringify(value),
  }));
  return buildZip([...entries, ...more]);
}
