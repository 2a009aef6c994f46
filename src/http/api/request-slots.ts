import { ChatError } from "../../chat/errors.ts";
import type { Actor, UserKey } from "../../chat/model.ts";

/** Requests of one user that are handled at once. */
const MAX_REQUESTS_PER_USER = 4;
/** Requests of one user that wait for them. */
const MAX_WAITING_PER_USER = 32;
const RETRY_MS = 1000;

interface UserSlots {
  underWay: number;
  /** In the order of their arrival. */
  waiting: (() => void)[];
}

/**
 * Counts the requests of each user that are under way: until the response has been sent, or given up. So a user who asks for
 * much and reads nothing holds a bounded amount of memory. Administrators are not counted.
 */
export class RequestSlots {
  readonly #users = new Map<UserKey, UserSlots>();

  /**
   * Resolves with a function that ends the request, which may be called more than once. Waits while the user's other requests are
   * handled. Rejects with `rate_limited` when too many wait.
   */
  async take({ key, admin }: Actor): Promise<() => void> {
    if (admin) return () => undefined;
    const slots = this.#users.get(key) ?? { underWay: 0, waiting: [] };
    this.#users.set(key, slots);
    if (slots.underWay < MAX_REQUESTS_PER_USER) {
      slots.underWay++;
    } else if (slots.waiting.length < MAX_WAITING_PER_USER) {
      // The request that ends hands its slot over.
      await new Promise<void>((resolve) => slots.waiting.push(resolve));
    } else {
      const message = `You have ${slots.underWay + slots.waiting.length} requests under way. Wait for one to end.`;
      throw new ChatError("rate_limited", message, { retryAfterMs: RETRY_MS });
    }
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      const next = slots.waiting.shift();
      if (next) next();
      else if (--slots.underWay === 0) this.#users.delete(key);
    };
  }
}
