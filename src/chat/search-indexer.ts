import type { BusEvent } from "./bus.ts";
import type { SearchIndex } from "./search-index.ts";

/** How often it is checked whether there is something to index. So long, a message may not be found. */
const INTERVAL_MS = 200;
/** After each part, the indexer rests this many times as long as the part took: it takes a twelfth of the server's time. */
const REST_FACTOR = 11;
/** A part may also have waited for another process, which is no work of the server. */
const MAX_REST_MS = 500;
const RETRY_MS = 1000;

export interface SearchIndexerOptions {
  index: Pick<SearchIndex, "roomChanged" | "anythingChanged" | "update">;
  /** Called at the first of several failures in a row. */
  failed: (error: unknown) => void;
  /** Milliseconds on a clock that never goes back. */
  monotonic: () => number;
}

/** Keeps the search index up to date, after the messages are on disk and published, and at little cost to them. */
export class SearchIndexer {
  #isStopped = false;
  /** Ends the present rest. */
  #wake: () => void = () => undefined;
  #running: Promise<void> | undefined;

  constructor(private readonly options: SearchIndexerOptions) {}

  receive(event: BusEvent): void {
    if (event.kind === "changes") this.options.index.roomChanged(event.room);
    else if (event.kind === "invalidate") this.options.index.anythingChanged();
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is being written any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { index, failed, monotonic } = this.options;
    let hasFailed = false;
    while (!this.#isStopped) {
      const start = monotonic();
      let restMs = INTERVAL_MS;
      try {
        if (await index.update()) restMs = Math.min(MAX_REST_MS, (monotonic() - start) * REST_FACTOR);
        hasFailed = false;
      } catch (error) {
        if (!hasFailed) failed(error);
        hasFailed = true;
        restMs = RETRY_MS;
      }
      if (!this.#isStopped) await this.#rest(restMs);
    }
  }

  async #rest(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }
}
