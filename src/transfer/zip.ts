import type { Readable } from "node:stream";
import { crc32 } from "node:zlib";

import { type Entry, getFileNameLowLevel, openPromise, type ZipFile } from "yauzl";

import { SourceError } from "./source.ts";

/** Signature of a zip file's first entry (APPNOTE.TXT, section 4.3.7). */
const LOCAL_FILE_HEADER = "PK\x03\x04";

export interface ZipEntry {
  name: string;
  /** The bytes of the zip file up to the end of this entry, when its entries are in order. */
  end: number;
  /** The sizes that the zip file states: of the entry, and of its content. */
  compressedBytes: number;
  bytes: number;
  /** The content as text. Rejects with `EntryError` if it has more than `maxBytes` bytes, or cannot be read. */
  text: (maxBytes: number) => Promise<string>;
  /** The content in pieces, each checked against the declared size only. */
  stream: () => Promise<Readable>;
}

/** One entry cannot be read. The message is one line that does not name the entry. */
export class EntryError extends Error {
  override readonly name = "EntryError";
}

/** Whether a file begins as a zip file does. Throws `SourceError` when the file cannot be read. */
export async function isZip(path: string): Promise<boolean> {
  try {
    return (await Bun.file(path).slice(0, LOCAL_FILE_HEADER.length).text()) === LOCAL_FILE_HEADER;
  } catch (error) {
    throw cannotRead(path, error);
  }
}

/**
 * The files in a zip file, one after the other. An entry must be read before the next one is asked for. Nothing is written
 * to disk, so names need no check. Throws `SourceError` when the zip file is not whole.
 */
export async function* zipEntries(path: string): AsyncGenerator<ZipEntry> {
  try {
    // Undecoded names are not checked by yauzl: one odd name among the attachments must not stop an import.
    const zip = await openPromise(path, { lazyEntries: true, decodeStrings: false });
    for await (const entry of zip.eachEntry()) {
      const name = getFileNameLowLevel(
        entry.generalPurposeBitFlag,
        entry.fileNameRaw,
        entry.extraFields,
        false,
      );
      if (name.endsWith("/")) continue;
      yield {
        name,
        end: entry.relativeOffsetOfLocalHeader + entry.compressedSize,
        compressedBytes: entry.compressedSize,
        bytes: entry.uncompressedSize,
        text: (maxBytes) => readText(zip, entry, maxBytes),
        stream: () => openStream(zip, entry),
      };
    }
  } catch (error) {
    throw error instanceof SourceError || error instanceof EntryError ? error : cannotRead(path, error);
  }
}

function cannotRead(path: string, error: unknown): SourceError {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && "code" in error)
    return new SourceError(`Cannot read ${path}: ${message}`, { cause: error });
  return new SourceError(`${path} is not a whole zip file: ${message}`, { cause: error });
}

async function openStream(zip: ZipFile, entry: Entry): Promise<Readable> {
  if (entry.isEncrypted()) throw new EntryError("It is encrypted.");
  try {
    return await zip.openReadStreamPromise(entry);
  } catch (error) {
    throw entryError(error);
  }
}

/** yauzl ends a stream with an error when it has more bytes than the entry declares, so the declared size is the limit. */
async function readText(zip: ZipFile, entry: Entry, maxBytes: number): Promise<string> {
  if (entry.uncompressedSize > maxBytes)
    throw new EntryError(`It has ${entry.uncompressedSize} bytes; the limit is ${maxBytes}.`);
  const stream = await openStream(zip, entry);
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of stream) chunks.push(chunk);
  } catch (error) {
    throw entryError(error);
  }
  const bytes = Buffer.concat(chunks);
  if (crc32(bytes) !== entry.crc32) throw new EntryError("It is damaged: its checksum is wrong.");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new EntryError("It is not UTF-8 text.");
  }
}

function entryError(error: unknown): EntryError {
  const message = error instanceof Error ? error.message : String(error);
  return new EntryError(`It is damaged: ${message}`, { cause: error });
}
