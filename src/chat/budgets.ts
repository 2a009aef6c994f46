import { ChatError } from "./errors.ts";
import type { Actor, Limits, RoomKey } from "./model.ts";
import { RateLimiter } from "./rate-limiter.ts";

/** The rate limit that a command counts against. Reads are allowed at ten times the rate of changes. */
export type Budget = "changes" | "reads";
const READS_PER_CHANGE = 10;

export interface BudgetState {
  /** Commands that may be sent at once after a pause. */
  burst: number;
  /** Commands that may be sent now. */
  remaining: number;
  /** Milliseconds until there are `burst` again. */
  fullInMs: number;
}

/** Least time between two typing notices of a user in a room. */
const TYPING_INTERVAL_S = 3;

/** The rate limits of each user, over all of their connections and requests. Administrators have none. */
export class Budgets {
  readonly #limiters: Record<Budget, RateLimiter>;
  /** By user and room. */
  readonly #typing: RateLimiter<string>;

  /** `monotonic` returns milliseconds on a clock that never goes back. */
  constructor({ messageRate: rate, messageBurst: burst }: Limits, monotonic: () => number) {
    this.#limiters = {
      changes: new RateLimiter(rate, burst, monotonic),
      reads: new RateLimiter(rate * READS_PER_CHANGE, burst * READS_PER_CHANGE, monotonic),
    };
    this.#typing = new RateLimiter(1 / TYPING_INTERVAL_S, 1, monotonic);
  }

  /** Counts one command. Throws `rate_limited`. */
  charge(actor: Actor, budget: Budget): void {
    if (actor.admin) return;
    const retryAfterMs = this.#limiters[budget].take(actor.key);
    if (retryAfterMs > 0) throw new ChatError("rate_limited", "Too many requests.", { retryAfterMs });
  }

  /** Charges work that has been done beside the command, in commands. It may delay later ones. */
  spend(actor: Actor, budget: Budget, commands: number): void {
    if (!actor.admin) this.#limiters[budget].spend(actor.key, commands);
  }

  /** What is left of a budget. Undefined without a limit. */
  state(actor: Actor, budget: Budget): BudgetState | undefined {
    const limiter = this.#limiters[budget];
    const state = actor.admin ? undefined : limiter.state(actor.key);
    return state && { ...state, burst: limiter.burst };
  }

  /** Returns whether the room may be told now that the user is typing. */
  takeTyping(actor: Actor, room: RoomKey): boolean {
    return this.#typing.take(`${actor.key} ${room}`) === 0;
  }
}
