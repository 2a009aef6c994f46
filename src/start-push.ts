import type { Logger } from "pino";

import type { UserKey } from "./chat/model.ts";
import { PushNotifier } from "./chat/push-notifier.ts";
import type { PushStore } from "./chat/push-store.ts";
import { type Config, ConfigError } from "./config.ts";
import { PushQueue, type PushQueueOptions } from "./push/push-queue.ts";
import { PushSender } from "./push/push-sender.ts";
import { checkSubscription } from "./push/subscription.ts";
import { Vapid } from "./push/vapid.ts";

/** How long a shutdown looks for users to notify, and then waits for their pushes to be sent. */
const LOOK_GRACE_MS = 500;
const SEND_GRACE_MS = 1500;

export interface PushOptions {
  vapid: Vapid;
  /** Patterns of the origins to which pushes may be sent. */
  services: readonly string[];
  store: PushStore;
  /** Whether the user has a connection. */
  isConnected: (user: UserKey) => boolean;
  /** What has become of each push. */
  settled: PushQueueOptions["settled"];
  log: Logger;
  monotonic: () => number;
  delayMs: number | undefined;
}

/** Returns what identifies the server to push services. Undefined when web push is off. Throws `ConfigError`. */
export function createVapid({ pushKey, pushContact }: Config): Vapid | undefined {
  if (pushKey === undefined) return undefined;
  if (pushContact === undefined)
    throw new ConfigError(
      "PARLEY_PUSH_CONTACT: must be set with PARLEY_PUSH_KEY, such as mailto:you@example.com",
    );
  try {
    return new Vapid({ privateKey: pushKey, contact: pushContact, now: Date.now });
  } catch {
    throw new ConfigError("PARLEY_PUSH_KEY: must be a key as `parley push keys` prints it");
  }
}

/** Starts to notify users by web push. */
export function startPush(options: PushOptions) {
  const { vapid, services, store, isConnected, settled, log, monotonic, delayMs } = options;
  const sender: PushSender = new PushSender({
    vapid,
    services,
    targetOf: (push) => notifier.targetOf(push),
    store,
    log,
  });
  const queue = new PushQueue({ send: (push) => sender.send(push), settled });
  const notifier: PushNotifier = new PushNotifier({
    store,
    isConnected,
    send: (push) => queue.add(push),
    dropped: () => settled("dropped"),
    failed: (err) => log.error({ err }, "Users could not be notified by web push"),
    now: Date.now,
    monotonic,
    delayMs,
  });
  return {
    notifier,
    check: (subscription: Parameters<typeof checkSubscription>[0]) =>
      checkSubscription(subscription, services),
    /** Sends what waits. Resolves in bounded time. */
    async stop() {
      await Promise.race([notifier.stop(), Bun.sleep(LOOK_GRACE_MS)]);
      await queue.stop(SEND_GRACE_MS);
      sender.stop();
    },
  };
}
