import type { BrowserContextOptions, Locator, Page, WebSocket } from "playwright-core";

import { waitUntil } from "../../support/wait.ts";
import type { BrowserAndSite } from "./chat-site.ts";

const TIMEOUT_MS = 15_000;

/** Styles that a page may have, and that a chat in it would not survive. */
const styles = `
  html { font-size: 40%; }
  * { color: rgb(1, 2, 3); letter-spacing: 1em; text-transform: uppercase; }
  button, textarea, p, section, header, ol, li, dialog { display: none !important; }
  .low { height: 300px; margin-top: calc(100vh - 150px); }
  .dark { color-scheme: dark; }
  .red { --accent: rgb(200, 0, 0); height: 20rem; }
`;

/** Gives each element the token function of its user, and notes the events. */
const script = `
  const functions = {};
  globalThis.tokenOf = (user) => functions[user] ??= async ({ refresh }) => {
    const response = await fetch(\`/token?\${new URLSearchParams({ user, refresh })}\`);
    return response.text();
  };
  globalThis.events = [];
  for (const name of ["parley-error", "parley-unread"])
    addEventListener(name, ({ detail }) => events.push(JSON.stringify([name, detail.code ?? detail])));
  for (const element of document.querySelectorAll("[data-user]"))
    element.token = tokenOf(element.dataset.user);
`;

/** What the tests use of an element in the browser, whose types are not those of the tests. */
export interface BrowserElement extends HTMLElement {
  room: string;
  token: unknown;
  parentElement: { append(child: BrowserElement): void };
  ownerDocument: {
    defaultView: {
      getComputedStyle(element: BrowserElement): Record<string, string>;
      tokenOf(user: string): unknown;
    };
  };
  focus(): void;
  matches(selector: string): boolean;
  remove(): void;
}

export interface HostOptions extends BrowserContextOptions {
  /** The token of a user. Default: a valid one. */
  token?: (user: string, refresh: boolean) => Promise<string>;
}

/** A page of another origin than the chat's, with a strict policy and with styles of its own. */
export class HostPage implements AsyncDisposable {
  /** What the browser has complained about. */
  readonly complaints: string[] = [];
  readonly sockets: WebSocket[] = [];

  private constructor(
    readonly page: Page,
    private readonly server: Bun.Server<undefined>,
  ) {
    page.on("console", (line) => {
      if (line.type() === "error" || line.type() === "warning") this.complaints.push(line.text());
    });
    page.on("pageerror", (error) => void this.complaints.push(error.message));
    page.on("websocket", (socket) => void this.sockets.push(socket));
  }

  /** Opens a page with this body. Elements with `data-user` get the tokens of that user. */
  static async open(
    { browser, site }: BrowserAndSite,
    body: string,
    { token = (user) => site.token(user), ...options }: HostOptions = {},
  ): Promise<HostPage> {
    const { origin, host } = new URL(site.url);
    const policy = [
      "default-src 'none'",
      "style-src 'self'",
      `script-src 'self' ${origin}`,
      `connect-src 'self' ${origin} ws://${host}`,
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ].join("; ");
    const html = `<!doctype html>
      <html lang="en">
        <head>
          <title>A shop</title>
          <link rel="stylesheet" href="/host.css" />
          <script type="module" src="/host.js"></script>
          <script type="module" src="${origin}/embed.js"></script>
        </head>
        <body>${body}</body>
      </html>`;
    const server = Bun.serve({
      port: 0,
      routes: {
        "/": new Response(html, {
          headers: { "content-type": "text/html", "content-security-policy": policy },
        }),
        "/host.css": new Response(styles, { headers: { "content-type": "text/css" } }),
        "/host.js": new Response(script, { headers: { "content-type": "text/javascript" } }),
        "/favicon.ico": new Response(null, { status: 204 }),
        "/token": async ({ url }) => {
          const { searchParams } = new URL(url);
          const user = searchParams.get("user") ?? "";
          return new Response(await token(user, searchParams.get("refresh") === "true"));
        },
      },
    });
    const context = await browser.newContext(options);
    context.setDefaultTimeout(TIMEOUT_MS);
    const hostPage = new HostPage(await context.newPage(), server);
    await hostPage.page.goto(server.url.href);
    return hostPage;
  }

  get url(): string {
    return this.server.url.href;
  }

  /** Waits until the page was told this, by an event. `detail` is its code, if it has one. */
  async heard(name: string, detail: unknown): Promise<void> {
    const wanted = JSON.stringify([name, detail]);
    await waitUntil(`the page was told ${wanted}`, () => this.page.evaluate(`events.includes('${wanted}')`));
  }

  /** Gives an element the token function of another user. */
  async setUser(element: Locator, user: string): Promise<void> {
    await element.evaluate(
      (node: BrowserElement, name) => (node.token = node.ownerDocument.defaultView.tokenOf(name)),
      user,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
    await this.server.stop(true);
  }
}
