import { expect, test } from "bun:test";

import { waitUntil } from "../support/wait.ts";
import { newUser, startChatSite, Tab } from "./support/chat-site.ts";
import { useChatSite } from "./support/use-chat-site.ts";

// The page without a network, and what it keeps on the device.

const OFFLINE = "You are offline. What you write is sent when you are back.";

const web = useChatSite();

const textsIn = (tab: Tab) => tab.page.locator(".message .text").allTextContents();

/** What the page keeps on this device: URLs by the names of its caches. */
const cached = (tab: Tab) =>
  tab.page.evaluate<Record<string, string[]>>(`(async () => {
    const entries = (await caches.keys()).map(async (name) => {
      const keys = await (await caches.open(name)).keys();
      return [name, keys.map(({ url }) => new URL(url).pathname)];
    });
    return Object.fromEntries(await Promise.all(entries));
  })()`);

test("a reload without a network shows what was last seen, and what is written then is sent once", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben], "Seen before");
  await web.site.api(ben).sendMessage(room, { text: "From Ben" });
  await using tab = await Tab.open(web, ann, room);
  await tab.send("From Ann");
  await tab.seeStored("From Ann");
  await tab.box.fill("Half a dr");
  await tab.waitUntilKept();
  expect(tab.complaints).toEqual([]);

  const { page } = tab;
  await page.context().setOffline(true);
  await page.reload();
  await page.getByText(OFFLINE).waitFor();
  expect(await textsIn(tab)).toEqual(["From Ben", "From Ann"]);
  expect(page.url()).toBe(`${web.site.url}r/${room}`);
  expect(await tab.box.inputValue()).toBe("Half a dr");
  await tab.send("Written offline");
  await tab.message("Written offline").getByText("Will be sent when you are connected.").waitFor();
  await page.reload();
  await tab.see("Written offline");
  await web.site.api(ben).sendMessage(room, { text: "Meanwhile" });

  await page.context().setOffline(false);
  await tab.seeStored("Written offline");
  await page.locator(".banner.none").waitFor({ state: "attached" });
  expect(await textsIn(tab)).toEqual(["From Ben", "From Ann", "Meanwhile", "Written offline"]);
  expect(page.url()).toBe(`${web.site.url}r/${room}`);
});

test("the page is opened without a network at another address than the last time", async () => {
  const ann = newUser("ann");
  const rooms = [await web.site.createRoom([ann], "First"), await web.site.createRoom([ann], "Second")];
  await using tab = await Tab.open(web, ann, rooms[0]);
  await tab.waitUntilKept();
  await tab.page.context().setOffline(true);
  await tab.page.goto(web.site.url);
  // The room that was open last.
  await tab.page.getByRole("heading", { name: "First" }).waitFor();
  await tab.page.getByRole("link", { name: /^Second/ }).click();
  await tab.page.getByRole("heading", { name: "Second" }).waitFor();
  await tab.page.goto(`${web.site.url}r/${rooms[0]}/1`);
  await tab.page.getByText(OFFLINE).waitFor();
  await tab.button("Sign out").click();
  await tab.button("Sign in").waitFor();
  expect(Object.keys(await cached(tab))).toEqual(["parley.files:/"]);
});

test("while the server does not respond, what was last seen is shown and the page does not leave", async () => {
  await using own = await startChatSite();
  const ann = newUser("ann");
  const room = await own.createRoom([ann]);
  await using tab = await Tab.open({ ...web, site: own }, ann, room);
  await tab.send("Before");
  await tab.seeStored("Before");
  await tab.waitUntilKept();
  await own.stop();
  await tab.page.reload();
  await tab.page.getByText("The server does not respond. Trying again …").waitFor();
  await tab.see("Before");
  expect(tab.page.url()).toBe(`${own.url}r/${room}`);
  await own.start();
  await tab.page.locator(".banner.none").waitFor({ state: "attached" });
  await tab.send("After");
  await tab.seeStored("After");
});

test("signing out removes what was seen, in all tabs", async () => {
  const ann = newUser("ann");
  const room = await web.site.createRoom([ann]);
  await using tab = await Tab.open(web, ann, room);
  await tab.send("A secret");
  await tab.seeStored("A secret");
  await tab.waitUntilKept();
  await using other = await tab.openAnother(`${web.site.url}r/${room}`);
  await other.see("A secret");
  // It is signed out while it is at the issuer.
  const third = await tab.openAnother("about:blank");
  const { promise: atIssuer, resolve: arrive } = Promise.withResolvers<void>();
  const { promise: signedOut, resolve: leave } = Promise.withResolvers<void>();
  await third.page.route("**/dev/authorize?*", async (route) => {
    arrive();
    await signedOut;
    await route.continue();
  });
  await third.page.goto(`${web.site.url}r/${room}`, { waitUntil: "commit" });
  await atIssuer;
  await tab.button("Sign out").click();
  await tab.button("Sign in").waitFor();
  leave();
  for (const each of [tab, other, third]) {
    await each.button("Sign in").waitFor();
    expect(await each.page.getByText("A secret").count()).toBe(0);
  }
  expect(Object.keys(await cached(other))).toEqual(["parley.files:/"]);
  expect(await other.page.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })")).toBe("{}");
  await other.page.reload();
  await other.button("Sign in").waitFor();
});

test("another user does not see what the last one has seen on the same device", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann]);
  await web.site.createRoom([ben], "Room of Ben");
  await using tab = await Tab.open(web, ann, room);
  await tab.send("For Ann only");
  await tab.seeStored("For Ann only");
  await tab.waitUntilKept();
  let hint = ben;
  await tab.page.route("**/dev/authorize?*prompt=none*", (route) => {
    const url = new URL(route.request().url());
    url.searchParams.set("login_hint", hint);
    return route.continue({ url: url.href });
  });
  await tab.page.goto(web.site.url);
  await tab.page.getByText("Room of Ben").first().waitFor();
  expect(await tab.page.getByText("For Ann only").count()).toBe(0);
  await tab.waitUntilKept();
  const kept = await tab.page.evaluate<string>(
    `caches.match("/seen.json").then((response) => response.text())`,
  );
  expect(kept).toContain("Room of Ben");
  expect(kept).not.toContain("For Ann only");

  // Nobody has a session at the issuer any more.
  hint = "";
  await tab.page.reload();
  await tab.button("Sign in").waitFor();
  expect(Object.keys(await cached(tab))).toEqual(["parley.files:/"]);
});

test("the service worker keeps the page's own files, and nothing of the API", async () => {
  const ann = newUser("ann");
  const room = await web.site.createRoom([ann]);
  await using tab = await Tab.open(web, ann, room);
  await tab.send("Hello");
  await tab.seeStored("Hello");
  await tab.page.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
  await tab.page.reload();
  await tab.seeStored("Hello");
  const files = (await cached(tab))["parley.files:/"] ?? [];
  expect(files).toContain("/");
  expect(files.filter((path) => path !== "/" && !/^\/assets\/\S+\.(js|css)$/.test(path))).toEqual([]);
  expect(tab.complaints).toEqual([]);
});

test("below a path, a slow or broken server does not keep the page from being shown", async () => {
  const mode = { delayMs: 0, status: 200, documents: 0 };
  await using cleanup = new AsyncDisposableStack();
  const proxy = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const url = new URL(request.url);
      if (!url.pathname.startsWith("/chat/")) return new Response("Sign in at the proxy");
      const path = url.pathname.slice("/chat/".length);
      if (path === "" || path.startsWith("r/")) {
        mode.documents++;
        await Bun.sleep(mode.delayMs);
        if (mode.status === 302) return Response.redirect("/portal");
        if (mode.status === 203) return new Response("Sign in at the proxy");
        if (mode.status !== 200) return new Response("Broken", { status: mode.status });
      }
      return fetch(new URL(path, web.site.url), { headers: { "accept-encoding": "identity" } });
    },
  });
  cleanup.defer(() => proxy.stop(true));
  const context = await web.browser.newContext();
  cleanup.defer(() => context.close());
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  await page.goto(`${proxy.url.href}chat/`);
  await page.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
  const button = page.getByRole("button", { name: "Sign in" });

  mode.status = 203;
  await page.goto(`${proxy.url.href}chat/`);
  await page.getByText("Sign in at the proxy").waitFor();
  mode.status = 502;
  await page.goto(`${proxy.url.href}chat/r/lobby/1`);
  await button.waitFor();
  mode.status = 302;
  await page.goto(`${proxy.url.href}chat/`);
  await page.getByText("Sign in at the proxy").waitFor();
  mode.status = 200;
  mode.delayMs = 5_000;
  const documents = mode.documents;
  const start = performance.now();
  await page.goto(`${proxy.url.href}chat/r/lobby`);
  await button.waitFor();
  expect(performance.now() - start).toBeLessThan(mode.delayMs);
  await waitUntil("the new document is asked for", () => mode.documents > documents);
});
