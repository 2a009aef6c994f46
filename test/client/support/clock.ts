import type { Clock } from "../../../src/client/index.ts";
import { settle } from "../../support/samples.ts";

interface Timer {
  at: number;
  callback: () => void;
}

/** A clock that stands still until a test advances it. */
export class TestClock implements Clock {
  #now = 1_000_000;
  readonly #timers = new Set<Timer>();

  now = (): number => this.#now;

  setTimeout = (callback: () => void, milliseconds: number): Timer => {
    const timer = { at: this.#now + milliseconds, callback };
    this.#timers.add(timer);
    return timer;
  };

  clearTimeout = (timer: Timer): void => void this.#timers.delete(timer);

  /** Milliseconds until each timer that is set, the next one first. */
  get timers(): number[] {
    return [...this.#timers].map(({ at }) => at - this.#now).toSorted((a, b) => a - b);
  }

  /** Advances the clock, and runs the timers that are due in order. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      await settle();
      const [next] = [...this.#timers].toSorted((a, b) => a.at - b.at);
      if (!next || next.at > end) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.callback();
    }
    this.#now = end;
    await settle();
  }

  /** Advances the clock to the next timer, and runs it. */
  async advanceToNextTimer(): Promise<void> {
    await this.advance(this.timers[0] ?? 0);
  }
}
