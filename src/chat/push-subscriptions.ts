import { completeWrite } from "./complete-write.ts";
import { ChatError } from "./errors.ts";
import type { Actor } from "./model.ts";
import type { PushStore, PushSubscription } from "./push-store.ts";

/** Browsers in which one user is notified. */
export const MAX_SUBSCRIPTIONS_PER_USER = 10;

export interface PushSubscriptionsOptions {
  store: Pick<PushStore, "subscribe" | "unsubscribe">;
  /** Throws `invalid_command` for a subscription to which nothing can, or may, be sent. Undefined when web push is off. */
  check: ((subscription: PushSubscription) => void) | undefined;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Called when a write failed. */
  writeFailed: () => void;
}

/** The browsers in which users want to be notified. */
export class PushSubscriptions {
  constructor(private readonly options: PushSubscriptionsOptions) {}

  /**
   * Notifies the actor in a browser from now on, and nobody else in it: it may have been another user's. Rejects with
   * `forbidden` when web push is off, or `invalid_command`.
   */
  async subscribe(actor: Actor, subscription: PushSubscription): Promise<void> {
    const { store, check, now, writeFailed } = this.options;
    if (!check) throw new ChatError("forbidden", "Web push is not set up on this server.");
    check(subscription);
    const write = store.subscribe(actor.key, subscription, now(), MAX_SUBSCRIPTIONS_PER_USER);
    await completeWrite(write, writeFailed);
  }

  /** Stops notifying the actor in a browser, also when web push is off. Does nothing if they have no such subscription. */
  async unsubscribe(actor: Actor, endpoint: string): Promise<void> {
    const { store, writeFailed } = this.options;
    await completeWrite(store.unsubscribe(actor.key, endpoint), writeFailed);
  }
}
