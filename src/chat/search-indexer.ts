import type { BusEvent } from "./bus.ts";
import type { SearchIndex } from "./search-index.ts";

/** How often it is checked whether there is something to index. So long, a message may not be found. */
const INTERVAL_MS = 200;
/** After each part, the indexer rests this many times as long as the part took: it takes a twelfth of the time of a busy server. */
const REST_FACTOR = 11;
/** A server that has little else to do catches up sooner. */
const IDLE_REST_FACTOR = 3;
/** The share of a core that a busy server uses, at least, while the indexer rests. */
const BUSY_SHARE = 0.3;
/** A part may also have waited for another process, which is no work of the server. */
const MAX_REST_MS = 500;
const RETRY_MS = 1000;

export interface SearchIndexerOptions {
  index: Pick<SearchIndex, "roomChanged" | "anythingChanged" | "update">;
  /** Called at the first of several failures in a row. */
  failed: (error: unknown) => void;
  /** Milliseconds on a clock that never goes back. */
  monotonic: () => number;
  /** Milliseconds of CPU time that the server has used. */
  cpuTime: () => number;
}

/** Keeps the search index up to date, after the messages are on disk and published, and at little cost to them. */
export class SearchIndexer {
  #isStopped = false;
  /** Ends the present rest. */
  #wake: () => void = () => undefined;
  #running: Promise<void> | undefined;
  /** Whether the server was busy during the last rest. */
  #isBusy = true;

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
        const factor = this.#isBusy ? REST_FACTOR : IDLE_REST_FACTOR;
        if (await index.update()) restMs = Math.min(MAX_REST_MS, (monotonic() - start) * factor);
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
    const { monotonic, cpuTime } = this.options;
    const [start, cpuStart] = [monotonic(), cpuTime()];
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
    this.#isBusy = cpuTime() - cpuStart >= (monotonic() - start) * BUSY_SHARE;
  }
}
