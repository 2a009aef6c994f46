import { expect, test } from "bun:test";

import { violationsIn } from "./support/accessibility.ts";
import { startChatSite, Tab } from "./support/chat-site.ts";
import { demoRecords, emailOf } from "./support/demo-team.ts";
import { HostPage } from "./support/host-page.ts";
import { useChatSite } from "./support/use-chat-site.ts";

// What axe-core finds in each state of the page, in both themes, and what the browser complains about on the way.

const [maya, elena] = [emailOf("maya"), emailOf("elena")];
/** Colors do not change gradually, so that they are what they will be. */
const calm = { reducedMotion: "reduce" } as const;
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 800 };

const midnight = new Date().setHours(0, 0, 0, 0);
const web = useChatSite(() => startChatSite({}, demoRecords(midnight)));

test("a room, its dialogs and menus are accessible", async () => {
  const { id } = await web.site.api(emailOf("tom")).createRoom({ name: "Open to all", access: "open" });
  await web.site
    .api(emailOf("tom"))
    .sendMessage("launch", { text: "@Maya Lindqvist: last one, with `code`" });
  const conversation = await web.site.api(emailOf("tom")).openDirect(maya);
  await web.site.api(emailOf("tom")).sendMessage(conversation.id, { text: "Just between us" });
  await using tab = await Tab.open(web, maya, "launch", calm);
  const { page } = tab;
  const { keyboard } = page;
  const found: string[] = [];
  const check = async (state: string) => void found.push(...(await violationsIn(page, state)));

  await page.locator(".message.mentions-me").waitFor();
  await page.locator(".unread-line").waitFor();
  await check("room");
  await tab.message("On it.").hover();
  await tab.button("React").click();
  await page.getByLabel("Search emoji").waitFor();
  await check("emoji picker");
  await keyboard.press("Escape");
  await keyboard.press("r");
  await page.locator(".reply-to").waitFor();
  await tab.box.fill("Hello @");
  await page.locator(".mention-menu").waitFor();
  await check("reply and mention menu");
  await keyboard.press("Escape");
  await keyboard.press("Escape");
  await tab.box.fill("");
  await keyboard.press("ArrowUp");
  await page.getByLabel("Edit message").waitFor();
  await check("edit");
  await keyboard.press("Escape");
  await tab.message("On it.").focus();
  await keyboard.press("Delete");
  await page.getByRole("dialog").waitFor();
  await check("question");
  await keyboard.press("Escape");
  await tab.button("Members").click();
  await tab.button("Copy link to this room").click();
  await page.locator(".notice").first().waitFor();
  await check("members and a notice");
  await tab.button("Dismiss").click();
  await tab.button("Manage Elena Petrova").click();
  await check("manage a member");
  await keyboard.press("Escape");
  await tab.button("Close members").click();
  await tab.button("Room settings").click();
  await check("settings");
  await keyboard.press("Escape");
  await tab.button("New room").click();
  await check("new room");
  await keyboard.press("Escape");
  await tab.button("New message").click();
  await page.getByRole("dialog").getByText("Elena Petrova").waitFor();
  await check("new message");
  await keyboard.press("Escape");
  await tab.button("Open rooms").click();
  await page.getByRole("button", { name: "Join Open to all" }).waitFor();
  await check("open rooms");
  await keyboard.press("Escape");
  await tab.button("Keyboard and formatting").click();
  await check("shortcuts");
  await keyboard.press("Escape");
  await keyboard.press("Control+k");
  await page.getByLabel("Search messages").fill("booking");
  await page.locator("mark").first().waitFor();
  await check("search");
  await keyboard.press("Escape");

  await page.getByRole("link", { name: /^Tom Okafor/ }).click();
  await page.getByText("This is where the conversation begins.").waitFor();
  await check("a direct conversation");
  await page.setViewportSize(PHONE);
  await check("room on a phone");
  await page.getByRole("link", { name: "All rooms" }).click();
  await page.getByRole("link", { name: /^Engineering/ }).waitFor();
  await check("rooms on a phone");
  await page.setViewportSize(DESK);
  await page.getByRole("link", { name: /^Engineering/ }).click();
  await page.locator(".list-start.first").waitFor();
  await check("the beginning of a room");
  await page.goto(`${web.site.url}r/${id}`);
  await tab.button("Join").waitFor();
  await check("a room to join");
  await page.goto(`${web.site.url}r/nowhere`);
  await page.getByText("There is no such room, or you are not a member of it.").waitFor();
  await check("no such room");
  expect(found).toEqual([]);
  expect(tab.complaints).toEqual([]);
});

test("what the page says in trouble is accessible", async () => {
  await using tab = await Tab.open(web, elena, "support", calm);
  const { page } = tab;
  const found: string[] = [];
  const check = async (state: string) => void found.push(...(await violationsIn(page, state)));

  // A request that is under way when the network goes would be in the browser's log.
  await page.getByText(/^\d+ members, \d+ online$/).waitFor();
  await page.context().setOffline(true);
  await tab.send("Written offline");
  await tab.message("Written offline").getByText("Will be sent when you are connected.").waitFor();
  await check("offline");
  await page.context().setOffline(false);
  await tab.seeStored("Written offline");
  await web.site.api(maya).mute("support", elena);
  await tab.send("One more thing");
  await tab.message("One more thing").getByText("Not sent.").waitFor();
  await check("muted");
  await web.site.api(maya).changeRoom("lunch", { posting: "moderators" });
  await page.getByRole("link", { name: /^Lunch/ }).click();
  await page.getByText("Only moderators and owners write in this room.").waitFor();
  await check("a room to read");
  await web.site.api(maya).removeMember("lunch", elena);
  await page.getByText("You are no longer a member of this room.").waitFor();
  await check("removed");
  expect(found).toEqual([]);
  expect(tab.complaints).toEqual([]);
});

test("the pages of the sign-in, and of a user without rooms, are accessible", async () => {
  await using tab = await Tab.open(web, "newcomer@example.com", undefined, calm);
  const { page } = tab;
  const found: string[] = [];
  const check = async (state: string) => void found.push(...(await violationsIn(page, state)));

  await tab.button("Create a room").waitFor();
  await check("no rooms");
  await tab.button("Sign out").click();
  await tab.button("Sign in").waitFor();
  await check("signed out");
  await tab.button("Sign in").click();
  await page.getByLabel("Name or email").waitFor();
  await check("development issuer");
  expect(found).toEqual([]);
  expect(tab.complaints).toEqual([]);
});

test("a room in another page is accessible", async () => {
  const element = `<parley-room room="launch" data-user="${maya}"></parley-room>`;
  await using host = await HostPage.open(web, element, calm);
  await host.page.getByText("On it.").waitFor();
  await host.page.getByRole("button", { name: "Members" }).click();
  await host.page.getByText("Elena Petrova").last().waitFor();
  expect(await violationsIn(host.page, "embedded", "parley-room")).toEqual([]);
  expect(host.complaints).toEqual([]);
});
