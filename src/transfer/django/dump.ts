import { createReadStream, statSync } from "node:fs";

import { SourceError, type SourceFile } from "../source.ts";
import { ModelReader } from "./model-reader.ts";
import { type RawRecord, RecordSplitter } from "./record-splitter.ts";

const CHUNK_BYTES = 1024 * 1024;
const MAX_SHOWN_LENGTH = 80;

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A primary key, of the type that it has in the dump: users may be called `7`. */
export type Key = string | number;

/** A record of `dumpdata`: one row of a table. */
export interface DumpRecord {
  /** As in `chat.message`, in lower case. */
  model: string;
  /** Null in a dump with `--natural-primary`. */
  pk: Key | null;
  fields: Record<string, Json>;
  /** The line on which it begins. */
  line: number;
  /** Its number in the file, from 1. */
  number: number;
}

/** The place of a record, for errors. */
export function placeOf({ line, model, pk, number }: DumpRecord): string {
  return `line ${line}, ${model} ${pk ?? `(record ${number})`}`;
}

/** A dump that is read `passes` times from begin to end, because its records may refer to later ones. */
export class Dump {
  readonly #file: SourceFile;
  readonly #passes: number;
  readonly #size: number;
  #pass = 0;

  /** Throws `SourceError` if the file cannot be read more than once, as a pipe. */
  constructor(file: SourceFile, passes: number) {
    const stats = statSync(file.path, { throwIfNoEntry: false });
    if (!stats?.isFile()) {
      throw new SourceError(
        `${file.path} is not a file. A dump is read ${passes} times, so it cannot be a pipe.`,
      );
    }
    this.#file = file;
    this.#passes = passes;
    this.#size = stats.size;
  }

  /** The time of the file's last change, in milliseconds since the epoch. */
  get changedAt(): number {
    return Math.floor(statSync(this.#file.path).mtimeMs);
  }

  /**
   * Yields the records of each chunk of the file. Those of models that are not wanted may be left out, which saves parsing
   * them. Throws `SourceError` if the file is not a dump.
   */
  async *read(isWanted: (model: string) => boolean): AsyncGenerator<DumpRecord[]> {
    const splitter = new RecordSplitter();
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const models = new ModelReader();
    let bytes = this.#pass++ * this.#size;
    let number = 0;
    const stream: AsyncIterable<Uint8Array> = createReadStream(this.#file.path, {
      highWaterMark: CHUNK_BYTES,
    });
    for await (const chunk of stream) {
      const records: DumpRecord[] = [];
      for (const raw of splitter.push(chunk)) {
        number++;
        const model = models.read(raw.bytes);
        if (model === undefined || isWanted(model)) records.push(parseRecord(raw, decoder, number));
      }
      yield records;
      bytes += chunk.length;
      this.#file.progress(Math.floor(bytes / this.#passes));
    }
    splitter.end();
    if (number === 0) throw new SourceError("The dump has no records.");
  }
}

/** Numbers of more than 15 digits, which JavaScript rounds. They occur as primary keys. */
const LONG_NUMBER = /[\s:[,]-?\d{16}/;

function parseRecord({ bytes, line }: RawRecord, decoder: TextDecoder, number: number): DumpRecord {
  const text = decode(bytes, decoder, line);
  let value: Json;
  try {
    value = (LONG_NUMBER.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text)) as Json;
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^JSON Parse error: /, "") : String(error);
    throw new SourceError(`The record that begins on line ${line} is not JSON: ${reason}.`);
  }
  const { model, pk = null, fields } = value as { [key: string]: Json };
  if (typeof model !== "string" || !isObject(fields) || !(pk === null || isScalar(pk))) {
    throw new SourceError(
      `The record that begins on line ${line} is not one of dumpdata, which has a model, a pk and fields.`,
    );
  }
  return { model: model.toLowerCase(), pk, fields, line, number };
}

function decode(bytes: Uint8Array, decoder: TextDecoder, line: number): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new SourceError(
      `The record that begins on line ${line} is not in UTF-8. Write the file with dumpdata --output, with PYTHONUTF8=1 on Windows.`,
    );
  }
}

/** A reviver that turns numbers which would be rounded into text. */
function keepDigits(_key: string, value: unknown, context?: { source?: string }): unknown {
  const rounded = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return rounded ? (context?.source ?? value) : value;
}

export function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isScalar(value: Json | undefined): value is Key {
  return typeof value === "string" || typeof value === "number";
}

/** A value, for an error. */
export function shown(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text;
}
