import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import type { Browser } from "playwright-core";

import { useBinary } from "../support/binary.ts";
import { startBrowser } from "../support/browser.ts";
import { listeningUrl, type RunningProcess, startProcess } from "../support/process.ts";
import { seedDatabase } from "../support/server-process.ts";
import { CLIENT_ID, type SignInProvider, startSignInProvider } from "../support/sign-in-provider.ts";
import { audience } from "../support/tokens.ts";
import { waitUntil } from "../support/wait.ts";
import { openWebPage } from "../support/web-page.ts";

// Sign-in on Parley's own page: the compiled binary, real OpenID providers, and Chromium.

/** The first test may have to unpack a browser, and the binary is built. */
setDefaultTimeout(120_000);

const [alice, bob] = ["alice@example.com", "bob@example.com"] as const;
const binary = useBinary();
let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser.close());

interface Parley extends RunningProcess {
  url: string;
}

async function startDev(): Promise<Parley> {
  const server = startProcess([binary.path, "dev"], {
    cwd: binary.folder,
    env: { PARLEY_PORT: "0", PARLEY_DATABASE: `${binary.fresh("dev")}/parley.db` },
  });
  const text = await server.waitForOutput(/^Open (\S+) in a browser/m);
  return { ...server, url: /^Open (\S+) in a browser/m.exec(text)?.[1] ?? "" };
}

/** A server that trusts the provider, with a room of Alice and Bob. */
async function startServer(provider: SignInProvider, env: Record<string, string> = {}): Promise<Parley> {
  const database = join(binary.folder, `${binary.fresh("parley")}.db`);
  await seedDatabase(database, { lobby: [alice, bob] });
  const server = startProcess([binary.path, "serve"], {
    cwd: binary.folder,
    env: {
      PARLEY_PORT: "0",
      PARLEY_DATABASE: database,
      PARLEY_ISSUER: provider.issuer,
      PARLEY_AUDIENCE: audience,
      PARLEY_CLIENT_ID: CLIENT_ID,
      ...env,
    },
  });
  const { href } = await listeningUrl(server);
  provider.registerPage(href);
  return { ...server, url: href };
}

describe("with the development issuer", () => {
  let server: Parley;
  beforeAll(async () => {
    server = await startDev();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("a user picks who they are, stays signed in when they reload, and signs out", async () => {
    await using web = await openWebPage(browser, server.url);
    await web.signIn(alice);
    await web.expectUser("Alice");
    expect(new URL(web.page.url()).search).toBe("");
    await web.page.reload();
    await web.expectUser("Alice");
    await web.page.getByRole("button", { name: "Sign out" }).click();
    await web.page.getByRole("button", { name: "Sign in" }).waitFor();
    await web.page.reload();
    await web.page.getByRole("button", { name: "Sign in" }).waitFor();
    expect(web.complaints).toEqual([]);
    expect([...web.origins]).toEqual([new URL(server.url).origin]);
  });

  test("somebody new types a name, and is in the lobby", async () => {
    await using web = await openWebPage(browser, server.url);
    await web.page.getByRole("button", { name: "Sign in" }).click();
    await web.page.getByLabel("Name or email").fill("  Zoë <b>  ");
    await web.page.getByRole("button", { name: "Sign in" }).click();
    await web.expectUser("Zoë <b>");
    await web.page.getByText("Lobby").first().waitFor();
    await using other = await openWebPage(browser, server.url);
    await other.signIn("zoë.<b>@example.com");
    expect([...web.complaints, ...other.complaints]).toEqual([]);
  });

  test("a link to a room leads there after the sign-in, on localhost too", async () => {
    const link = new URL("/r/lobby/1", server.url);
    link.hostname = "localhost";
    await using web = await openWebPage(browser, link.href);
    await web.signIn(bob);
    await web.expectUser("Bob");
    expect(web.page.url()).toBe(link.href);
    expect(web.complaints).toEqual([]);
  });

  test("an answer to a sign-in that this tab has not begun is not used", async () => {
    await using web = await openWebPage(browser, `${server.url}?code=stolen&state=forged`);
    await web.page.getByRole("button", { name: "Sign in" }).waitFor();
    expect(new URL(web.page.url()).search).toBe("");
    expect(web.requests.filter((url) => url.includes("/dev/"))).toEqual([]);
  });

  test("a full storage keeps nobody from signing in and out", async () => {
    await using web = await openWebPage(browser, server.url);
    await web.page.addInitScript(`
      const { setItem } = Storage.prototype;
      Storage.prototype.setItem = function (key, value) {
        if (this === localStorage) throw new DOMException("full", "QuotaExceededError");
        setItem.call(this, key, value);
      };
    `);
    await web.page.goto(`${server.url}r/lobby`);
    await web.signIn(alice);
    await web.expectUser("Alice");
    await web.page.getByRole("heading", { name: "Lobby" }).first().waitFor();
    await web.page.getByRole("button", { name: "Sign out" }).click();
    await web.page.getByRole("button", { name: "Sign in" }).waitFor();
    expect(web.complaints).toEqual([]);
  });

  test("a browser that lets the page store nothing gets a sentence", async () => {
    await using web = await openWebPage(browser, server.url);
    await web.page.addInitScript(`
      Object.defineProperty(window, "localStorage", {
        get: () => { throw new DOMException("denied", "SecurityError"); },
      });
    `);
    await web.page.goto(server.url);
    await web.page.getByRole("alert").getByText("does not let this page store anything").waitFor();
    expect(web.complaints).toEqual([]);
  });

  test("why the issuer refuses a sign-in is shown", async () => {
    await using web = await openWebPage(browser, server.url);
    await web.page.route("**/dev/authorize?*", (route) => {
      const url = new URL(route.request().url());
      url.searchParams.set("scope", "email");
      return route.continue({ url: url.href });
    });
    await web.page.getByRole("button", { name: "Sign in" }).click();
    await web.page.getByRole("alert").getByText("scope: must have openid").waitFor();
    expect(new URL(web.page.url()).search).toBe("");
  });

  test("an issuer that sends the user back without an answer is asked a few times, not for ever", async () => {
    await using web = await openWebPage(browser, server.url);
    await web.signIn(alice);
    await web.expectUser("Alice");
    await web.page.evaluate(
      "caches.keys().then((keys) => Promise.all(keys.map((key) => caches.delete(key))))",
    );
    let asked = 0;
    await web.page.route("**/dev/authorize?*", (route) => {
      asked++;
      return route.fulfill({ status: 302, headers: { location: server.url } });
    });
    await web.page.reload();
    await web.page.getByRole("alert").getByText("The sign-in service sends no answer.").waitFor();
    expect(asked).toBe(3);
    await web.page.unroute("**/dev/authorize?*");
    await web.page.getByRole("button", { name: "Try again" }).click();
    await web.expectUser("Alice");
  });

  test("an answer of another issuer is not used", async () => {
    await using web = await openWebPage(browser, server.url);
    await web.page.route("**/dev/authorize?*", (route) => {
      const state = new URL(route.request().url()).searchParams.get("state") ?? "";
      const answer = new URLSearchParams({ state, code: "stolen", iss: "https://other.example.com" });
      return route.fulfill({ status: 302, headers: { location: `${server.url}?${answer.toString()}` } });
    });
    await web.page.getByRole("button", { name: "Sign in" }).click();
    await web.page.getByRole("alert").getByText("an answer that is not valid").waitFor();
    expect(web.requests.filter((url) => url.endsWith("/token"))).toEqual([]);
  });

  test("a page on another port signs in and connects", async () => {
    await using cleanup = new AsyncDisposableStack();
    const app = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response("<!doctype html>", { headers: { "content-type": "text/html" } }),
    });
    cleanup.defer(() => app.stop(true));
    await using web = await openWebPage(browser, app.url.href);
    const firstFrame = await web.page.evaluate(async (url) => {
      const body = new URLSearchParams({ grant_type: "password", username: "bob" });
      const response = await fetch(`${url}dev/token`, { method: "POST", body });
      const { access_token: token } = (await response.json()) as { access_token: string };
      const socket = new WebSocket(`${url.replace("http", "ws")}ws/`, ["chat.v2", `bearer.${token}`]);
      return new Promise<string>((resolve) =>
        socket.addEventListener("message", ({ data }) => resolve(String(data)), { once: true }),
      );
    }, server.url);
    expect(JSON.parse(firstFrame)).toMatchObject({ type: "hello", me: { email: bob } });
  });
});

describe("with an OpenID provider", () => {
  test("tokens are renewed without the user noticing, kept in memory only, and not used when they are revoked", async () => {
    await using provider = await startSignInProvider({ tokenSeconds: 10 });
    await using server = await startServer(provider, { PARLEY_CLOCK_TOLERANCE: "0" });
    await using web = await openWebPage(browser, server.url);
    await web.signIn(alice);
    await web.expectUser("alice");
    const renewals = () => provider.grants.filter((type) => type === "refresh_token").length;
    await waitUntil("the token is renewed", () => renewals() >= 2, 20_000);
    await web.expectUser("alice");
    expect(web.socketCount).toBe(1);
    const stored = await web.page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])");
    expect(stored).toContain(alice);
    const tokens = await web.tokens();
    expect(tokens.length).toBeGreaterThan(5);
    expect(tokens.filter((token) => String(stored).includes(token))).toEqual([]);
    expect(web.complaints).toEqual([]);

    await provider.revokeAll();
    await web.page.getByRole("button", { name: "Sign in" }).waitFor();
    await web.signIn(undefined);
    await web.expectUser("alice");
    await web.page.getByRole("button", { name: "Sign out" }).click();
    await web.page.getByRole("button", { name: "Sign out" }).click();
    await web.page.getByRole("button", { name: "Sign in" }).waitFor();
    expect(new URL(web.page.url()).search).toBe("");
  });

  test("a reload without a session at the provider asks to sign in", async () => {
    await using provider = await startSignInProvider();
    await using server = await startServer(provider);
    await using web = await openWebPage(browser, server.url);
    await web.signIn(bob);
    await web.expectUser("bob");
    await web.page.context().clearCookies();
    await web.page.reload();
    await web.page.getByRole("button", { name: "Sign in" }).waitFor();
    expect(await web.page.getByRole("alert").count()).toBe(0);
    expect(new URL(web.page.url()).search).toBe("");
  });

  test("without PARLEY_CLIENT_ID the page says what to set", async () => {
    await using provider = await startSignInProvider();
    await using server = await startServer(provider, { PARLEY_CLIENT_ID: "" });
    await using web = await openWebPage(browser, server.url);
    await web.page.getByText("PARLEY_CLIENT_ID").waitFor();
    expect(await web.page.getByRole("button", { name: "Sign in" }).count()).toBe(0);
  });
});
