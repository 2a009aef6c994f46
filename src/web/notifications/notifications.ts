import type { Api } from "../../client/api.ts";
import { remember } from "../remember.ts";
import type { OpenMessage } from "../service-worker/payload.ts";

/** Set while the user wants to be notified on this device. */
const KEY = "parley.notify";
/** How long signing out waits for the server. */
const SERVER_TIMEOUT_MS = 2_000;

/** Whether this browser can notify. It needs a service worker, which only pages over https and of this machine have. */
export const canNotify = "Notification" in globalThis && "serviceWorker" in navigator;

/** The message of a notification. */
export type About = Pick<OpenMessage, "room" | "seq">;

/**
 * Notifications on this device. While a tab is open in the background, the page itself asks for them. With web push, the
 * server sends them while there is none.
 */
export class Notifications {
  isOn = canNotify && localStorage.getItem(KEY) !== null && Notification.permission === "granted";
  readonly #api: Api;
  readonly #pushKey: string | null;
  readonly #listeners = new Set<() => void>();

  /** `pushKey` is the server's key for web push. Null if it has none. */
  constructor(api: Api, pushKey: string | null) {
    this.#api = api;
    this.#pushKey = pushKey;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Asks the user. Resolves with a sentence for them about what came of it. */
  async turnOn(): Promise<string> {
    if ((await Notification.requestPermission()) !== "granted")
      return "Your browser blocks notifications from this page. Allow them in the settings of the browser.";
    remember(KEY, "on");
    this.#setOn(true);
    const isPushed = await this.registerPush().catch(() => false);
    return `You are notified of mentions and direct messages ${isPushed ? "on this device" : "while a tab is open"}.`;
  }

  /** Removes what is shown, too. Never rejects. */
  async turnOff(): Promise<void> {
    localStorage.removeItem(KEY);
    this.#setOn(false);
    await this.close(() => true).catch(() => undefined);
    await this.#unregisterPush().catch(() => undefined);
  }

  /**
   * Lets the server send pushes to this browser, which may have another address than the last time. Resolves with whether it
   * does from now on.
   */
  async registerPush(): Promise<boolean> {
    if (!this.isOn || this.#pushKey === null) return false;
    const { pushManager } = await navigator.serviceWorker.ready;
    const options = { userVisibleOnly: true, applicationServerKey: this.#pushKey };
    const subscription = await pushManager.subscribe(options).catch(async () => {
      // It may have been made with another key.
      await (await pushManager.getSubscription())?.unsubscribe();
      return pushManager.subscribe(options);
    });
    await this.#api.subscribePush(subscription);
    return true;
  }

  /** Closes the notifications for which `isOver` returns true. */
  async close(isOver: (about: About) => boolean): Promise<void> {
    const registration = await navigator.serviceWorker.getRegistration();
    const shown = (await registration?.getNotifications()) ?? [];
    for (const notification of shown) if (isOver(notification.data as About)) notification.close();
  }

  async #unregisterPush(): Promise<void> {
    const registration = await navigator.serviceWorker.getRegistration();
    const subscription = await registration?.pushManager.getSubscription();
    if (!subscription) return;
    await Promise.race([
      this.#api.unsubscribePush(subscription.endpoint).catch(() => undefined),
      new Promise((resolve) => {
        setTimeout(resolve, SERVER_TIMEOUT_MS);
      }),
    ]);
    await subscription.unsubscribe();
  }

  #setOn(isOn: boolean): void {
    this.isOn = isOn;
    for (const listener of this.#listeners) listener();
  }
}
