import { write } from "node:fs";

const FLUSH_INTERVAL_MS = 200;
/** A buffer of this size is flushed at once. */
const FLUSH_BYTES = 8192;
/** Beyond this, lines are dropped and counted. */
const MAX_WAITING_BYTES = 1 << 20;
/** Delay before a write to a full non-blocking pipe is tried again. */
const RETRY_MS = 100;

/**
 * Writes log lines to a file descriptor without ever waiting for its reader. Lines are buffered, and dropped when the reader
 * is gone or too slow.
 *
 * It does not use `process.stdout`, which blocks the event loop on a terminal that is stopped (Ctrl-S). `fs.write`
 * blocks one thread of the pool at most, since one write is in flight at a time.
 */
export class LogDestination {
  #lines: string[] = [];
  /** Bytes in the buffer and in the write under way. */
  #waitingBytes = 0;
  #dropped = 0;
  #flushing: Promise<void> | undefined;
  #scheduled = false;

  constructor(private readonly fd: number) {}

  /** Buffers whole lines, each with its newline. */
  write(text: string): void {
    const size = Buffer.byteLength(text);
    if (this.#waitingBytes + size > MAX_WAITING_BYTES) {
      this.#dropped++;
      return;
    }
    this.#lines.push(text);
    this.#waitingBytes += size;
    this.#scheduleFlush();
    if (this.#waitingBytes >= FLUSH_BYTES) void this.flush();
  }

  /** Resolves when all buffered lines have been written or dropped, which may be never. Does not reject. */
  flush(): Promise<void> {
    return (this.#flushing ??= this.#writeAll().finally(() => (this.#flushing = undefined)));
  }

  /** Flushes. Resolves after `limitMs` milliseconds at the latest. */
  async end(limitMs: number): Promise<void> {
    await Promise.race([this.flush(), Bun.sleep(limitMs)]);
  }

  #scheduleFlush(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setTimeout(() => {
      this.#scheduled = false;
      void this.flush();
    }, FLUSH_INTERVAL_MS);
  }

  async #writeAll(): Promise<void> {
    while (this.#lines.length > 0) {
      const lines = this.#lines;
      const dropped = this.#dropped;
      this.#lines = [];
      this.#dropped = 0;
      const notice = dropped === 0 ? "" : noticeOfDrops(dropped);
      try {
        await writeFully(this.fd, Buffer.from(lines.join("") + notice));
      } catch {
        // The reader is gone (EPIPE), or the disk is full (ENOSPC). A later write may succeed.
        this.#dropped += dropped + lines.length;
      }
      this.#waitingBytes = this.#lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
    }
  }
}

/** A line as the logger would write it, at level `warn`. */
function noticeOfDrops(dropped: number): string {
  const notice = { level: 40, time: new Date().toISOString(), dropped, msg: "log lines dropped" };
  return `${JSON.stringify(notice)}\n`;
}

async function writeFully(fd: number, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.length;) {
    try {
      offset += await writeSome(fd, bytes.subarray(offset));
    } catch (error) {
      // Another process may have made the pipe non-blocking.
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
      await Bun.sleep(RETRY_MS);
    }
  }
}

function writeSome(fd: number, bytes: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, (error, written) => (error ? reject(error) : resolve(written)));
  });
}
