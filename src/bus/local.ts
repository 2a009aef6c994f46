import type { Bus, Hint } from "../chat/bus.ts";

/** How often to look whether another process has written, in milliseconds. */
const interval = 500;

/**
 * The bus of a single node. Other processes may still write to its database, the command line for one: `version` tells
 * (SQLite's `data_version`), and everybody hears that anything may have changed.
 */
export function localBus(version: () => number, failed: (error: unknown) => void): Bus {
  const listeners: ((hint: Hint) => void)[] = [];
  const publish = (hint: Hint) => {
    for (const listener of listeners) {
      try {
        listener(hint);
      } catch (error) {
        failed(error);
      }
    }
  };
  let seen = version();
  let broken = false;
  const timer = setInterval(() => {
    try {
      const now = version();
      if (now !== seen) publish({ kind: "anything" });
      seen = now;
      broken = false;
    } catch (error) {
      // The next tick tries again, and compares with what was seen before. Said once, not twice a second.
      if (!broken) failed(error);
      broken = true;
    }
  }, interval);
  timer.unref();
  return {
    publish,
    subscribe: (listener) => void listeners.push(listener),
    close: () => clearInterval(timer),
  };
}
