import type { Clock } from "../../src/client/index.ts";

/** A clock that runs fast, so that timeouts of half a minute pass within a test. */
export class FastClock implements Clock {
  #speed: number;
  #realStart = performance.now();
  #start = 0;

  constructor(speed: number) {
    this.#speed = speed;
  }

  now(): number {
    return this.#start + (performance.now() - this.#realStart) * this.#speed;
  }

  setTimeout(callback: () => void, milliseconds: number): unknown {
    return setTimeout(callback, milliseconds / this.#speed);
  }

  clearTimeout(timer: never): void {
    clearTimeout(timer);
  }

  /** Runs at real speed from now on. */
  slowDown(): void {
    this.#start = this.now();
    this.#realStart = performance.now();
    this.#speed = 1;
  }
}
