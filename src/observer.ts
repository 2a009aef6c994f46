import type { Logger } from "pino";

import type { Change } from "./chat/model.ts";
import type { Observer } from "./chat/observer.ts";
import type { Metrics } from "./http/metrics.ts";

/** Logs and counts failures that no caller sees. */
export function createObserver(log: Logger, metrics: Metrics): Observer {
  return {
    historyFailed(err) {
      metrics.historyFailures.inc();
      log.error({ err }, "A history could not be read; the connection started without one");
    },
    commitFailed(err) {
      metrics.commitFailures.inc();
      log.error({ err }, "Messages could not be stored; their senders were notified");
    },
    syncFailed(err) {
      log.error({ err }, "A room could not be read after a change; retrying");
    },
    recheckFailed(err) {
      log.error({ err }, "The members of a room, or the rooms of a user, could not be read; retrying");
    },
  };
}

/** Counts what was published. */
export function countChanges({ messages, changes }: Metrics, published: readonly Change[]): void {
  for (const { kind } of published) {
    if (kind === "created") messages.inc();
    else changes.inc({ kind });
  }
}
