const POLL_MS = 20;

/** Waits for work that may be slow, and fails when it makes no progress. */
export class Watchdog {
  #progressAt = performance.now();

  constructor(
    private readonly stallTimeoutSeconds: number,
    /** Returns why the run cannot go on, if so. */
    private readonly failure: () => string | undefined,
  ) {}

  progress(): void {
    this.#progressAt = performance.now();
  }

  /** Resolves with the work. Rejects with the reasons of `pending` when nothing has progressed for too long. */
  async finish(work: Promise<unknown>, pending: () => string[]): Promise<void> {
    this.progress();
    let finished = false;
    const settled = work.finally(() => (finished = true));
    // After a rejection below nobody awaits it.
    settled.catch(() => undefined);
    await Promise.race([settled, this.#poll(() => finished, pending)]);
    await settled;
  }

  /** Resolves when nothing is pending any more. Fewer pending items count as progress. */
  async until(pending: () => string[]): Promise<void> {
    this.progress();
    await this.#poll(() => pending().length === 0, pending);
  }

  async #poll(finished: () => boolean, pending: () => string[]): Promise<void> {
    let fewest = Number.POSITIVE_INFINITY;
    while (!finished()) {
      const reasons = pending();
      if (reasons.length < fewest) this.progress();
      fewest = Math.min(fewest, reasons.length);
      const failure = this.failure();
      if (failure !== undefined) throw new Error(failure);
      if (performance.now() - this.#progressAt > this.stallTimeoutSeconds * 1000)
        throw new Error(`no progress for ${this.stallTimeoutSeconds} s:\n${reasons.join("\n")}`);
      await Bun.sleep(POLL_MS);
    }
  }
}
