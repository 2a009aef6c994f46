import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { Locator } from "playwright-core";

import { root } from "../support/process.ts";
import { waitUntil } from "../support/wait.ts";
import { newUser } from "./support/chat-site.ts";
import { type BrowserElement, HostPage } from "./support/host-page.ts";
import { useChatSite } from "./support/use-chat-site.ts";

// <parley-room> in pages of other origins.

const web = useChatSite();

const boxIn = (chat: Locator) => chat.locator(".composer textarea");
const tag = (room: string, user: string, more = "") =>
  `<parley-room room="${room}" data-user="${user}" ${more}></parley-room>`;
/** A computed style of an element. */
const styleOf = (element: Locator, property: string) =>
  element.evaluate(
    (node: BrowserElement, name) => node.ownerDocument.defaultView.getComputedStyle(node)[name],
    property,
  );

test("a room is used in a page of another origin, which keeps its address, its title and its strict policy", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben], "Support");
  await web.site.api(ben).sendMessage(room, { text: "How can we help?" });
  await using host = await HostPage.open(web, tag(room, ann));
  const { page } = host;
  await page.getByRole("heading", { name: "Support", level: 2 }).waitFor();
  await page.getByText("How can we help?").waitFor();
  await boxIn(page.locator("parley-room")).fill("It does **not** start");
  await page.keyboard.press("Enter");
  await page.locator("[data-seq] strong").getByText("not").waitFor();
  // What is loaded when it is opened comes from the server too.
  await page.locator(".message").first().hover();
  await page.getByRole("button", { name: "React" }).first().click();
  await page.getByRole("option", { name: "tada" }).first().click();
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByRole("searchbox").fill("help");
  await page.locator("a.result").click();
  await page.locator(".message.target").getByText("How can we help?").waitFor();
  await waitUntil("the reaction is stored", async () => {
    const [message] = await web.site.api(ben).messages(room);
    return message?.reactions.length === 1;
  });
  expect(page.url()).toBe(host.url);
  expect(await page.title()).toBe("A shop");
  expect(host.complaints).toEqual([]);
});

test("the styles of the page do not reach in, but its custom properties do", async () => {
  const ann = newUser("ann");
  const room = await web.site.createRoom([ann]);
  await web.site.api(ann).sendMessage(room, { text: "See https://example.com" });
  await using host = await HostPage.open(web, tag(room, ann, 'class="red"'));
  const chat = host.page.locator("parley-room");
  const text = chat.locator(".message .text");
  await text.waitFor();
  expect(await styleOf(text, "fontSize")).toBe("15px");
  expect(await styleOf(text, "textTransform")).toBe("none");
  expect(await styleOf(text, "letterSpacing")).toBe("normal");
  expect(await styleOf(text, "color")).not.toBe("rgb(1, 2, 3)");
  expect(await styleOf(text.locator("a"), "color")).toBe("rgb(200, 0, 0)");
  expect(await styleOf(chat.locator(".dialog, .composer").first(), "display")).not.toBe("none");
  // The ring around the box is a tint of the page's accent, not of the usual one.
  await boxIn(chat).focus();
  const ring = await styleOf(chat.locator(".composer-row"), "boxShadow");
  expect(ring).toContain("3px");
  expect(ring).not.toContain("rgb(224, 241, 238)");
});

test("colors are light or dark as those of the page around them, whatever the system prefers", async () => {
  const ann = newUser("ann");
  const room = await web.site.createRoom([ann]);
  const body = `<div id="light">${tag(room, ann)}</div><div class="dark" id="dark">${tag(room, ann)}</div>`;
  await using host = await HostPage.open(web, body, { colorScheme: "dark" });
  await boxIn(host.page.locator("#dark")).waitFor();
  const backgroundIn = (id: string) => styleOf(host.page.locator(`${id} .embed`), "backgroundColor");
  expect(await backgroundIn("#light")).toBe("rgb(255, 255, 255)");
  expect(await backgroundIn("#dark")).toBe("rgb(23, 24, 26)");
});

test("elements with one token function share a connection, which the last one closes", async () => {
  const ann = newUser("ann");
  const [one, two] = [await web.site.createRoom([ann], "One"), await web.site.createRoom([ann], "Two")];
  await using host = await HostPage.open(web, tag(one, ann) + tag(two, ann));
  const { page, sockets } = host;
  const [first, second] = [page.locator("parley-room").first(), page.locator("parley-room").last()];
  await first.getByRole("heading", { name: "One" }).waitFor();
  await second.getByRole("heading", { name: "Two" }).waitFor();
  for (const [element, name] of [
    [first, "One"],
    [second, "Two"],
  ] as const)
    await element.getByRole("region", { name: `Chat: ${name}` }).waitFor();
  // A question or a notice of one is not shown in the other.
  await first.getByRole("button", { name: "Members" }).click();
  await first.getByRole("button", { name: "Leave room" }).click();
  expect(await page.getByRole("dialog").count()).toBe(1);
  await first.getByRole("button", { name: "Cancel" }).click();
  // An element that is moved stays what it is.
  await first.evaluate((element: BrowserElement) => element.parentElement.append(element));
  await first.evaluate((element: BrowserElement) => element.remove());
  await page.getByRole("heading", { name: "Two" }).waitFor({ state: "detached" });
  await boxIn(page.locator("parley-room")).fill("Still here");
  await page.keyboard.press("Enter");
  await page.locator("[data-seq]").getByText("Still here").waitFor();
  expect(sockets.map((socket) => socket.isClosed())).toEqual([false]);
  await page.locator("parley-room").evaluate((element: BrowserElement) => element.remove());
  await waitUntil("the connection is closed", () => sockets.every((socket) => socket.isClosed()));
  expect(host.complaints).toEqual([]);
});

test("another room, and another user, take the place of the first", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const [one, two] = [
    await web.site.createRoom([ann, ben], "One"),
    await web.site.createRoom([ann, ben], "Two"),
  ];
  await using host = await HostPage.open(web, tag(one, ann));
  const chat = host.page.locator("parley-room");
  await boxIn(chat).fill("A draft for room one");
  await chat.evaluate((element: BrowserElement, id) => (element.room = id), two);
  await chat.getByRole("heading", { name: "Two" }).waitFor();
  expect(await boxIn(chat).inputValue()).toBe("");
  await host.setUser(chat, ben);
  await waitUntil("the first connection is closed", () => host.sockets[0]?.isClosed() === true);
  await boxIn(chat).fill("From Ben");
  await boxIn(chat).press("Enter");
  await chat.locator("[data-seq]").getByText("From Ben").waitFor();
  expect((await web.site.api(ann).messages(two))[0]?.sender.email).toBe(ben);
  // The page's storage has nothing but what says whose it is.
  await host.page.reload();
  await waitUntil("the draft is back", async () => (await boxIn(chat).inputValue()) !== "");
  expect(await boxIn(chat).inputValue()).toBe("A draft for room one");
  const keys: string[] = await host.page.evaluate("Object.keys(localStorage)");
  expect(keys.filter((key) => !key.includes(web.site.url))).toEqual([]);
});

test("what is written before there is a connection survives a reload", async () => {
  const ann = newUser("ann");
  const room = await web.site.createRoom([ann], "One");
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const token = (user: string) => gate.then(() => web.site.token(user));
  await using host = await HostPage.open(web, tag(room, ann), { token });
  const chat = host.page.locator("parley-room");
  await boxIn(chat).fill("Early");
  open();
  await chat.getByRole("heading", { name: "One" }).waitFor();
  await host.page.reload();
  await waitUntil("the draft is back", async () => (await boxIn(chat).inputValue()) === "Early");
});

test("a token that has expired is asked for again", async () => {
  const ann = newUser("ann");
  const room = await web.site.createRoom([ann]);
  const asked: boolean[] = [];
  const token = (user: string, refresh: boolean) => {
    asked.push(refresh);
    return web.site.token(user, refresh ? 3600 : -60);
  };
  await using host = await HostPage.open(web, tag(room, ann), { token });
  await boxIn(host.page.locator("parley-room")).fill("Here");
  await host.page.keyboard.press("Enter");
  await host.page.locator("[data-seq]").getByText("Here").waitFor();
  expect(asked.slice(0, 2)).toEqual([false, true]);
});

test("what does not work is said in words, and told to the page", async () => {
  const ann = newUser("ann");
  const token = async (user: string) => (user === ann ? web.site.token(user) : "nothing");
  const body = `${tag("nowhere", ann)}${tag("nowhere", "nobody")}
    <parley-room data-user="${ann}"></parley-room><parley-room room="lobby"></parley-room>`;
  await using host = await HostPage.open(web, body, { token });
  const chats = host.page.locator("parley-room");
  await chats.nth(0).getByText("There is no such room, or you are not a member of it.").waitFor();
  await host.heard("parley-error", "room_not_found");
  await chats.nth(1).getByText("You are signed out.").waitFor();
  await chats.nth(1).getByRole("button", { name: "Try again" }).waitFor();
  await host.heard("parley-error", "unauthorized");
  await chats.nth(2).getByText("It needs the id of a room, in its attribute “room”.").waitFor();
  await chats
    .nth(3)
    .getByText("It needs a function that returns a token, in its property “token”.")
    .waitFor();
  await chats.nth(3).evaluate((element: BrowserElement) => (element.token = "a token, and no function"));
  await chats.nth(3).getByText("It needs a function").waitFor();
  await host.setUser(chats.nth(3), ann);
  await chats.nth(3).getByText("There is no such room").waitFor();
});

test("messages are read when they are on the screen, and the page is told what is unread", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben]);
  await web.site.api(ben).sendMessage(room, { text: `Hello @${ann}` });
  await using host = await HostPage.open(web, tag(room, ann, 'class="low"'));
  const chat = host.page.locator("parley-room");
  await chat.getByText("Hello").waitFor();
  await host.heard("parley-unread", { unread: 1, mentions: 1 });
  await web.site.api(ben).sendMessage(room, { text: "Are you there?" });
  await chat.locator("[data-seq]").getByText("Are you there?").waitFor();
  await host.heard("parley-unread", { unread: 2, mentions: 1 });
  // The upper part of the room is on the screen, its newest message is not.
  expect(await host.page.evaluate("scrollY")).toBe(0);
  await boxIn(chat).scrollIntoViewIfNeeded();
  await host.heard("parley-unread", { unread: 0, mentions: 0 });
});

test("keys that are typed in the room are not shortcuts of the page", async () => {
  const ann = newUser("ann");
  const room = await web.site.createRoom([ann]);
  await using host = await HostPage.open(web, tag(room, ann));
  const chat = host.page.locator("parley-room");
  await boxIn(chat).waitFor();
  // Before the user has come here, the focus is the page's.
  expect(await host.page.evaluate("document.activeElement.localName")).toBe("body");
  await host.page.evaluate("globalThis.keys = []; addEventListener('keydown', ({ key }) => keys.push(key))");
  await chat.evaluate((element: BrowserElement) => element.focus());
  await host.page.keyboard.type("sr?");
  expect(await boxIn(chat).inputValue()).toBe("sr?");
  await host.page.keyboard.press("Enter");
  await chat.locator("[data-seq]").getByText("sr?").waitFor();
  await host.page.keyboard.press("Shift+Tab");
  await host.page.keyboard.press("ArrowUp");
  await host.page.keyboard.press("e");
  await chat.getByRole("textbox", { name: "Edit message" }).waitFor();
  // The first one ends the edit. The second one means nothing in the room, but perhaps something in the page.
  await host.page.keyboard.press("Escape");
  await host.page.keyboard.press("Escape");
  expect(await host.page.evaluate("keys.filter((key) => key !== 'Shift' && key !== 'Tab')")).toEqual([
    "Escape",
  ]);
  await host.page.keyboard.press("Shift+Tab");
  await host.page.keyboard.press("Home");
  await host.page.keyboard.press("Control+k");
  await chat.getByRole("dialog", { name: "Search" }).waitFor();
  await host.page.keyboard.press("Escape");
  await waitUntil("the focus is back", () =>
    chat.locator(".message").evaluate((message: BrowserElement) => message.matches(":focus")),
  );
});

test("the page in docs/embed.md works as it is written there", async () => {
  const document = await readFile(join(root, "docs/embed.md"), "utf8");
  const [, example = ""] = /```html\n(<!doctype html>.*?)```/s.exec(document) ?? [];
  const [alice, ben] = ["alice@example.com", newUser("ben")];
  const room = await web.site.createRoom([ben, alice], "Lobby");
  await web.site.api(ben).sendMessage(room, { text: "Hello Alice" });
  const html = example
    .replaceAll("http://127.0.0.1:8000/", web.site.url)
    .replace('room="lobby"', `room="${room}"`);
  const server = Bun.serve({
    port: 0,
    fetch: () => new Response(html, { headers: { "content-type": "text/html" } }),
  });
  const page = await web.browser.newPage({ viewport: { width: 800, height: 200 } });
  await page.goto(server.url.href);
  await page.getByText("1 unread").waitFor();
  await page.setViewportSize({ width: 800, height: 800 });
  await page.locator("[data-seq]").getByText("Hello Alice").waitFor();
  await page.getByText("1 unread").waitFor({ state: "detached" });
  expect(await styleOf(page.locator("parley-room"), "height")).toBe("480px");
  await page.close();
  await server.stop(true);
});
