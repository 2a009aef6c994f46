import { expect, test } from "bun:test";

import { waitUntil } from "../support/wait.ts";
import { newUser, startChatSite, Tab } from "./support/chat-site.ts";
import { useChatSite } from "./support/use-chat-site.ts";

// What the page says when something does not work, and what becomes of what was typed.

const web = useChatSite();

const textsIn = (tab: Tab) => tab.page.locator(".message .text").allTextContents();

test("what is written offline is sent once when the network is back", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben]);
  await using tab = await Tab.open(web, ann, room);
  await tab.send("Before");
  await tab.seeStored("Before");
  await tab.page.context().setOffline(true);
  await tab.page.getByText("You are offline. What you write is sent when you are back.").waitFor();
  await tab.send("Written offline");
  await tab.message("Written offline").getByText("Will be sent when you are connected.").waitFor();
  await web.site.api(ben).sendMessage(room, { text: "Meanwhile" });
  await tab.page.context().setOffline(false);
  await tab.see("Meanwhile");
  await tab.page.locator(".banner.none").waitFor({ state: "attached" });
  await waitUntil("each message is there once", async () => (await textsIn(tab)).length === 3);
  expect(await textsIn(tab)).toEqual(["Before", "Meanwhile", "Written offline"]);
});

test("a reload loses neither the draft nor the reply, nor what waits to be sent", async () => {
  const ann = newUser("ann");
  const room = await web.site.createRoom([ann]);
  await using tab = await Tab.open(web, ann, room);
  await tab.send("Question");
  await tab.seeStored("Question");
  await tab.message("Question").hover();
  await tab.button("Reply").click();
  await tab.box.fill("Half an ans");
  await tab.page.reload();
  await tab.box.waitFor();
  await waitUntil("the draft is back", async () => (await tab.box.inputValue()) === "Half an ans");
  await tab.page.locator(".reply-to").getByText("Question").waitFor();
  await tab.box.press("End");
  await tab.box.pressSequentially("wer");
  await tab.box.press("Enter");
  await tab.message("Half an answer").locator(".quote").waitFor();
  await tab.page.reload();
  await tab.see("Half an answer");
  expect(await tab.box.inputValue()).toBe("");
});

test("each room has its own draft", async () => {
  const ann = newUser("ann");
  const rooms = [await web.site.createRoom([ann], "First"), await web.site.createRoom([ann], "Second")];
  await using tab = await Tab.open(web, ann, rooms[0]);
  await tab.box.fill("For the first");
  await tab.page.getByRole("link", { name: /^Second/ }).click();
  await tab.page.getByRole("heading", { name: "Second" }).waitFor();
  expect(await tab.box.inputValue()).toBe("");
  // Twice, since loading a draft must not lose it.
  for (let reloads = 0; reloads < 2; reloads++) {
    await tab.page.goto(`${web.site.url}r/${rooms[0]}`);
    await tab.box.waitFor();
    await waitUntil("the draft is back", async () => (await tab.box.inputValue()) === "For the first");
  }
});

test("a room that does not exist says so", async () => {
  const ann = newUser("ann");
  await using tab = await Tab.open(web, ann);
  await tab.page.goto(`${web.site.url}r/no-such-room`);
  await tab.page.getByText("There is no such room, or you are not a member of it.").waitFor();
});

test("a room that is deleted says so", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben]);
  await using tab = await Tab.open(web, ben, room);
  await tab.page.getByText("No messages yet.").waitFor();
  await web.site.api(ann).deleteRoom(room);
  await tab.page.getByText("The room was deleted.").waitFor();
});

test("slow mode is explained, and the message is sent when its time has come", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben]);
  await web.site.api(ann).changeRoom(room, { slow_mode: 2 });
  await using tab = await Tab.open(web, ben, room);
  await tab.page.getByText("Slow mode: one message every 2 seconds").waitFor();
  await tab.send("One");
  await tab.send("Two");
  await tab.message("Two").getByText("Waiting: one message every 2 seconds in this room.").waitFor();
  await tab.message("Two").getByText("Waiting").waitFor({ state: "detached" });
  expect((await web.site.api(ben).messages(room)).map(({ text }) => text)).toEqual(["One", "Two"]);
});

test("who writes too fast is told so, and what they wrote is sent later", async () => {
  await using own = await startChatSite({ PARLEY_MESSAGE_RATE: "0.5", PARLEY_MESSAGE_BURST: "2" });
  const ann = newUser("ann");
  const room = await own.createRoom([ann]);
  await using tab = await Tab.open({ ...web, site: own }, ann, room);
  for (const text of ["One", "Two", "Three"]) await tab.send(text);
  await tab
    .message("Three")
    .getByText("You are writing too fast. This message will be sent later.")
    .waitFor();
  await tab.seeStored("Three");
  expect(await textsIn(tab)).toEqual(["One", "Two", "Three"]);
});

test("a message that is too long is not sent, and stays in the box", async () => {
  const ann = newUser("ann");
  const room = await web.site.createRoom([ann]);
  await using tab = await Tab.open(web, ann, room);
  const text = "x".repeat(20_000);
  await tab.box.fill(text);
  await tab.page.getByText(/^Too long by [\d,]+ bytes\.$/).waitFor();
  await tab.box.press("Enter");
  expect(await tab.button("Send").isDisabled()).toBe(true);
  expect(await tab.box.inputValue()).toBe(text);
});

test("an edit that is refused opens again with what was typed", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben]);
  await using tab = await Tab.open(web, ben, room);
  await tab.send("Original");
  await tab.seeStored("Original");
  await web.site.api(ann).mute(room, ben);
  await tab.box.press("ArrowUp");
  await tab.page.getByLabel("Edit message").fill("Improved");
  await tab.page.getByLabel("Edit message").press("Enter");
  await tab.page.getByText("Your change was not saved.").waitFor();
  expect(await tab.page.getByLabel("Edit message").inputValue()).toBe("Improved");
});

test("a restart of the server loses nothing that is typed or sent meanwhile", async () => {
  await using own = await startChatSite();
  const ann = newUser("ann");
  const room = await own.createRoom([ann]);
  await using tab = await Tab.open({ ...web, site: own }, ann, room);
  await tab.send("Before");
  await tab.seeStored("Before");
  await own.stop();
  await tab.page.getByText(/Trying again|Connecting/).waitFor();
  await tab.send("During");
  await tab.box.fill("Not sent y");
  await own.start();
  await tab.page
    .locator(".banner")
    .getByText("Try now")
    .click({ timeout: 2_000 })
    .catch(() => undefined);
  await tab.page.locator(".banner.none").waitFor({ state: "attached", timeout: 40_000 });
  await waitUntil("the message is stored", async () => (await own.api(ann).messages(room)).length === 2);
  expect(await textsIn(tab)).toEqual(["Before", "During"]);
  expect(await tab.box.inputValue()).toBe("Not sent y");
});
