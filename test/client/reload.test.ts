import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import type { Browser, Page } from "playwright-core";

import { api } from "../../src/client/api.ts";
import { startBrowser } from "../support/browser.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { seedDatabase, type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { waitUntil } from "../support/wait.ts";
import { startSite } from "./support/site.ts";

// A page that is reloaded while the server is down, in Chromium.

/** The first test may have to unpack a browser. */
setDefaultTimeout(120_000);

const [alice, bob] = ["alice@example.com", "bob@example.com"] as const;
/** Commands that may wait in a chat. */
const MAX_PENDING = 1_000;

const site = await startSite();
const folder = temporaryFolder();
let issuer: Issuer;
let browser: Browser;
let room = 0;

beforeAll(async () => {
  issuer = await startIssuer();
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await site[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** A server of one room, that can be killed and started again at the same address. */
async function startKillable(): Promise<
  { url: string; kill(): Promise<void>; start(): Promise<void> } & AsyncDisposable
> {
  const database = join(folder.path, `parley-${++room}.db`);
  await seedDatabase(database, { team: [alice, bob] });
  const start = (port: string) =>
    startServerProcess({
      issuer: issuer.issuer,
      database,
      env: { PARLEY_PORT: port, PARLEY_ALLOWED_ORIGINS: site.url.origin },
    });
  let server: ServerProcess = await start("0");
  const { origin, port } = server.url;
  return {
    url: origin,
    async kill() {
      server.kill("SIGKILL");
      await server.ended;
    },
    async start() {
      server = await start(port);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Loads the page, or loads it again, and opens the room. */
async function load(page: Page, url: string, email: string): Promise<void> {
  await page.goto(site.url.href);
  const token = JSON.stringify(await issuer.sign(email));
  await page.evaluate(`import("/client.js").then(({ connect }) => {
    globalThis.chat = connect({ url: ${JSON.stringify(url)}, token: () => ${token}, storage: localStorage });
    globalThis.room = chat.open("team");
  })`);
}

const waitUntilSaved = (page: Page, text: string) =>
  waitUntil(`"${text}" is in the storage`, async () =>
    (await page.evaluate<string>("Object.values(localStorage).join()")).includes(text),
  );

const pendingTexts = (page: Page) => page.evaluate<string[]>("room.pending.map(({ text }) => text)");

/** The texts that a page sends in a loop. */
const numbered = (word: string, length = 20) => Array.from({ length }, (_, n) => `${word} ${n}`);

/** All messages of the room. */
async function stored(url: string) {
  const http = api({ url, token: () => issuer.sign(bob) });
  const messages = [];
  for (let after = 0; ;) {
    const page = await http.messages("team", { after, limit: 100 });
    messages.push(...page);
    if (page.length < 100) return messages;
    after = messages.at(-1)?.seq ?? 0;
  }
}

test("everything that was typed while the server was down is stored once and in order after a reload", async () => {
  await using server = await startKillable();
  const page = await browser.newPage();
  await load(page, server.url, alice);
  await page.evaluate(`room.send("first").then(() => room.send("second"))`);
  // The last of these were sent, and may have been stored, when the server is killed.
  const before = page.evaluate(`for (let n = 0; n < 20; n++) void room.send("before " + n)`);
  await server.kill();
  await before;
  await page.evaluate(`
    void room.edit(1, "first, edited");
    void room.react(1, "👍");
    void room.remove(2);
    for (let n = 0; n < 20; n++) void room.send("down " + n);
  `);
  await waitUntilSaved(page, "down 19");
  await page.reload();
  await load(page, server.url, alice);
  await page.evaluate(`void room.send("after the reload")`);
  await waitUntilSaved(page, "after the reload");
  await page.reload();
  await load(page, server.url, alice);
  await page.evaluate(`void room.send("after another reload")`);
  await server.start();
  await page.evaluate("chat.retry()");
  await waitUntil("nothing waits", () =>
    page.evaluate<boolean>(`room.status === "open" && room.pending.length === 0`),
  );
  const messages = await stored(server.url);
  const texts = [
    "first, edited",
    "",
    ...numbered("before"),
    ...numbered("down"),
    "after the reload",
    "after another reload",
  ];
  expect(messages.map(({ text }) => text)).toEqual(texts);
  expect(messages[0]?.reactions.map(({ emoji }) => emoji)).toEqual(["👍"]);
  expect(messages[1]).toHaveProperty("deleted_at");
  expect(await page.evaluate<string[]>("room.messages.map(({ text }) => text)")).toEqual(texts);
  // Nothing is left for the next page.
  await page.reload();
  await load(page, server.url, alice);
  await page.evaluate("room.ready");
  expect(await pendingTexts(page)).toEqual([]);
  expect(await stored(server.url)).toHaveLength(texts.length);
  await page.close();
});

test("a full outbox survives a reload", async () => {
  await using server = await startKillable();
  const page = await browser.newPage();
  await load(page, server.url, alice);
  await page.evaluate("room.ready");
  await server.kill();
  await waitUntil("the page is disconnected", () => page.evaluate<boolean>(`chat.status !== "open"`));
  await page.evaluate(`for (let n = 0; n < ${MAX_PENDING}; n++) void room.send("message " + n)`);
  await waitUntilSaved(page, `message ${MAX_PENDING - 1}`);
  expect(await page.evaluate<string>(`room.send("one too many").catch(({ code }) => code)`)).toBe(
    "too_many_pending",
  );
  await page.reload();
  await load(page, server.url, alice);
  await server.start();
  await page.evaluate("chat.retry()");
  await waitUntil(
    "all messages are stored",
    async () =>
      (await page.evaluate<string>("room.messages.at(-1)?.text ?? ''")) === `message ${MAX_PENDING - 1}`,
    60_000,
  );
  expect((await stored(server.url)).map(({ text }) => text)).toEqual(numbered("message", MAX_PENDING));
  await page.close();
});

test("what one user has typed is not sent by another one", async () => {
  await using server = await startKillable();
  const page = await browser.newPage();
  await load(page, server.url, alice);
  await page.evaluate("room.ready");
  await server.kill();
  await waitUntil("the page is disconnected", () => page.evaluate<boolean>(`chat.status !== "open"`));
  await page.evaluate(`void room.send("Alice's")`);
  await waitUntilSaved(page, "Alice's");
  await page.reload();
  await server.start();
  await load(page, server.url, bob);
  await page.evaluate(`room.send("Bob's")`);
  expect((await stored(server.url)).map(({ text }) => text)).toEqual(["Bob's"]);
  // What was typed first is sent first.
  await load(page, server.url, alice);
  await page.evaluate(`room.send("Alice's second")`);
  expect((await stored(server.url)).map(({ sender, text }) => [sender.email, text])).toEqual([
    [bob, "Bob's"],
    [alice, "Alice's"],
    [alice, "Alice's second"],
  ]);
  await page.close();
});
