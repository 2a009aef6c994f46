/** Sees that it goes on, however slowly. */
export class Watch {
  #movedAt = performance.now();

  constructor(
    private readonly patience: number,
    private readonly died: () => string | undefined,
  ) {}

  progress(): void {
    this.#movedAt = performance.now();
  }

  /** Resolves with the work. Rejects, saying why it is not done, when nothing has moved for too long. */
  async over(work: Promise<unknown>, why: () => string[]): Promise<void> {
    this.progress();
    let over = false;
    const ended = work.finally(() => (over = true));
    // When it is waited for no more, nobody else hears of it.
    ended.catch(() => undefined);
    await Promise.race([ended, this.#wait(() => over, why)]);
    await ended;
  }

  /** Resolves once nothing is left to say. */
  async until(why: () => string[]): Promise<void> {
    this.progress();
    await this.#wait(() => why().length === 0, why);
  }

  async #wait(over: () => boolean, why: () => string[]): Promise<void> {
    let fewest = Number.POSITIVE_INFINITY;
    while (!over()) {
      const reasons = why();
      if (reasons.length < fewest) this.progress();
      fewest = Math.min(fewest, reasons.length);
      const died = this.died();
      if (died !== undefined) throw new Error(died);
      if (performance.now() - this.#movedAt > this.patience * 1000)
        throw new Error(`for ${this.patience} s nothing has moved:\n${reasons.join("\n")}`);
      await Bun.sleep(20);
    }
  }
}
