import type { Readable } from "node:stream";

import * as v from "valibot";

import { describeIssue } from "../issue.ts";
import { type Line, readLines } from "../lines.ts";
import { SourceError, type SourceFile, type SourceItem } from "../source.ts";
import { EntryError, isZip, zipEntries, type ZipEntry } from "../zip.ts";
import { ExportReader } from "./export-reader.ts";
import { type LineData, lineSchema } from "./schemas.ts";

/** A line holds a post with all of its replies. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;
/** The version of the format, which has not changed since 2017. */
const FORMAT_VERSION = 1;

/** Reads a bulk export: JSON lines, or the zip file that `mmctl export` makes. */
export async function* readMattermost(file: SourceFile): AsyncGenerator<SourceItem> {
  if (await isZip(file.path)) yield* readZip(file);
  else yield* readExport(file.path, readLines(file, { maxBytes: MAX_LINE_BYTES }));
}

async function* readZip({ path, progress }: SourceFile): AsyncGenerator<SourceItem> {
  for await (const { name, stream, bytes, compressedBytes } of zipEntries(path)) {
    // Attachments stand in folders.
    if (!/^[^/]+\.jsonl$/.test(name)) continue;
    const file = {
      path: `${path}, ${name}`,
      progress: (read: number) => progress(Math.round((read / Math.max(bytes, 1)) * compressedBytes)),
    };
    const content = await openContent(stream, file.path);
    yield* readExport(file.path, readLines(file, { maxBytes: MAX_LINE_BYTES, content }));
    return;
  }
  throw new SourceError(`${path} is not a Mattermost export: it has no file import.jsonl.`);
}

async function openContent(stream: ZipEntry["stream"], name: string): Promise<Readable> {
  try {
    return await stream();
  } catch (error) {
    throw error instanceof EntryError ? new SourceError(`Cannot read ${name}: ${error.message}`) : error;
  }
}

async function* readExport(
  path: string,
  batches: AsyncIterable<readonly Line[]>,
): AsyncGenerator<SourceItem> {
  using reader = new ExportReader();
  let begun = false;
  for await (const lines of batches) {
    for (const { at, text, invalid } of lines) {
      if (invalid === undefined && text.trim() === "") continue;
      const line = invalid === undefined ? parseLine(text) : { invalid };
      if (!begun) checkVersion(line, path);
      begun = true;
      if ("type" in line) yield* reader.items(at, line);
      else yield { at, ...line };
    }
  }
  if (!begun) throw new SourceError(`${path} is empty.`);
  yield* reader.end();
}

/** Throws `SourceError` unless a file's first line says that the file is in the format that Parley knows. */
function checkVersion(line: LineData | { invalid: string }, path: string): void {
  if (!("type" in line) || line.type !== "version")
    throw new SourceError(`${path} is not a Mattermost bulk export: its first line is not the version.`);
  if (line["version"] !== FORMAT_VERSION)
    throw new SourceError(
      `${path} is in a version of Mattermost's bulk format that is not known, not in version ${FORMAT_VERSION}.`,
    );
}

function parseLine(text: string): LineData | { invalid: string } {
  try {
    const parsed = v.safeParse(lineSchema, JSON.parse(text));
    return parsed.success ? parsed.output : { invalid: describeIssue(parsed.issues[0]) };
  } catch (error) {
    return { invalid: `Not valid JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}
