/** Seeded pseudo-random numbers (mulberry32). The same seed and stream give the same sequence on every machine. */
export class Random {
  #state: number;

  constructor(seed: number, stream: string) {
    this.#state = Bun.hash.crc32(`${seed}/${stream}`);
  }

  /** A number in [0, 1). */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };

  /** An integer in [0, end). */
  integer(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** A number in [min, max). */
  between(min: number, max: number): number {
    return min + this.next() * (max - min);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.integer(list.length)] as T;
  }
}
