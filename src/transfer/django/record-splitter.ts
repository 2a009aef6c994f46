import { SourceError } from "../source.ts";

/** A record is at most this long, so that a quote that is never closed does not fill the memory with the rest of the file. */
const MAX_RECORD_BYTES = 64 * 1024 * 1024;

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** The text of one object of the file. */
export interface RawRecord {
  bytes: Uint8Array;
  /** The line on which it begins. */
  line: number;
}

/** What may come between two records: the list's begin, a record, a comma, or nothing more. */
type Expected = "begin" | "first" | "record" | "comma" | "line" | "nothing";

/**
 * Splits the bytes of a JSON array of objects into these objects, without parsing them: a JSON parser sees one record at a
 * time, and the file may have any size. Objects without an array around them are accepted too, which is Django's `jsonl`.
 */
export class RecordSplitter {
  #expected: Expected = "begin";
  /** Braces and brackets that are open within the record; 0 between records. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  #line = 1;
  #offset = 0;
  /** The parts of a record that began in an earlier chunk. */
  #parts: Uint8Array[] = [];
  #partsLength = 0;
  #recordLine = 0;

  /** Yields the records that end in this chunk. Their bytes are valid until the next call. Throws `SourceError`. */
  *push(chunk: Uint8Array): Generator<RawRecord> {
    let start = 0;
    let position = 0;
    while (position < chunk.length) {
      if (this.#depth === 0) {
        start = this.#findRecord(chunk, position);
        position = start + 1;
        continue;
      }
      const end = this.#findEnd(chunk, position);
      if (end === -1) break;
      yield { bytes: this.#join(chunk.subarray(start, end)), line: this.#recordLine };
      position = end;
    }
    if (this.#depth > 0) this.#keep(new Uint8Array(chunk.subarray(start)));
    this.#offset += chunk.length;
  }

  /** Throws `SourceError` if the file ends too early. */
  end(): void {
    if (this.#depth > 0) {
      throw new SourceError(
        `The file is cut off: it ends within the record that begins on line ${this.#recordLine}.`,
      );
    }
    if (this.#expected === "begin") throw new SourceError("The file is empty.");
    if (this.#expected !== "nothing" && this.#expected !== "line")
      throw new SourceError(`The file is cut off: it ends on line ${this.#line} without the ] of its list.`);
  }

  /** Returns the index of the next record's opening brace, or the chunk's length. */
  #findRecord(chunk: Uint8Array, from: number): number {
    for (let index = from; index < chunk.length; index++) {
      const byte = chunk[index] ?? 0;
      if (byte === NEWLINE) this.#line++;
      else if (byte === 0x20 || byte === 0x09 || byte === 0x0d) continue;
      else if (this.#expected === "begin" && byte === BYTE_ORDER_MARK[this.#offset + index]) continue;
      else if (byte === OPENING_BRACE) {
        if (this.#expected === "begin") this.#expected = "line";
        if (this.#expected === "comma" || this.#expected === "nothing") throw this.#unexpected(byte);
        this.#recordLine = this.#line;
        this.#depth = 1;
        return index;
      } else this.#expected = this.#after(byte);
    }
    return chunk.length;
  }

  /** What is expected after a byte between records. */
  #after(byte: number): Expected {
    if (this.#expected === "begin" && byte === OPENING_BRACKET) return "first";
    if (this.#expected === "comma" && byte === COMMA) return "record";
    if ((this.#expected === "comma" || this.#expected === "first") && byte === CLOSING_BRACKET)
      return "nothing";
    throw this.#unexpected(byte);
  }

  /** Returns the index after the record's closing brace, or -1 if the record goes on. */
  #findEnd(chunk: Uint8Array, from: number): number {
    let depth = this.#depth;
    let inString = this.#inString;
    let escaped = this.#escaped;
    let line = this.#line;
    let end = -1;
    for (let index = from; index < chunk.length; index++) {
      const byte = chunk[index];
      if (byte === NEWLINE) line++;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inString = false;
      } else if (byte === QUOTE) inString = true;
      else if (byte === OPENING_BRACE || byte === OPENING_BRACKET) depth++;
      else if (byte === CLOSING_BRACE || byte === CLOSING_BRACKET) {
        depth--;
        if (depth === 0) {
          end = index + 1;
          break;
        }
      }
    }
    this.#depth = depth;
    this.#inString = inString;
    this.#escaped = escaped;
    this.#line = line;
    if (end !== -1 && this.#expected !== "line") this.#expected = "comma";
    return end;
  }

  /** The bytes of a record whose last part this is. */
  #join(last: Uint8Array): Uint8Array {
    if (this.#parts.length === 0) return last;
    const bytes = Buffer.concat([...this.#parts, last]);
    this.#parts = [];
    this.#partsLength = 0;
    return bytes;
  }

  #keep(part: Uint8Array): void {
    this.#parts.push(part);
    this.#partsLength += part.length;
    if (this.#partsLength <= MAX_RECORD_BYTES) return;
    throw new SourceError(
      `The record that begins on line ${this.#recordLine} does not end within ${MAX_RECORD_BYTES / 1024 / 1024} MiB: a quote or a bracket is missing.`,
    );
  }

  #unexpected(byte: number): SourceError {
    if (this.#expected !== "begin")
      return new SourceError(`Line ${this.#line} is not JSON: ${expectations[this.#expected]}.`);
    if (byte === 0xff || byte === 0xfe)
      return new SourceError("The file is in UTF-16. Write it with dumpdata --output, which makes UTF-8.");
    return new SourceError(
      `Line ${this.#line} is not the begin of a JSON list. Write the file with dumpdata --output, so that nothing else is printed into it.`,
    );
  }
}

const expectations: Record<Exclude<Expected, "begin">, string> = {
  first: "a record or ] is expected",
  record: "a record is expected after the comma",
  comma: "a comma or ] is expected after the record",
  line: "a record is expected",
  nothing: "the list has ended, and something follows",
};
