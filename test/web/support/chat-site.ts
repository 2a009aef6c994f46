import { join } from "node:path";

import pino from "pino";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";

import { DevIssuer } from "../../../src/auth/dev-issuer.ts";
import type { TransferRecord } from "../../../src/chat/transfer.ts";
import { readDevConfig } from "../../../src/cli/dev.ts";
import { type Api, api } from "../../../src/client/api.ts";
import { openChat } from "../../../src/open-chat.ts";
import { type RunningServer, startServer } from "../../../src/server.ts";
import { SqliteArchive } from "../../../src/store/sqlite/archive.ts";
import { open } from "../../../src/store/sqlite/open.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const TIMEOUT_MS = 15_000;

/** A server with its page and the development issuer, in the process of the tests. */
export interface ChatSite extends AsyncDisposable {
  readonly url: string;
  /** A token of a user. With a negative time, it has expired that long ago. */
  token(email: string, seconds?: number): Promise<string>;
  /** The HTTP API as a user. */
  api(email: string): Api;
  /** Creates a room of these users; the first one owns it. Resolves with its id. */
  createRoom(emails: readonly string[], name?: string): Promise<string>;
  stop(): Promise<void>;
  /** Starts again after `stop`, at the same URL. */
  start(): Promise<void>;
}

/** A browser, and the site that it visits. */
export interface BrowserAndSite {
  browser: Browser;
  site: ChatSite;
}

let rooms = 0;

/** `records` are there from the beginning, as after an import. */
export async function startChatSite(
  env: Record<string, string> = {},
  records: readonly TransferRecord[] = [],
): Promise<ChatSite> {
  const folder = temporaryFolder();
  const variables: Record<string, string> = {
    PARLEY_PORT: "0",
    PARLEY_DATABASE: join(folder.path, "parley.db"),
    PARLEY_MESSAGE_RATE: "0",
    PARLEY_CONNECTIONS_PER_USER: "0",
    ...env,
  };
  await openChat(readDevConfig(variables), { create: true }).close();
  if (records.length > 0) await importRecords(variables["PARLEY_DATABASE"] ?? "", records);
  const devIssuer = await DevIssuer.openOrCreate(variables["PARLEY_DATABASE"] ?? "");
  let running: RunningServer | undefined;
  let url = "";
  const start = async () => {
    const log = pino({ level: "silent" });
    running = await startServer({ config: readDevConfig(variables), log, devIssuer });
    url = running.url.href;
    variables["PARLEY_PORT"] = running.url.port;
  };
  const stop = async () => {
    await running?.stop();
    running = undefined;
  };
  const token = (email: string, seconds = 3600) => devIssuer.token(email, seconds);
  const apiOf = (email: string) => api({ url, token: () => token(email) });
  await start();
  return {
    get url() {
      return url;
    },
    token,
    api: apiOf,
    async createRoom([owner = "", ...others], name = `Room ${++rooms}`) {
      const { id } = await apiOf(owner).createRoom({ name });
      for (const email of others) await apiOf(owner).setMember(id, email);
      return id;
    },
    start,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      folder[Symbol.dispose]();
    },
  };
}

async function importRecords(database: string, records: readonly TransferRecord[]): Promise<void> {
  const archive = new SqliteArchive(open(database));
  await importInto(archive, records);
  await archive.close();
}

async function importInto(archive: SqliteArchive, records: readonly TransferRecord[]): Promise<void> {
  using started = archive.beginImport();
  for (const [index, record] of records.entries()) {
    const leftOut = started.add(String(index), record);
    if (leftOut) throw new Error(JSON.stringify({ leftOut, record }));
  }
  await started.apply({
    dryRun: false,
    skipInvalid: false,
    invalid: (at, reason) => {
      throw new Error(`Record ${at}: ${reason}`);
    },
    skipped: () => undefined,
    progress: () => undefined,
    signal: new AbortController().signal,
  });
}

/** The page in a browser, in a profile of its own, with a user who is signed in. */
export class Tab implements AsyncDisposable {
  /** What the browser has complained about: errors of scripts, and what the Content-Security-Policy has blocked. */
  readonly complaints: string[] = [];
  readonly box: Locator;

  constructor(readonly page: Page) {
    this.box = page.locator(".composer textarea");
    page.on("console", (line) => {
      if (line.type() === "error" || line.type() === "warning") this.complaints.push(line.text());
    });
    page.on("pageerror", (error) => void this.complaints.push(error.message));
  }

  /** Signs a user in, and opens a room. */
  static async open(
    { browser, site }: BrowserAndSite,
    email: string,
    room?: string,
    options: BrowserContextOptions = {},
  ): Promise<Tab> {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(TIMEOUT_MS);
    const tab = new Tab(await context.newPage());
    const { page } = tab;
    await page.goto(room === undefined ? site.url : `${site.url}r/${room}`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByLabel("Name or email").fill(email);
    await page.getByLabel("Name or email").press("Enter");
    await (room === undefined ? page.getByRole("button", { name: "Sign out" }) : tab.box).waitFor();
    return tab;
  }

  /** Another tab of the same browser, in which the user is signed in without being asked. */
  async openAnother(url: string): Promise<Tab> {
    const tab = new Tab(await this.page.context().newPage());
    await tab.page.goto(url);
    return tab;
  }

  /** Sends the tab to the background, or back. To Chromium without windows, each tab is in the foreground. */
  async setHidden(isHidden: boolean): Promise<void> {
    const state = isHidden ? "hidden" : "visible";
    await this.page.evaluate(`{
      Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }`);
  }

  /** Waits until the page is kept for the time without a network, and what is shown, too. */
  async waitUntilKept(): Promise<void> {
    await this.page.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
    await this.setHidden(true);
    await this.page.evaluate(`(async () => {
      while (!(await caches.match(new URL("seen.json", navigator.serviceWorker.controller.scriptURL))))
        await new Promise((resolve) => setTimeout(resolve, 20));
    })()`);
    await this.setHidden(false);
  }

  /** The message with this text. */
  message(text: string): Locator {
    return this.page.locator(".message").filter({ has: this.page.getByText(text, { exact: true }) });
  }

  /** Waits until a message is shown. */
  see(text: string): Promise<void> {
    return this.message(text).first().waitFor();
  }

  /** Waits until a message is shown that the server has stored. */
  seeStored(text: string): Promise<void> {
    return this.page.locator("[data-seq]").getByText(text, { exact: true }).first().waitFor();
  }

  /** Writes a message and sends it. */
  async send(text: string): Promise<void> {
    await this.box.fill(text);
    await this.box.press("Enter");
  }

  button(name: string): Locator {
    return this.page.getByRole("button", { name, exact: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
  }
}

let users = 0;

/** A user whom no other test has, by their email. */
export const newUser = (name = "user") => `${name}${++users}@example.com`;

/** Their name, as the development issuer makes it of an email. */
export const nameOf = (email: string) => email.charAt(0).toUpperCase() + email.slice(1).replace(/@.*/, "");
