import type { Clock } from "../../../src/client/index.ts";
import { settle } from "../../support/people.ts";

interface Timer {
  at: number;
  work: () => void;
}

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  #now = 1_000_000;
  readonly #timers = new Set<Timer>();

  now = (): number => this.#now;

  setTimeout = (work: () => void, milliseconds: number): Timer => {
    const timer = { at: this.#now + milliseconds, work };
    this.#timers.add(timer);
    return timer;
  };

  clearTimeout = (timer: Timer): void => void this.#timers.delete(timer);

  /** In how many milliseconds each timer is due, the first one first. */
  get due(): number[] {
    return [...this.#timers].map(({ at }) => at - this.#now).toSorted((a, b) => a - b);
  }

  /** Lets so many milliseconds pass, and everything happen that is due by then. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      await settle();
      const [next] = [...this.#timers].toSorted((a, b) => a.at - b.at);
      if (!next || next.at > end) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.work();
    }
    this.#now = end;
    await settle();
  }
}
