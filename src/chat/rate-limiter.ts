/** Number of buckets at which full ones are first removed. */
const FIRST_SWEEP_SIZE = 1024;

interface Bucket {
  tokens: number;
  updatedAt: number;
}

/**
 * A token bucket for each key: `burst` at once, then `rate` per second. Full buckets are removed, so memory is bounded by the
 * keys that were used in the last `burst / rate` seconds.
 */
export class RateLimiter<Key = number> {
  readonly #buckets = new Map<Key, Bucket>();
  #sweepSize = FIRST_SWEEP_SIZE;

  /** A rate or a burst of 0 means no limit. `now` returns milliseconds. */
  constructor(
    readonly rate: number,
    readonly burst: number,
    readonly now: () => number,
  ) {}

  /** Number of keys in memory. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one token. Returns 0, or the milliseconds until there is one. */
  take(key: Key): number {
    if (this.#isUnlimited) return 0;
    const bucket = this.#bucket(key);
    if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) / this.rate) * 1000);
    bucket.tokens -= 1;
    return 0;
  }

  /** Takes tokens for work that has been done. There may be fewer than none afterwards: later requests wait for that. */
  spend(key: Key, tokens: number): void {
    if (!this.#isUnlimited) this.#bucket(key).tokens -= tokens;
  }

  /** How many tokens there are, and the milliseconds until there are `burst`. Undefined without a limit. */
  state(key: Key): { remaining: number; fullInMs: number } | undefined {
    if (this.#isUnlimited) return undefined;
    const { tokens } = this.#bucket(key);
    return {
      remaining: Math.max(0, Math.floor(tokens)),
      fullInMs: ((this.burst - tokens) / this.rate) * 1000,
    };
  }

  get #isUnlimited(): boolean {
    return this.rate === 0 || this.burst === 0;
  }

  /** The key's bucket as of now. */
  #bucket(key: Key): Bucket {
    const now = this.now();
    let bucket = this.#buckets.get(key);
    if (!bucket) {
      if (this.#buckets.size >= this.#sweepSize) this.#sweep(now);
      bucket = { tokens: this.burst, updatedAt: now };
      this.#buckets.set(key, bucket);
    }
    bucket.tokens = this.#tokensAt(bucket, now);
    bucket.updatedAt = now;
    return bucket;
  }

  #tokensAt({ tokens, updatedAt }: Bucket, now: number): number {
    // A clock that was set back must not take tokens away.
    const elapsedMs = Math.max(0, now - updatedAt);
    return Math.min(this.burst, tokens + (elapsedMs / 1000) * this.rate);
  }

  #sweep(now: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (this.#tokensAt(bucket, now) >= this.burst) this.#buckets.delete(key);
    }
    this.#sweepSize = Math.max(FIRST_SWEEP_SIZE, this.#buckets.size * 2);
  }
}
