import { browser } from "./browser.ts";
import type { Connection } from "./connection.ts";
import type { Clock } from "./options.ts";
import { Timer } from "./timer.ts";

export interface NetworkStatusOptions {
  clock: Clock;
  connection: Pick<Connection, "isOpen" | "probe">;
  /** Removes the listeners. */
  signal: AbortSignal;
  /** `isOffline` has changed. */
  onChange: () => void;
  /** The network may be back, or the page is shown again. */
  onReturn: () => void;
}

/** How long the server may take to show that it is reachable after the browser has reported that it is offline. */
const OFFLINE_DELAY_MS = 1_500;

/** What the browser reports about the network and the page. */
export class NetworkStatus {
  isOffline = browser.navigator?.onLine === false;
  readonly #onChange: () => void;
  readonly #timer: Timer;

  constructor({ clock, connection, signal, onChange, onReturn }: NetworkStatusOptions) {
    this.#onChange = onChange;
    this.#timer = new Timer(clock);
    const { document } = browser;
    const listen = (type: string, listener: () => void) =>
      browser.addEventListener?.(type, listener, { signal });
    const onVisible = () => {
      if (document?.visibilityState === "visible") onReturn();
    };
    document?.addEventListener("visibilitychange", onVisible, { signal });
    listen("pageshow", onReturn);
    listen("online", () => {
      this.set(false);
      onReturn();
    });
    listen("offline", () => {
      // Some browsers are wrong about it: the server may still answer.
      connection.probe();
      this.#timer.set(connection.isOpen ? OFFLINE_DELAY_MS : 0, () => this.set(true));
    });
  }

  /** The network is known to be there or not. */
  set(isOffline: boolean): void {
    this.#timer.clear();
    if (this.isOffline === isOffline) return;
    this.isOffline = isOffline;
    this.#onChange();
  }

  close(): void {
    this.#timer.clear();
  }
}
