import { writeSync } from "node:fs";

const STDERR_FD = 2;
const INTERVAL_MS = 200;
const WIDTH = 30;

/** A progress bar on standard error, if that is a terminal. */
export class Progress {
  readonly #terminal = process.stderr.isTTY;
  #lastDrawn = -Infinity;
  #drawn = false;

  /** Shows how far a step is. Nothing is shown when the total is not known, as of a pipe: 0. */
  show(step: string, done: number, total: number): void {
    const now = performance.now();
    if (!this.#terminal || total === 0 || now - this.#lastDrawn < INTERVAL_MS) return;
    this.#lastDrawn = now;
    this.#drawn = true;
    const share = Math.min(1, done / total);
    const bar = "#".repeat(Math.round(share * WIDTH)).padEnd(WIDTH, "-");
    write(`\r${step} [${bar}] ${String(Math.floor(share * 100)).padStart(3)} %\u001b[K`);
  }

  /** Removes the bar, before something else is printed. */
  clear(): void {
    if (this.#drawn) write("\r\u001b[K");
    this.#drawn = false;
    this.#lastDrawn = -Infinity;
  }
}

function write(text: string): void {
  try {
    writeSync(STDERR_FD, text);
  } catch {
    // A bar that cannot be drawn is no reason to stop.
  }
}
