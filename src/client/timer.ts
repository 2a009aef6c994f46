import type { Clock, Random } from "./options.ts";

const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 30_000;
/** Number of failures that the jitter assumes when the server says how long to wait: up to 2 s of jitter. */
const RETRY_JITTER_FAILURES = 2;

export interface TimeSource {
  readonly clock: Clock;
  readonly random: Random;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** A timer that can be set again and again. Only the latest callback runs. */
export class Timer {
  /** Failures since this was last set to 0. */
  failures = 0;
  readonly #time: TimeSource;
  #id: unknown;

  constructor(time: TimeSource) {
    this.#time = time;
  }

  get isSet(): boolean {
    return this.#id !== undefined;
  }

  /** Runs the callback after this many milliseconds, unless the timer is set again or cleared first. */
  set(milliseconds: number, callback: () => void): void {
    this.clear();
    this.#id = this.#time.clock.setTimeout(() => {
      this.#id = undefined;
      callback();
    }, milliseconds);
  }

  /** Runs the callback after `minimum`, and a delay with exponential backoff and full jitter. */
  backOff(callback: () => void, minimum = 0, failures = this.failures++): void {
    const delay = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures);
    this.set(minimum + this.#time.random() * delay, callback);
  }

  /** Runs the callback when a refused command may be repeated. The jitter spreads the retries of a user's rooms. */
  retry(callback: () => void, retryAfterMs: number | undefined): void {
    this.backOff(callback, retryAfterMs, retryAfterMs === undefined ? undefined : RETRY_JITTER_FAILURES);
  }

  clear(): void {
    this.#time.clock.clearTimeout(this.#id as never);
    this.#id = undefined;
  }
}
