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

/** The lines of a file in UTF-8, some at a time. Throws `SourceError` when it cannot be read. */
export async function* readLines({ path, progress }: SourceFile): AsyncGenerator<Line[]> {
  const splitter = new Splitter();
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, {
      highWaterMark: CHUNK_BYTES,
    }) as AsyncIterable<Buffer>) {
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
    const whole = this.#restBytes > MAX_LINE_BYTES ? undefined : Buffer.concat(this.#rest);
    this.#rest = [];
    this.#restBytes = 0;
    return this.#line(whole);
  }

  #keep(bytes: Buffer): void {
    this.#restBytes += bytes.length;
    if (this.#restBytes > MAX_LINE_BYTES) this.#rest = [];
    else this.#rest.push(bytes);
  }

  /** Undefined stands for a line that is too long. */
  #line(bytes: Buffer | undefined): Line {
    const at = `line ${++this.#count}`;
    if (bytes === undefined || bytes.length > MAX_LINE_BYTES)
      return { at, text: "", invalid: `The line has more than ${MAX_LINE_BYTES} bytes.` };
    try {
      const text = this.#decoder.decode(bytes);
      return { at, text: this.#count === 1 ? text.replace(/^\ufeff/, "") : text };
    } catch {
      return { at, text: "", invalid: "The line is not in UTF-8." };
    }
  }
}
