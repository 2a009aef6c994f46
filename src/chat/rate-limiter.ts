/**
 * Token buckets, one per key: `burst` at once, then `rate` a second. A bucket that is full again is forgotten, so that
 * memory is bounded by the keys that were used in the last `burst / rate` seconds.
 */
export class Rate {
  readonly #buckets = new Map<number, { tokens: number; at: number }>();
  #sweepAt = 1024;

  /** A rate or a burst of 0 lifts the limit. `now` gives milliseconds. */
  constructor(
    readonly rate: number,
    readonly burst: number,
    readonly now: () => number,
  ) {}

  /** How many keys are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one token: 0, or the milliseconds until there will be one. */
  take(key: number): number {
    if (this.rate === 0 || this.burst === 0) return 0;
    const now = this.now();
    let bucket = this.#buckets.get(key);
    if (!bucket) {
      if (this.#buckets.size >= this.#sweepAt) this.#sweep(now);
      bucket = { tokens: this.burst, at: now };
      this.#buckets.set(key, bucket);
    }
    bucket.tokens = this.#filled(bucket, now);
    bucket.at = now;
    if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) / this.rate) * 1000);
    bucket.tokens -= 1;
    return 0;
  }

  #filled(bucket: { tokens: number; at: number }, now: number): number {
    // A clock that is set back takes nothing away.
    const elapsed = Math.max(0, now - bucket.at);
    return Math.min(this.burst, bucket.tokens + (elapsed / 1000) * this.rate);
  }

  #sweep(now: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (this.#filled(bucket, now) >= this.burst) this.#buckets.delete(key);
    }
    this.#sweepAt = Math.max(1024, this.#buckets.size * 2);
  }
}
