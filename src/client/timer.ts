import type { Clock, Random } from "./options.ts";

const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 30_000;

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** A timer that can be set again and again. Only the latest callback runs. */
export class Timer {
  readonly #clock: Clock;
  #id: unknown;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isSet(): boolean {
    return this.#id !== undefined;
  }

  /** Runs the callback after this many milliseconds, unless the timer is set again or cleared first. */
  set(milliseconds: number, callback: () => void): void {
    this.clear();
    this.#id = this.#clock.setTimeout(() => {
      this.#id = undefined;
      callback();
    }, milliseconds);
  }

  clear(): void {
    this.#clock.clearTimeout(this.#id as never);
    this.#id = undefined;
  }
}

/** Milliseconds to wait after this many earlier failures: exponential backoff with full jitter. */
export function backoff(failures: number, random: Random): number {
  return random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures);
}
