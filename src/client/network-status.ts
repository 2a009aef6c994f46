import { browser } from "./browser.ts";
import type { ChatContext } from "./chat-context.ts";
import { Timer } from "./timer.ts";

/** How long the server may take to show that it is reachable after the browser has reported that it is offline. */
const OFFLINE_DELAY_MS = 1_500;

/** What the browser reports about the network and the page. */
export class NetworkStatus {
  isOffline = browser.navigator?.onLine === false;
  readonly #chat: ChatContext;
  readonly #timer: Timer;

  constructor(chat: ChatContext) {
    this.#chat = chat;
    this.#timer = new Timer(chat);
    const { connection, signal } = chat;
    const { document } = browser;
    /** The network may be back, or the page is shown again. */
    const onReturn = () => {
      if (chat.status !== "closed") connection.retry();
    };
    const listen = (type: string, listener: () => void) =>
      browser.addEventListener?.(type, listener, { signal });
    document?.addEventListener(
      "visibilitychange",
      () => {
        if (document.visibilityState === "visible") onReturn();
      },
      { signal },
    );
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
    this.#chat.updateStatus();
  }
}
