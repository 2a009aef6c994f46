import type { BrowserContext, Page } from "playwright-core";

import { startBrowser } from "../support/browser.ts";
import { newUser, startChatSite } from "./support/chat-site.ts";
import { startSlowNetwork } from "./support/slow-network.ts";

// Measures how fast the page opens on a slow network: `bun test/web/measure-load.ts`. Not a test, since the numbers are those
// of the machine.

const MESSAGES = 60;
const SIGN_IN = "Sign in";
/** Not the newest one, which the list of rooms shows too. */
const MESSAGE = `Message ${MESSAGES - 1}.`;
const CONNECTED = "1 online";

/** In the page, in each frame: reports which of the texts are there. Waiting for them from outside is less exact. */
const watch = `(function check() {
  const shown = document.getElementById("app")?.textContent ?? "";
  for (const text of ${JSON.stringify([SIGN_IN, MESSAGE, CONNECTED])})
    if (shown.includes(text)) reportText(text, Date.now());
  requestAnimationFrame(check);
})()`;

/** A tab that measures when a text is first there. */
class MeasuredTab {
  #startedAt = 0;
  readonly #seen = new Map<string, number>();
  #onSeen: () => void = () => undefined;

  private constructor(readonly page: Page) {}

  static async open(context: BrowserContext): Promise<MeasuredTab> {
    const tab = new MeasuredTab(await context.newPage());
    await tab.page.exposeFunction("reportText", (text: string, at: number) => {
      if (tab.#seen.has(text)) return;
      tab.#seen.set(text, at - tab.#startedAt);
      tab.#onSeen();
    });
    await tab.page.addInitScript(watch);
    return tab;
  }

  /** Begins a visit, and prints how many milliseconds later each of the texts is there. */
  async measure(visit: string, begin: () => Promise<unknown>, texts: readonly string[]): Promise<void> {
    console.log(visit);
    this.#seen.clear();
    this.#startedAt = Date.now();
    const session = await this.page.context().newCDPSession(this.page);
    await session.send("Performance.enable");
    await begin();
    for (const text of texts) {
      while (!this.#seen.has(text)) {
        await new Promise<void>((resolve) => {
          this.#onSeen = resolve;
        });
      }
      const { metrics } = await session.send("Performance.getMetrics");
      const seconds = metrics.find(({ name }) => name === "ScriptDuration")?.value ?? NaN;
      const scriptMs = Math.round(seconds * 1000);
      console.log(`  "${text}" after ${this.#seen.get(text)} ms (scripts of this document: ${scriptMs} ms)`);
    }
  }
}

await using cleanup = new AsyncDisposableStack();
const site = cleanup.use(await startChatSite());
const browser = await startBrowser();
cleanup.defer(() => browser.close());
const network = startSlowNetwork();
cleanup.defer(network.stop);

const ann = newUser("ann");
const room = await site.createRoom([ann], "Design");
for (let count = 1; count <= MESSAGES; count++)
  await site.api(ann).sendMessage(room, { text: `Message ${count}.` });
// The server builds the page when it is first asked for, and compresses each file.
const html = await (await fetch(site.url)).text();
for (const [, path = ""] of html.matchAll(/="\.\/(assets\/[^"]+)"/g))
  await fetch(site.url + path, { headers: { "accept-encoding": "br" } });

const context = await browser.newContext({ proxy: { server: network.url, bypass: "<-loopback>" } });
context.setDefaultTimeout(60_000);
const url = `${site.url}r/${room}`;

const first = await MeasuredTab.open(context);
await first.measure("First visit", () => first.page.goto(url, { waitUntil: "commit" }), [SIGN_IN]);
await first.page.evaluate("navigator.serviceWorker.ready");
await first.page.getByRole("button", { name: SIGN_IN }).click();
const name = first.page.getByLabel("Name or email");
await name.fill(ann);
await first.measure("After the sign-in at the issuer", () => name.press("Enter"), [MESSAGE, CONNECTED]);
// The snapshot is saved a moment later.
await Bun.sleep(6000);
await first.page.close();

for (const visit of ["Second visit", "Third visit"]) {
  const tab = await MeasuredTab.open(context);
  await tab.measure(visit, () => tab.page.goto(url, { waitUntil: "commit" }), [MESSAGE, CONNECTED]);
  await tab.page.close();
}
