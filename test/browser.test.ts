import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { Page } from "playwright-core";

import { operations } from "../src/http/documents/openapi.ts";
import { startBrowser } from "./support/browser.ts";
import { connectClassic } from "./support/client.ts";
import { type Issuer, startIssuer } from "./support/issuer.ts";
import { parleyCommand, startProcess } from "./support/process.ts";
import { startTestServer, type TestServer } from "./support/server.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";
import { waitUntil } from "./support/wait.ts";

/** The first test may have to unpack a browser. */
setDefaultTimeout(60_000);

/** Serves an empty page at any path. Its port makes it an origin of its own. */
const serveSite = () =>
  Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () =>
      new Response("<!doctype html><title>app</title>", { headers: { "content-type": "text/html" } }),
  });
/** Its origin is in `PARLEY_ALLOWED_ORIGINS`. */
const app = serveSite();
const foreign = serveSite();
let issuer: Issuer;
let parley: TestServer;
let roomCount = 0;

beforeAll(async () => {
  issuer = await startIssuer();
  parley = await startTestServer({ issuer: issuer.issuer, env: { PARLEY_ALLOWED_ORIGINS: app.url.origin } });
});
afterAll(async () => {
  await Promise.all([app.stop(true), foreign.stop(true)]);
  await parley[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
});

interface Tab extends AsyncDisposable {
  page: Page;
  /** What the page has logged to the console. */
  lines: string[];
}

/** Opens a page in a browser process of its own, since one process cannot hold two sets of cookies. */
async function openPage(url: URL | string): Promise<Tab> {
  const browser = await startBrowser();
  const page = await browser.newPage();
  const lines: string[] = [];
  // Only `log`: the browser's own messages, such as the one about a missing icon, vary.
  page.on("console", (line) => void (line.type() === "log" && lines.push(line.text())));
  await page.goto(String(url));
  return { page, lines, [Symbol.asyncDispose]: () => browser.close() };
}

/** A room of Alice, whose token a page uses, and Bob, who is connected without a browser. */
async function roomWithBob() {
  const room = `room-${++roomCount}`;
  await parley.createRoom(["alice@example.com", "bob@example.com"], { id: room });
  const bob = await connectClassic(parley.host, room, { token: await issuer.sign("bob@example.com") });
  return { room, bob, token: await issuer.sign("alice@example.com") };
}

/** The page requests a session cookie for its token, or drops it with `DELETE`. Returns the HTTP status. */
const requestSession = (page: Page, token: string, method = "POST") =>
  page.evaluate(
    async ([url, bearer, requestMethod]) => {
      const headers = { authorization: `Bearer ${bearer}` };
      return (await fetch(url, { method: requestMethod, headers, credentials: "include" })).status;
    },
    [`${parley.url}/api/session`, token, method] as const,
  );

/** The page opens a WebSocket. Returns its first frame, or its close code. */
const openSocket = (page: Page, room: string, protocols: string[] = []) =>
  page.evaluate(
    ([url, offered]) =>
      new Promise<{ frame: string } | { closed: number }>((resolve) => {
        const socket = new WebSocket(url, offered);
        socket.addEventListener("message", ({ data }) => resolve({ frame: String(data) }));
        socket.addEventListener("close", ({ code }) => resolve({ closed: code }));
      }),
    [`ws://${parley.host}/ws/chat/${room}/`, protocols] as const,
  );
const admitted = { frame: "[]" };
/** A browser does not tell a page why an upgrade was refused. */
const refused = { closed: 1006 };

/** Copied from the old server's documentation, "From a Frontend Application". */
const legacyFrontend = `const socket = new WebSocket("ws://<server>/ws/chat/<room_id>/");

socket.onopen = function(event) {
    console.log("Connected to WebSocket");
    socket.send(JSON.stringify({ "message": "Hello from frontend!" }));
};

socket.onmessage = function(event) {
    console.log("Received message:", event.data);
};

socket.onclose = function(event) {
    console.log("Disconnected from WebSocket");
};`;

describe("a page of an allowed origin", () => {
  test("can run the old server's example unchanged, once it has a session cookie", async () => {
    const { room, bob, token } = await roomWithBob();
    await using tab = await openPage(app.url);
    expect(await requestSession(tab.page, token)).toBe(204);
    const lines = legacyFrontend.replace("<server>", parley.host).replace("<room_id>", room);
    await tab.page.addScriptTag({ content: lines });
    expect(await bob.next()).toEqual({ message: "Hello from frontend!" });
    bob.send({ message: "Hello, page!" });
    await waitUntil("the page shows four lines", () => tab.lines.length >= 4);
    expect(tab.lines).toEqual([
      "Connected to WebSocket",
      "Received message: []",
      'Received message: {"message":"Hello from frontend!"}',
      'Received message: {"message":"Hello, page!"}',
    ]);
    await parley.asOperator((chat, operator) => chat.rooms.delete(operator, room));
    await waitUntil("the page is disconnected", () => tab.lines.at(-1) === "Disconnected from WebSocket");
  });

  test("can't connect without a session cookie, or after it has dropped it", async () => {
    const { room, token } = await roomWithBob();
    await using tab = await openPage(app.url);
    expect(await openSocket(tab.page, room)).toEqual(refused);
    expect(await requestSession(tab.page, token)).toBe(204);
    expect(await openSocket(tab.page, room)).toEqual(admitted);
    expect(await requestSession(tab.page, token, "DELETE")).toBe(204);
    expect(await openSocket(tab.page, room)).toEqual(refused);
  });

  test("can connect without a cookie, with the token as a subprotocol", async () => {
    const { room, token } = await roomWithBob();
    await using tab = await openPage(app.url);
    expect(await openSocket(tab.page, room)).toEqual(refused);
    expect(await openSocket(tab.page, room, ["classic", `bearer.${token}`])).toEqual(admitted);
    expect(await tab.page.context().cookies()).toEqual([]);
  });

  test("can't read the cookie, which is sent to the WebSocket only and expires with the token", async () => {
    const { token } = await roomWithBob();
    await using tab = await openPage(app.url);
    expect(await requestSession(tab.page, token)).toBe(204);
    const cookies = await tab.page.context().cookies(`${parley.url}/ws/chat/x/`);
    const { exp } = JSON.parse(atob(token.split(".")[1] ?? "")) as { exp: number };
    expect(cookies).toMatchObject([
      {
        name: "parley_session",
        value: token,
        path: "/ws",
        httpOnly: true,
        secure: false,
        sameSite: "Lax",
      },
    ]);
    // Browsers adjust the expiry for the difference between the clocks.
    expect(cookies[0]?.expires).toBeWithin(exp - 2, exp + 3);
    expect(await tab.page.context().cookies(`${parley.url}/api/me`)).toEqual([]);
    expect(await tab.page.evaluate("document.cookie")).toBe("");
  });

  test("can read the HTTP API with its token, including errors", async () => {
    const { room, token } = await roomWithBob();
    await using tab = await openPage(app.url);
    const get = (path: string) =>
      tab.page.evaluate(
        async ([url, bearer]) => {
          const response = await fetch(url, { headers: { authorization: `Bearer ${bearer}` } });
          return [response.status, await response.json()] as const;
        },
        [parley.url + path, token] as const,
      );
    expect(await get(`/api/rooms/${room}/messages`)).toEqual([200, { messages: [], next: null }]);
    expect(await get("/api/rooms/none")).toEqual([404, expect.objectContaining({ code: "room_not_found" })]);
  });
});

describe("a page of a foreign origin", () => {
  test.each([
    // The same site, so that the browser sends the cookie.
    ["on another port", () => foreign.url.origin],
    ["on another host", () => `http://localhost:${foreign.port}`],
  ])("%s can't connect, with a cookie or with a token", async (_, origin) => {
    const { room, token } = await roomWithBob();
    await using tab = await openPage(app.url);
    expect(await requestSession(tab.page, token)).toBe(204);
    expect(await openSocket(tab.page, room)).toEqual(admitted);
    await tab.page.goto(origin());
    expect(await openSocket(tab.page, room)).toEqual(refused);
    expect(await openSocket(tab.page, room, ["classic", `bearer.${token}`])).toEqual(refused);
    await tab.page.goto(app.url.href);
    expect(await openSocket(tab.page, room)).toEqual(admitted);
  });

  test("can't use the HTTP API, not even to request a session cookie", async () => {
    const { token } = await roomWithBob();
    await using tab = await openPage(foreign.url);
    expect(String(await requestSession(tab.page, token).catch((error: unknown) => error))).toContain(
      "Failed to fetch",
    );
    expect(await tab.page.context().cookies(`${parley.url}/ws/`)).toEqual([]);
    await tab.page.goto(app.url.href);
    expect(await requestSession(tab.page, token)).toBe(204);
  });
});

test("without a list of origins, only pages of the server's own origin can connect", async () => {
  await using own = await startTestServer({ issuer: issuer.issuer });
  await own.createRoom(["alice@example.com"], { id: "lobby" });
  const token = await issuer.sign("alice@example.com");
  await using tab = await openPage(`${own.url}/healthz`);
  const firstFrameOrCode = () =>
    tab.page.evaluate(
      ([url, bearer]) =>
        new Promise<string>((resolve) => {
          const socket = new WebSocket(url, ["classic", `bearer.${bearer}`]);
          socket.addEventListener("message", ({ data }) => resolve(String(data)));
          socket.addEventListener("close", ({ code }) => resolve(String(code)));
        }),
      [`ws://${own.host}/ws/chat/lobby/`, token] as const,
    );
  expect(await firstFrameOrCode()).toBe("[]");
  await tab.page.goto(app.url.href);
  expect(await firstFrameOrCode()).toBe("1006");
});

test("the page of the HTTP API shows every route and sends requests, with nothing from elsewhere", async () => {
  const { room, token } = await roomWithBob();
  const browser = await startBrowser();
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => browser.close());
  const page = await browser.newPage();
  const foreignRequests: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => {
    const { origin } = new URL(request.url());
    if (origin !== parley.url && !request.url().startsWith("data:")) foreignRequests.push(request.url());
  });
  // A breach of the Content-Security-Policy is one.
  page.on("console", (line) => void (line.type() === "error" && complaints.push(line.text())));
  page.on("pageerror", (error) => void complaints.push(error.message));
  await page.goto(`${parley.url}/docs`);
  await page.waitForSelector(".opblock");
  expect(await page.locator(".opblock").count()).toBe(Object.keys(operations).length);

  // On a phone.
  await page.setViewportSize({ width: 390, height: 844 });
  await page.click(".btn.authorize");
  await page.fill(".auth-container input", token);
  await page.click(".auth-btn-wrapper .authorize");
  await page.click(".auth-btn-wrapper .btn-done");
  const operation = page.locator("#operations-Rooms-getRoom");
  await operation.locator(".opblock-summary-control").click();
  await operation.locator(".try-out__btn").click();
  await operation.locator('[placeholder="room"]').fill(room);
  await operation.locator(".execute").click();
  const response = operation.locator(".live-responses-table");
  await response.waitFor();
  expect(await response.innerText()).toContain(`"id": "${room}"`);
  expect(await page.evaluate<number>("document.documentElement.scrollWidth")).toBe(390);
  expect({ foreignRequests, complaints }).toEqual({ foreignRequests: [], complaints: [] });
});

test("the lines that `parley dev` prints for a browser's console work there", async () => {
  using folder = temporaryFolder();
  await using server = startProcess([...parleyCommand, "dev"], {
    cwd: folder.path,
    env: { PARLEY_PORT: "0" },
  });
  const text = await server.waitForOutput(/Press Ctrl-C to stop/);
  const [, page = "", lines = ""] = /open (\S+) and paste[^]*?\n\n([^]*?)\n\n/.exec(text) ?? [];
  await using tab = await openPage(page);
  await tab.page.addScriptTag({ content: lines });
  const types = () => tab.lines.map((line) => (JSON.parse(line) as { type: string }).type);
  await waitUntil("the page shows the ack", () => types().includes("ack"));
  expect(types().filter((type) => type !== "presence")).toEqual([
    "hello",
    "rooms",
    "opened",
    "change",
    "ack",
  ]);
});
