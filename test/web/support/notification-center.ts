import type { Page, Worker } from "playwright-core";

/** A notification that is shown. */
export interface Shown {
  title: string;
  body: string;
  tag: string;
  data: { room: string; seq: number };
}

/** In the page: the permission that users give, and what the service worker shows. */
const pageScript = `
  // A cookie, since the browser remembers it.
  const permission = () => /permission=(\\w+)/.exec(document.cookie)?.[1] ?? "default";
  Object.defineProperty(Notification, "permission", { get: permission });
  Notification.requestPermission = async () => {
    document.cookie = "permission=" + (await askForPermission()) + "; path=/";
    return permission();
  };
  ServiceWorkerRegistration.prototype.getNotifications = async () =>
    (await shownNotifications()).map((shown) => ({ ...shown, close: () => closeNotification(shown.tag) }));
  let subscription = null;
  PushManager.prototype.getSubscription = async () => subscription;
  PushManager.prototype.subscribe = async ({ applicationServerKey }) => {
    const body = await subscribeToPush(applicationServerKey);
    return (subscription = {
      endpoint: body.endpoint,
      toJSON: () => body,
      unsubscribe: async () => (subscription = null),
    });
  };
`;

/** In the service worker. */
const workerScript = `
  self.shown = new Map();
  self.opened = [];
  self.told = [];
  registration.showNotification = async (title, options) => {
    shown.set(options.tag, { title, ...options });
    told.push(options.body);
  };
  registration.getNotifications = async ({ tag } = {}) =>
    [...shown.values()].filter((each) => tag === undefined || each.tag === tag);
  clients.openWindow = async (url) => void opened.push(url);
  WindowClient.prototype.focus = async function () {
    opened.push(this.url);
    return this;
  };
`;

/**
 * The part of a browser that shows notifications and receives pushes. Chromium without windows has neither, and refuses the
 * permission; all else is the browser's own.
 */
export class NotificationCenter {
  answer: "granted" | "denied" = "granted";
  /** The keys with which the page has subscribed to pushes. */
  readonly pushKeys: string[] = [];
  /** What \`subscribe\` of the push manager returns. */
  subscription = { endpoint: "", keys: { p256dh: "", auth: "" } };

  private constructor(
    private readonly page: Page,
    private readonly worker: Worker,
  ) {}

  /** Works from the next load of the page on. */
  static async install(page: Page): Promise<NotificationCenter> {
    const context = page.context();
    await page.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
    const [worker] = context.serviceWorkers();
    if (!worker) throw new Error("There is no service worker.");
    await worker.evaluate(workerScript);
    const center = new NotificationCenter(page, worker);
    await context.exposeFunction("askForPermission", () => center.answer);
    await context.exposeFunction("shownNotifications", () => center.shown());
    await context.exposeFunction("closeNotification", (tag: string) =>
      worker.evaluate(`void shown.delete(${JSON.stringify(tag)})`),
    );
    await context.exposeFunction("subscribeToPush", (key: string) => {
      center.pushKeys.push(key);
      return center.subscription;
    });
    await context.addInitScript(pageScript);
    await page.reload();
    return center;
  }

  shown(): Promise<Shown[]> {
    return this.worker.evaluate("[...shown.values()]");
  }

  /** The texts of all notifications, also of those that are gone. */
  told(): Promise<string[]> {
    return this.worker.evaluate("told");
  }

  /** The URLs of the windows that were opened or brought to the front. */
  opened(): Promise<string[]> {
    return this.worker.evaluate("opened");
  }

  /** Closes the page, as a browser does that goes on to receive pushes. */
  async closePage(): Promise<void> {
    await this.page.goto("about:blank");
    await this.worker.evaluate(`(async () => {
      while ((await clients.matchAll({ includeUncontrolled: true })).length > 0)
        await new Promise((resolve) => setTimeout(resolve, 20));
    })()`);
  }

  /** Clicks the notification with a tag. */
  async click(tag: string): Promise<void> {
    await this.worker.evaluate(`(async () => {
      const about = shown.get(${JSON.stringify(tag)});
      const notification = { ...about, close: () => shown.delete(about.tag) };
      let handled;
      const event = Object.assign(new Event("notificationclick"), {
        notification,
        waitUntil: (promise) => void (handled = promise),
      });
      self.dispatchEvent(event);
      await handled;
    })()`);
  }

  /** Delivers a push message, as a push service does. */
  async deliver(payload: object): Promise<void> {
    const session = await this.page.context().newCDPSession(this.page);
    const registration = new Promise<string>((resolve) => {
      session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations: [first] }) => {
        if (first) resolve(first.registrationId);
      });
    });
    await session.send("ServiceWorker.enable");
    await session.send("ServiceWorker.deliverPushMessage", {
      origin: new URL(this.page.url()).origin,
      registrationId: await registration,
      data: JSON.stringify(payload),
    });
    await session.detach();
  }
}
