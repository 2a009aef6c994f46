import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import type { Browser } from "playwright-core";

import * as client from "../../src/client/index.ts";
import { startBrowser } from "../support/browser.ts";
import { runProcess } from "../support/process.ts";
import { type Link, type Proxy, startProxy } from "../support/proxy.ts";
import { useServer } from "../support/server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { waitUntil } from "../support/wait.ts";
import { type Report, runScript, type ScriptOptions } from "./support/scripted-client.ts";
import { startSite } from "./support/site.ts";

// The client in Bun, Node and Chromium, with a real server, over a network that fails.

/** The first test may have to unpack a browser. */
setDefaultTimeout(60_000);

const alice = "alice@example.com";
const bob = "bob@example.com";

const site = await startSite();
const server = useServer({
  env: {
    PARLEY_MESSAGE_RATE: "0",
    PARLEY_CONNECTIONS_PER_USER: "0",
    PARLEY_ALLOWED_ORIGINS: site.url.origin,
  },
});
const folder = temporaryFolder();
let proxy: Proxy;
let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
  await Bun.write(join(folder.path, "client.mjs"), site.client);
  proxy = await startProxy({
    target: () => ({ host: "127.0.0.1", port: Number(new URL(server.url).port) }),
  });
});
afterAll(async () => {
  await browser.close();
  await proxy[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const runtimes: Record<string, (options: ScriptOptions) => Promise<Report>> = {
  Bun: (options) => runScript(client, options),
  Node: async (options) => {
    const program = join(folder.path, "script.mjs");
    await Bun.write(
      program,
      `import * as client from "./client.mjs";
       const report = await (${runScript.toString()})(client, ${JSON.stringify(options)});
       console.log(JSON.stringify(report));
       // Node's own WebSocket waits long for the answer to its close frame.
       process.exit(0);`,
    );
    const node = Bun.which("node") ?? "node";
    const { stdout: version } = await runProcess([node, "--version"], { cwd: folder.path });
    // Before Node 22, WebSocket is behind a flag.
    const flags = Number(/\d+/.exec(version)?.[0]) < 22 ? ["--experimental-websocket", "--no-warnings"] : [];
    const { stdout, stderr } = await runProcess([node, ...flags, program], { cwd: folder.path });
    expect(stderr).toBe("");
    return JSON.parse(stdout) as Report;
  },
  Chromium: async (options) => {
    const page = await browser.newPage();
    await page.goto(site.url.href);
    const call = `(${runScript.toString()})(client, ${JSON.stringify(options)})`;
    const report = await page.evaluate<Report>(`import("/client.js").then((client) => ${call})`);
    await page.close();
    return report;
  },
};

const failures: Record<string, (link: Link) => void> = {
  "is cut": (link) => link.cut(),
  "is cut within a frame": (link) => link.cutWithin("client"),
  "is half closed": (link) => link.halfClose("client"),
  "falls silent": (link) => (["client", "server"] as const).forEach((side) => link.stall(side, 3_600_000)),
};
const rows = Object.entries(runtimes).flatMap(([runtime, runIn]) =>
  Object.entries(failures).map(([failure, fail]) => [runtime, failure, runIn, fail] as const),
);

describe("every message arrives once, in one order, and is acknowledged once", () => {
  test.each(rows)("in %s, if the network repeatedly %s", async (_, failure, runIn, fail) => {
    const id = await server.createRoom([alice, bob]);
    const chat = client.connect({ url: server.url, token: () => server.token(bob) });
    const room = chat.open(id);
    await room.ready;
    const first = await room.send("the beginning");
    const messages = 30;
    /** The script's messages after which the network fails. */
    const failAfter = new Set([3, 4, 11, 20]);
    let missed = 0;
    room.on("change", ({ kind, message: { text, seq } }) => {
      const n = Number(/^script (\d+)$/.exec(text)?.[1] ?? -1);
      if (kind !== "created" || n < 0) return;
      if (failAfter.has(n)) {
        for (const link of proxy.links) fail(link);
        // The scripted client misses these.
        void room.send(`missed ${missed++}`);
        void room.edit(first.seq, `the beginning, edited ${missed} times`);
        void room.react(seq, "👍");
      }
      if (n === messages - 1) void room.send("the end");
    });
    const url = `http://127.0.0.1:${proxy.port}`;
    const report = await runIn({ url, room: id, token: await server.token(alice), messages, speed: 10 });

    const scripted = room.messages.filter(({ text }) => text.startsWith("script"));
    expect(scripted.map(({ text }) => text)).toEqual(
      Array.from({ length: messages }, (__, n) => `script ${n}`),
    );
    expect(report.acks).toEqual(scripted.map(({ seq }) => seq));
    expect(report.texts).toEqual(room.messages.map(({ text }) => text));
    expect(report.texts[0]).toBe(`the beginning, edited ${missed} times`);
    // What was missed is reported in the order of the last changes.
    expect(report.created.toSorted((a, b) => a - b)).toEqual(room.messages.slice(1).map(({ seq }) => seq));
    expect(report.pending).toBe(0);
    if (failure === "is cut") expect(report.disconnects).toBe(failAfter.size);
    // A second failure may come before the first was detected.
    expect(report.disconnects).toBeWithin(1, failAfter.size + 1);
    chat.close();
  });
});

test("in Chromium, a page that goes offline reconnects as soon as it is online", async () => {
  const id = await server.createRoom([alice, bob]);
  const bobs = client.connect({ url: server.url, token: () => server.token(bob) });
  const bobsRoom = bobs.open(id);
  await bobsRoom.ready;
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(site.url.href);
    const options = JSON.stringify({ url: server.url });
    const token = JSON.stringify(await server.token(alice));
    // The clock runs fast, for the timeouts. `random` makes the backoff days long, so that only the `online` event helps.
    await page.evaluate(`import("/client.js").then(({ connect }) => {
      const clock = {
        now: () => performance.now() * 10,
        setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds / 10),
        clearTimeout: (timer) => clearTimeout(timer),
      };
      globalThis.chat = connect({ ...${options}, token: () => ${token}, clock, random: () => 1e6 });
      globalThis.room = chat.open(${JSON.stringify(id)});
      globalThis.created = [];
      room.on("change", ({ kind, message }) => kind === "created" && created.push(message.text));
      return room.ready;
    })`);
    await bobsRoom.send("before");
    await waitUntil("the page receives a message", () => page.evaluate<boolean>("created.length === 1"));
    await context.setOffline(true);
    await waitUntil("the page is disconnected", () => page.evaluate<boolean>(`chat.status === "offline"`));
    const sent = page.evaluate<client.Ack>(`room.send("from offline")`);
    await bobsRoom.send("meanwhile");
    await context.setOffline(false);
    expect(await sent).toMatchObject({ seq: 3 });
    const texts = ["before", "meanwhile", "from offline"];
    await waitUntil("Bob receives all messages", () => bobsRoom.messages.length === texts.length);
    expect(await page.evaluate<string[]>("created")).toEqual(texts);
    expect(await page.evaluate<string[]>("room.messages.map(({ text }) => text)")).toEqual(texts);
    expect(await page.evaluate<number>("room.pending.length")).toBe(0);
  } finally {
    await context.close();
    bobs.close();
  }
});

const textsOf = (tab: string) => Array.from({ length: 20 }, (_, n) => `${tab} ${n}`);

test("in Chromium, what two tabs send while the server is down survives a reload, and is stored once", async () => {
  const id = await server.createRoom([alice, bob]);
  const bobs = client.connect({ url: server.url, token: () => server.token(bob) });
  const bobsRoom = bobs.open(id);
  await bobsRoom.ready;
  // Nothing listens on this port.
  let port = 9;
  await using down = await startProxy({ target: () => ({ host: "127.0.0.1", port }) });
  const options = JSON.stringify({ url: `http://127.0.0.1:${down.port}` });
  const token = JSON.stringify(await server.token(alice));
  /** Runs in a page: connects, and sends messages. */
  const connectAndSend = (texts: string[]) => `import("/client.js").then(({ connect }) => {
    globalThis.chat = connect({ ...${options}, token: () => ${token}, storage: localStorage, random: () => 0.1 });
    globalThis.room = chat.open(${JSON.stringify(id)});
    for (const text of ${JSON.stringify(texts)}) void room.send(text);
  })`;
  const context = await browser.newContext();
  try {
    const tabs = [await context.newPage(), await context.newPage()];
    for (const [index, tab] of tabs.entries()) {
      await tab.goto(site.url.href);
      await tab.evaluate(connectAndSend(textsOf(`tab ${index}`)));
      const isStored = `Object.values(localStorage).some((text) => text.includes("tab ${index} 19"))`;
      await waitUntil("its messages are stored", () => tab.evaluate<boolean>(isStored));
    }
    const [first, second] = tabs;
    await first?.reload();
    await first?.evaluate(connectAndSend([]));
    port = Number(new URL(server.url).port);
    await waitUntil("Bob has all messages", () => bobsRoom.messages.length >= 40);
    for (const index of [0, 1]) {
      const received = bobsRoom.messages.filter(({ text }) => text.startsWith(`tab ${index}`));
      expect(received.map(({ text }) => text)).toEqual(textsOf(`tab ${index}`));
    }
    for (const tab of [first, second])
      await waitUntil("nothing waits any more", () =>
        (tab as NonNullable<typeof tab>).evaluate<boolean>(
          `chat.status === "open" && room.pending.length === 0 && localStorage.length === 0`,
        ),
      );
    expect(bobsRoom.messages).toHaveLength(40);
  } finally {
    await context.close();
    bobs.close();
  }
});
