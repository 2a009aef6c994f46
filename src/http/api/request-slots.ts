import { ChatError } from "../../chat/errors.ts";
import type { Actor, UserKey } from "../../chat/model.ts";

/** Requests of one user that may be under way at once. */
const MAX_REQUESTS_PER_USER = 4;
const RETRY_MS = 1000;

/**
 * Counts the requests of each user that are under way: until the response has been sent, or given up. So a user who asks for
 * much and reads nothing holds a bounded amount of memory. Administrators are not counted.
 */
export class RequestSlots {
  readonly #underWay = new Map<UserKey, number>();

  /** Returns a function that ends the request; it may be called more than once. Throws `rate_limited`. */
  take({ key, admin }: Actor): () => void {
    if (admin) return () => undefined;
    const count = this.#underWay.get(key) ?? 0;
    if (count >= MAX_REQUESTS_PER_USER) {
      const message = `You have ${count} requests under way. Wait for one to end.`;
      throw new ChatError("rate_limited", message, { retryAfterMs: RETRY_MS });
    }
    this.#underWay.set(key, count + 1);
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      const left = (this.#underWay.get(key) ?? 1) - 1;
      if (left > 0) this.#underWay.set(key, left);
      else this.#underWay.delete(key);
    };
  }
}
