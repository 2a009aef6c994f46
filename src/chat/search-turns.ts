/** How long a search may hold the event loop, apart from a single read of the index. */
const TURN_MS = 3;

/** Lets searches work one at a time, each for a short turn, and the rest of the server in between. */
export class SearchTurns {
  #last: Promise<void> = Promise.resolve();

  /** `monotonic` returns milliseconds on a clock that never goes back. */
  constructor(readonly monotonic: () => number) {}

  /** Resolves at the first turn of a new search. */
  async begin(): Promise<SearchWork> {
    await this.next();
    return new SearchWork(this);
  }

  /** Resolves in a turn of the event loop that no other search has. */
  next(): Promise<void> {
    return (this.#last = this.#last.then(nextTurn));
  }
}

/** The work of one search. */
export class SearchWork {
  #earlierTurnsMs = 0;
  #turnStart: number;

  constructor(private readonly turns: SearchTurns) {
    this.#turnStart = turns.monotonic();
  }

  /** The time that the search has worked so far, without its pauses. */
  get milliseconds(): number {
    return this.#earlierTurnsMs + this.#turnMs;
  }

  /** To be called often. Waits for another turn when this one has been long enough. */
  async pause(): Promise<void> {
    if (this.#turnMs < TURN_MS) return;
    this.#earlierTurnsMs += this.#turnMs;
    await this.turns.next();
    this.#turnStart = this.turns.monotonic();
  }

  get #turnMs(): number {
    return this.turns.monotonic() - this.#turnStart;
  }
}

const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));
