import type { Browser, Page } from "playwright-core";

/** How long a page may take for each step. */
const TIMEOUT_MS = 15_000;

/** Parley's own page in a browser, in a profile of its own. */
export interface WebPage extends AsyncDisposable {
  page: Page;
  /** What the browser has complained about: errors of scripts, and what the Content-Security-Policy has blocked. */
  complaints: string[];
  /** The URLs that were asked for. */
  requests: string[];
  /** Their origins. */
  readonly origins: Set<string>;
  /** WebSockets that were opened. */
  readonly socketCount: number;
  /** All tokens that the page has received. */
  tokens(): Promise<string[]>;
  /** Signs in as the account whose button the provider shows. Undefined if the provider knows the user already. */
  signIn(email: string | undefined): Promise<void>;
  /** Waits until the page shows that this user is signed in. */
  expectUser(name: string): Promise<void>;
}

export async function openWebPage(browser: Browser, url: string): Promise<WebPage> {
  const context = await browser.newContext();
  context.setDefaultTimeout(TIMEOUT_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  let socketCount = 0;
  page.on("console", (line) => {
    if (line.type() === "error" || line.type() === "warning") complaints.push(line.text());
  });
  page.on("pageerror", (error) => void complaints.push(error.message));
  page.on("websocket", () => void socketCount++);
  page.on("request", (request) => {
    if (!request.url().startsWith("data:")) requests.push(request.url());
  });
  const responses: Promise<object>[] = [];
  page.on("response", (response) => {
    if (!response.url().endsWith("/token") || !response.ok()) return;
    const body = response.json();
    // The page may be closed before it has arrived.
    body.catch(() => undefined);
    responses.push(body);
  });
  await page.goto(url);
  return {
    page,
    complaints,
    requests,
    get origins() {
      return new Set(requests.map((each) => new URL(each).origin));
    },
    get socketCount() {
      return socketCount;
    },
    async tokens() {
      const bodies = await Promise.all(responses);
      return bodies.flatMap((body) =>
        Object.entries(body).flatMap(([name, value]) => (name.endsWith("_token") ? [String(value)] : [])),
      );
    },
    async signIn(email) {
      await page.getByRole("button", { name: "Sign in" }).click();
      if (email !== undefined) await page.getByRole("button", { name: email, exact: true }).click();
    },
    async expectUser(name) {
      await page.getByRole("button", { name: "Sign out" }).waitFor();
      await page.getByText(name, { exact: true }).first().waitFor();
    },
    [Symbol.asyncDispose]: () => context.close(),
  };
}
