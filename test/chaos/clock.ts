import type { Clock } from "../../src/client/index.ts";

/** A clock that runs fast, so that what a client does after half a minute of silence happens within a test. */
export class FastClock implements Clock {
  #speed: number;
  #since = performance.now();
  #then = 0;

  constructor(speed: number) {
    this.#speed = speed;
  }

  now(): number {
    return this.#then + (performance.now() - this.#since) * this.#speed;
  }

  setTimeout(callback: () => void, milliseconds: number): unknown {
    return setTimeout(callback, milliseconds / this.#speed);
  }

  clearTimeout(timer: never): void {
    clearTimeout(timer);
  }

  /** From here on it runs as clocks do. */
  slowDown(): void {
    this.#then = this.now();
    this.#since = performance.now();
    this.#speed = 1;
  }
}
