import { expect, test } from "bun:test";

import { waitUntil } from "../support/wait.ts";
import { nameOf, newUser, Tab } from "./support/chat-site.ts";
import { useChatSite } from "./support/use-chat-site.ts";

// What a team does every day on the page, in Chromium with a real server.

const web = useChatSite();

test("two users talk, and see who is online, who types and who has read", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben], "Talk");
  await using anns = await Tab.open(web, ann, room);
  await using bens = await Tab.open(web, ben, room);
  await anns.page.getByText("2 members, 2 online").waitFor();
  await bens.box.pressSequentially("Hi");
  await anns.page.getByText(`${nameOf(ben)} is typing`).waitFor();
  await bens.box.press("Enter");
  await anns.see("Hi");
  await anns.send("Hello, Ben");
  await bens.see("Hello, Ben");
  await anns.page.getByText(`Seen by ${nameOf(ben)}`).waitFor();
  expect(await anns.page.locator(".message .sender:visible").allTextContents()).toEqual([
    nameOf(ben),
    nameOf(ann),
  ]);
  expect([...anns.complaints, ...bens.complaints]).toEqual([]);
});

test("a message is edited, reacted to, replied to and deleted", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben]);
  await using anns = await Tab.open(web, ann, room);
  await using bens = await Tab.open(web, ben, room);
  await anns.send("First draft");
  await bens.see("First draft");

  await anns.message("First draft").hover();
  await anns.button("Edit").click();
  await anns.page.getByLabel("Edit message").fill("Final draft");
  await anns.button("Save").click();
  await bens.see("Final draft");
  await bens.page.getByText("(edited)").waitFor();

  await bens.message("Final draft").hover();
  await bens.button("React").click();
  await bens.page.getByLabel("Search emoji").fill("rocket");
  await bens.page.getByRole("option", { name: "rocket" }).click();
  const reaction = anns.page.getByRole("button", { name: `🚀 1: ${nameOf(ben)}` });
  await reaction.click();
  await bens.page.getByRole("button", { name: `🚀 2: you, ${nameOf(ann)}` }).waitFor();

  await bens.message("Final draft").hover();
  await bens.button("Reply").click();
  await bens.send("I like it");
  const quote = anns.message("I like it").getByRole("button", { name: "In reply to" });
  await quote.click();
  await waitUntil("the message that was replied to has the focus", () =>
    anns.page.locator(".message:focus").getByText("Final draft").isVisible(),
  );

  await anns.message("Final draft").first().hover();
  await anns.button("Delete").click();
  await anns.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await bens.see("This message was deleted.");
  expect(await bens.page.locator(".quote").textContent()).toContain("a deleted message");
  expect([...anns.complaints, ...bens.complaints]).toEqual([]);
});

test("the list of rooms counts what is unread, and what mentions the user", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben], "Busy");
  const other = await web.site.createRoom([ann], "Other");
  await using anns = await Tab.open(web, ann, other);
  const item = anns.page.getByRole("link", { name: /^Busy/ });
  await web.site.api(ben).sendMessage(room, { text: "One" });
  await web.site.api(ben).sendMessage(room, { text: `Two for @${nameOf(ann)}` });
  await item.getByText("2 unread").waitFor();
  await item.getByText("1 mentions").waitFor();
  expect(await item.locator(".room-last").textContent()).toBe(`${nameOf(ben)}: Two for @${nameOf(ann)}`);
  await waitUntil("the title says it", async () => (await anns.page.title()) === "(2) Other – Parley");
  await item.click();
  await anns.page.getByText("New", { exact: true }).waitFor();
  await waitUntil("the room is read", async () => (await anns.page.title()) === "Busy – Parley");
  expect(await item.locator(".badge").count()).toBe(0);
  // The line stays where the user has begun to read.
  expect(await anns.page.locator(".unread-line + .message").textContent()).toContain("One");
});

test("a mention is completed from the members", async () => {
  const [ann, ben] = [newUser("ann"), newUser("bendix")];
  const room = await web.site.createRoom([ann, ben]);
  await web.site.api(ben).me();
  await using anns = await Tab.open(web, ann, room);
  await anns.box.pressSequentially("Ask @ben");
  await anns.page.getByRole("option", { name: nameOf(ben) }).waitFor();
  await anns.box.press("Enter");
  expect(await anns.box.inputValue()).toBe(`Ask @${nameOf(ben)} `);
  await anns.box.pressSequentially("please");
  await anns.box.press("Enter");
  await anns.page
    .locator(".mention")
    .getByText(`@${nameOf(ben)}`)
    .waitFor();
});

test("a room is created, found by others, and joined", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  await using anns = await Tab.open(web, ann);
  const name = `Open house of ${nameOf(ann)}`;
  await anns.button("New room").click();
  await anns.page.getByLabel("Name").fill(name);
  await anns.page.getByLabel("Who may join").selectOption("open");
  await anns.button("Create").click();
  await anns.page.getByRole("heading", { name }).first().waitFor();
  await anns.page.getByText("No messages yet. Write the first one.").waitFor();
  await anns.send("Welcome");
  await using bens = await Tab.open(web, ben);
  await bens.button("Open rooms").click();
  await bens.page.getByRole("button", { name: `Join ${name}` }).click();
  await bens.see("Welcome");
  // A link to an open room leads there too.
  const another = await web.site.api(ann).createRoom({ name: "By link", access: "open" });
  await bens.page.goto(`${web.site.url}r/${another.id}`);
  await bens.button("Join").click();
  await bens.box.waitFor();
});

test("members are invited, muted, removed and banned", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann], "Club");
  await using anns = await Tab.open(web, ann, room);
  await using bens = await Tab.open(web, ben);
  await anns.button("Members").click();
  await anns.page.getByLabel("Invite by email").fill(ben);
  await anns.button("Invite").click();
  await anns.page.getByText(`${ben} is a member now. No email was sent: give them the link.`).waitFor();
  await bens.page.getByRole("link", { name: /^Club/ }).click();
  const long = `${"long".repeat(14)}@example.com`;
  await anns.page.getByLabel("Invite by email").fill(long);
  await anns.button("Invite").click();
  await anns.page.getByText(`${long} is a member now.`).waitFor();
  const panel = "document.querySelector('.panel-body')";
  expect(await anns.page.evaluate(`${panel}.scrollWidth - ${panel}.clientWidth`)).toBe(0);

  await anns.button(`Manage ${nameOf(ben)}`).click();
  await anns.button("Mute").click();
  await anns.page.locator(".panel").getByText("muted").waitFor();
  // Before they have tried to write.
  const muted = bens.page.locator(".room-status").getByText("You are muted in this room until");
  await muted.waitFor();
  await bens.send("Can you hear me?");
  await bens.message("Can you hear me?").getByText("Not sent.").waitFor();
  await anns.button(`Manage ${nameOf(ben)}`).click();
  await anns.button("Unmute").click();
  await anns.page.getByRole("dialog").waitFor({ state: "detached" });
  await muted.waitFor({ state: "detached" });
  await bens.button("Try again").click();
  await anns.see("Can you hear me?");

  await anns.button(`Manage ${nameOf(ben)}`).click();
  await anns.button("Remove from room").click();
  await bens.page.getByText("You are no longer a member of this room.").waitFor();
  expect(await bens.page.getByRole("link", { name: /^Club/ }).count()).toBe(0);

  await web.site.api(ann).setMember(room, ben);
  await anns.button(`Manage ${nameOf(ben)}`).click();
  await anns.button("Ban").click();
  await anns.page.getByText("Banned", { exact: true }).click();
  await anns.button(`Unban ${nameOf(ben)}`).click();
  await anns.page.getByText("Nobody is banned.").waitFor();
});

test("a room is deleted by its owner, but not by Enter alone", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben], "Old plans");
  await using anns = await Tab.open(web, ann, room);
  await anns.button("Room settings").click();
  const question = anns.page.getByRole("dialog", { name: "Delete Old plans?" });
  await anns.button("Delete room").press("Enter");
  await question.waitFor();
  await anns.page.keyboard.press("Enter");
  await question.waitFor({ state: "detached" });
  expect((await web.site.api(ben).room(room)).name).toBe("Old plans");
  await anns.button("Delete room").click();
  await question.getByRole("button", { name: "Delete room" }).click();
  await anns.page.getByRole("link", { name: /^Old plans/ }).waitFor({ state: "detached" });
});

test("two people of a room write to each other directly", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben], "Common room");
  await using bens = await Tab.open(web, ben, room);
  await using anns = await Tab.open(web, ann, room);
  await anns.button("New message").click();
  const whom = anns.page.getByLabel("Name or email", { exact: true });
  await anns.page.getByRole("dialog").getByRole("button", { name: ben }).waitFor();
  await whom.fill("nobody@example.com");
  await whom.press("Enter");
  await anns.page.getByText("Nobody in your rooms has this email.").waitFor();
  await whom.fill(nameOf(ben));
  await whom.press("Enter");
  await anns.page.getByRole("heading", { level: 1, name: nameOf(ben) }).waitFor();
  await anns.page.locator(".room-head").getByText("Online").waitFor();
  expect(await anns.button("Members").count()).toBe(0);
  expect(await anns.page.title()).toBe(`${nameOf(ben)} – Parley`);
  await anns.send("Just for you");

  const conversation = bens.page
    .getByRole("list", { name: "Direct messages" })
    .getByRole("link", { name: new RegExp(`^${nameOf(ann)}.*Just for you.*1 unread`) });
  await conversation.waitFor();
  const spoken = `Direct message from ${nameOf(ann)}: Just for you`;
  await bens.page.locator('[aria-live="polite"]').getByText(spoken).waitFor({ state: "attached" });
  await conversation.click();
  await bens.see("Just for you");
  await anns.page.getByText(`Seen by ${nameOf(ben)}`).waitFor();

  // From the list of members, it is the same conversation.
  await bens.page.getByRole("link", { name: /^Common room/ }).click();
  await bens.button("Members").click();
  await bens.button(`About ${nameOf(ann)}`).click();
  await bens.button("Message").click();
  await bens.see("Just for you");
  expect(await bens.page.getByRole("dialog").count()).toBe(0);
  expect(await web.site.api(ben).rooms()).toHaveLength(2);
  expect(bens.complaints).toEqual([]);
});

test("members cannot write where only moderators do", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben]);
  await using bens = await Tab.open(web, ben, room);
  await web.site.api(ann).changeRoom(room, { posting: "moderators" });
  await bens.page.getByText("Only moderators and owners write in this room.").waitFor();
  expect(await bens.box.count()).toBe(0);
});

test("a tap on a message shows what can be done with it", async () => {
  const ann = newUser("ann");
  const room = await web.site.createRoom([ann]);
  await web.site.api(ann).sendMessage(room, { text: "Tap me" });
  const phone = { hasTouch: true, isMobile: true, viewport: { width: 390, height: 740 } };
  await using tab = await Tab.open(web, ann, room, phone);
  await tab.message("Tap me").tap();
  await tab.button("React").tap();
  await tab.page.getByRole("option", { name: "party tada celebrate" }).tap();
  await tab.page.getByRole("button", { name: "🎉 1: you" }).waitFor();
  await tab.button("Reply").tap();
  await tab.page.locator(".reply-to").getByText("Tap me").waitFor();
});
