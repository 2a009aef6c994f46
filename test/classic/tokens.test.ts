import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { startBrowser } from "../support/browser.ts";
import { connectClassic, connectV2, refusedWith } from "../support/client.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";
import { type Application, findPython, startDjango, startStandIn } from "./application.ts";
import { issuerSettings } from "./migration-document.ts";

/** The first test may have to unpack a browser. */
setDefaultTimeout(60_000);

const python = await findPython();
const applications: [string, () => Promise<Application>][] = [
  ["an application that answers like Django", startStandIn],
];
if (python !== undefined) applications.push(["Django", () => startDjango(python)]);

describe.each(applications)("%s with the views of docs/migration.md", (_, startApplication) => {
  let application: Application;
  let parley: TestServer;

  beforeAll(async () => {
    application = await startApplication();
    const { PARLEY_JWKS_URL: jwks = "", PARLEY_ISSUER: issuer = "", ...settings } = issuerSettings();
    const env = {
      ...settings,
      PARLEY_JWKS_URL: jwks.replace(issuer, application.url),
      PARLEY_ALLOWED_ORIGINS: application.url,
    };
    parley = await startTestServer({ issuer, env });
    await application.setChatHost(parley.host);
    await parley.createRoom(["alice@example.com"], { id: "lobby" });
  });
  afterAll(async () => {
    await parley[Symbol.asyncDispose]();
    await application[Symbol.asyncDispose]();
  });

  /** Logs Alice in and returns her session cookie. */
  async function logIn(): Promise<string> {
    const body = new URLSearchParams({ username: "alice", password: "secret" });
    const response = await fetch(`${application.url}/login/`, { method: "POST", body });
    expect(response.status).toBe(200);
    return cookiesOf(response)["sessionid"] ?? "";
  }

  async function requestToken(): Promise<string> {
    const headers = { cookie: `sessionid=${await logIn()}` };
    const response = await fetch(`${application.url}/chat/token/`, { headers });
    expect(response.status).toBe(200);
    return ((await response.json()) as { token: string }).token;
  }

  test("a logged-in user gets a token that Parley accepts, and is the member who was added by email", async () => {
    const token = await requestToken();
    const old = await connectClassic(parley.host, "lobby", { token });
    const alice = await connectV2(parley.host, "lobby", { token });
    old.post("Hello!");
    expect(await old.nextText()).toBe("Hello!");
    const { message } = await alice.next("change");
    expect(message.sender).toEqual({ id: "1", email: "alice@example.com", name: "alice" });
    await Promise.all([old.close(), alice.close()]);
  });

  test("the token is valid for an hour and is not stored by caches", async () => {
    const headers = { cookie: `sessionid=${await logIn()}` };
    const response = await fetch(`${application.url}/chat/token/`, { headers });
    expect(response.headers.get("cache-control")).toContain("no-store");
    const { token } = (await response.json()) as { token: string };
    const claims = JSON.parse(atob(token.split(".")[1] ?? "")) as { iat: number; exp: number };
    expect(claims.exp - claims.iat).toBe(3600);
  });

  test("a visitor gets no token, and a token that was changed is refused", async () => {
    const response = await fetch(`${application.url}/chat/token/`);
    expect([response.status, await response.json()]).toEqual([401, { error: "Log in first." }]);
    const [header, , signature] = (await requestToken()).split(".");
    const claims = { sub: "2", exp: 9_999_999_999, iss: "https://app.example.com" };
    const token = [header, btoa(JSON.stringify(claims)).replace(/=+$/, ""), signature].join(".");
    expect(await refusedWith(connectClassic(parley.host, "lobby", { token }))).toBe("401 unauthorized");
  });

  test("a page that knows nothing of Parley connects with the cookie that its view sets", async () => {
    const browser = await startBrowser();
    try {
      const context = await browser.newContext();
      await context.addCookies([{ name: "sessionid", value: await logIn(), url: application.url }]);
      const page = await context.newPage();
      const frames: string[] = [];
      page.on("websocket", (socket) => {
        socket.on("framereceived", ({ payload }) => void frames.push(String(payload)));
      });
      await page.goto(`${application.url}/room/lobby/`);
      await waitUntil("the page has the history", () => frames.length > 0);
      await page.fill("#chat-message-input", "Hello from the page!");
      await page.press("#chat-message-input", "Enter");
      await waitUntil("the page has its message", () =>
        frames.includes('{"message":"Hello from the page!"}'),
      );
      const cookies = await context.cookies(`${application.url}/ws/chat/lobby/`);
      expect(cookies.find(({ name }) => name === "parley_session")).toMatchObject({
        path: "/ws",
        httpOnly: true,
        secure: true,
        sameSite: "Lax",
      });
    } finally {
      await browser.close();
    }
  });

  test("a visitor's page is not shown", async () => {
    const response = await fetch(`${application.url}/room/lobby/`, { redirect: "manual" });
    expect([response.status, response.headers.get("set-cookie")]).toEqual([302, null]);
  });
});

function cookiesOf(response: Response): Record<string, string> {
  return Object.fromEntries(
    response.headers.getSetCookie().map((cookie) => /^([^=]+)=([^;]*)/.exec(cookie)?.slice(1) ?? []),
  ) as Record<string, string>;
}
