import type { Bus, BusEvent } from "../chat/bus.ts";

/** How often the bus checks whether another process has written. */
const POLL_INTERVAL_MS = 500;

export interface LocalBusOptions {
  /** Changes when another process has written to the database (SQLite's `data_version`). May throw. */
  dataVersion: () => number;
  /** Called when a listener throws, and at the first of several failed polls in a row. */
  failed: (error: unknown) => void;
}

/** The bus of a single node. It publishes `invalidate` when another process, such as the command line, has written. */
export function createLocalBus({ dataVersion, failed }: LocalBusOptions): Bus {
  const listeners: ((event: BusEvent) => void)[] = [];
  const publish = (event: BusEvent) => {
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (error) {
        failed(error);
      }
    }
  };
  let lastVersion = dataVersion();
  let pollFailed = false;
  const timer = setInterval(() => {
    try {
      const version = dataVersion();
      if (version !== lastVersion) publish({ kind: "invalidate" });
      lastVersion = version;
      pollFailed = false;
    } catch (error) {
      if (!pollFailed) failed(error);
      pollFailed = true;
    }
  }, POLL_INTERVAL_MS);
  timer.unref();
  return {
    publish,
    subscribe: (listener) => void listeners.push(listener),
    close: () => clearInterval(timer),
  };
}
