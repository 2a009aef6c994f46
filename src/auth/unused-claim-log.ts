import type { Logger } from "pino";

/** Users who have been logged already. Beyond that, the oldest is evicted. */
const MAX_USERS = 10_000;

/** Logs why a claim of a valid token is not used, once for each user. */
export class UnusedClaimLog {
  readonly #users = new Set<string>();

  constructor(
    private readonly log: Logger,
    private readonly message: string,
  ) {}

  add(sub: string, reason: string): void {
    if (this.#users.has(sub)) return;
    if (this.#users.size >= MAX_USERS) {
      const [oldest] = this.#users;
      if (oldest !== undefined) this.#users.delete(oldest);
    }
    this.#users.add(sub);
    this.log.warn({ sub, reason }, this.message);
  }
}
