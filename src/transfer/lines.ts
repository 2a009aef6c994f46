import { createReadStream } from "node:fs";

import { SourceError, type SourceFile } from "./source.ts";

/** A line with the largest text has less than half of this, even if each of its bytes is escaped. */
export const MAX_LINE_BYTES = 1 << 20;
const CHUNK_BYTES = 1 << 18;
const NEWLINE = 0x0a;

/** A line without its end, or why it cannot be used. */
export interface Line {
  /** Such as "line 812". */
  at: string;
  text: string;
  invalid?: string;
}

export interface LineOptions {
  /** The longest line that is read. Default: `MAX_LINE_BYTES`. */
  maxBytes?: number;
  /** The content, if it is not that of the file itself. */
  content?: AsyncIterable<Buffer>;
}

/**
 * The lines of a file in UTF-8, some at a time. `progress` is called with the bytes of the content. Throws `SourceError` when it
 * cannot be read.
 */
export async function* readLines(
  { path, progress }: SourceFile,
  { maxBytes = MAX_LINE_BYTES, content }: LineOptions = {},
): AsyncGenerator<Line[]> {
  const splitter = new Splitter(maxBytes);
  const chunks: AsyncIterable<Buffer> = content ?? createReadStream(path, { highWaterMark: CHUNK_BYTES });
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      yield splitter.add(chunk);
      bytes += chunk.length;
      progress(bytes);
    }
  } catch (error) {
    throw new SourceError(`${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  yield splitter.end();
}

class Splitter {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /** The beginning of a line whose end has not been read. */
  #rest: Buffer[] = [];
  #restBytes = 0;
  #count = 0;

  constructor(private readonly maxBytes: number) {}

  add(chunk: Buffer): Line[] {
    const end = chunk.lastIndexOf(NEWLINE);
    if (end < 0) {
      this.#keep(chunk);
      return [];
    }
    const first = chunk.indexOf(NEWLINE);
    const lines = [this.#next(chunk.subarray(0, first))];
    for (let from = first + 1; from <= end;) {
      const to = chunk.indexOf(NEWLINE, from);
      lines.push(this.#line(chunk.subarray(from, to)));
      from = to + 1;
    }
    this.#keep(chunk.subarray(end + 1));
    return lines;
  }

  end(): Line[] {
    return this.#restBytes > 0 ? [this.#next(Buffer.alloc(0))] : [];
  }

  /** A line that ends with these bytes. */
  #next(bytes: Buffer): Line {
    this.#keep(bytes);
    const whole = this.#restBytes > this.maxBytes ? undefined : Buffer.concat(this.#rest);
    this.#rest = [];
    this.#restBytes = 0;
    return this.#line(whole);
  }

  #keep(bytes: Buffer): void {
    this.#restBytes += bytes.length;
    if (this.#restBytes > this.maxBytes) this.#rest = [];
    else this.#rest.push(bytes);
  }

  /** Undefined stands for a line that is too long. */
  #line(bytes: Buffer | undefined): Line {
    const at = `line ${++this.#count}`;
    if (bytes === undefined || bytes.length > this.maxBytes)
      return { at, text: "", invalid: `The line has more than ${this.maxBytes} bytes.` };
    try {
      const text = this.#decoder.decode(bytes);
      return { at, text: this.#count === 1 ? text.replace(/^\ufeff/, "") : text };
    } catch {
      return { at, text: "", invalid: "The line is not in UTF-8." };
    }
  }
}
