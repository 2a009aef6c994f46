import { beforeAll, expect, test } from "bun:test";

import { waitUntil } from "../support/wait.ts";
import { newUser, Tab } from "./support/chat-site.ts";
import { useChatSite } from "./support/use-chat-site.ts";

// Long rooms on the page: scrolling, jumping, and what is new.

const LENGTH = 1_000;
const reader = newUser("reader");
const writer = newUser("writer");
const web = useChatSite();
/** A room with many messages, of which all are read. */
let room: string;

beforeAll(async () => {
  room = await web.site.createRoom([writer, reader], "Long");
  await fill(room, LENGTH);
  await web.site.api(reader).markRead(room, LENGTH);
});

/** Messages of different heights. */
async function fill(id: string, length: number): Promise<void> {
  for (let n = 1; n <= length; n++)
    await web.site.api(writer).sendMessage(id, { text: `Message ${n}${"\nmore".repeat(n % 4)}` });
}

/** Scrolls the messages, as a wheel does. */
async function scroll(tab: Tab, pixels: number): Promise<void> {
  await tab.page.locator(".messages").hover();
  await tab.page.mouse.wheel(0, pixels);
}

async function isInView(tab: Tab, seq: number): Promise<boolean> {
  const message = tab.page.locator(`[data-seq="${seq}"]`);
  if ((await message.count()) === 0) return false;
  const [box, frame] = await Promise.all([
    message.boundingBox(),
    tab.page.locator(".messages").boundingBox(),
  ]);
  return box !== null && frame !== null && box.y + box.height > frame.y && box.y < frame.y + frame.height;
}

/**
 * In the page: scrolls towards the top, where older messages are added, and measures by how many pixels a message in view
 * moves meanwhile. As text, because the tests are checked without the types of the DOM.
 */
const measureMovement = `new Promise((resolve) => {
  const list = document.querySelector(".messages");
  const messages = () => Array.from(list.querySelectorAll(".message"));
  const topOf = (element) => element.getBoundingClientRect().top;
  list.scrollTop = 900;
  const count = messages().length;
  const inView = messages().find((message) => topOf(message) >= topOf(list));
  const start = topOf(inView);
  let most = 0;
  let frames = 0;
  const check = () => {
    most = Math.max(most, Math.abs(topOf(inView) - start));
    if (messages().length > count) frames++;
    if (frames < 10) requestAnimationFrame(check);
    else resolve(most);
  };
  requestAnimationFrame(check);
})`;

const shownCount = (tab: Tab) => tab.page.locator(".message").count();

test("a room opens at its end, and older messages are added above without moving those in view", async () => {
  await using tab = await Tab.open(web, reader, room);
  await waitUntil("the newest message is in view", () => isInView(tab, LENGTH));
  const before = await shownCount(tab);
  expect(await tab.page.evaluate(measureMovement)).toBeLessThan(2);
  expect(await shownCount(tab)).toBeGreaterThan(before);
  expect(tab.complaints).toEqual([]);
});

test("the room can be read up to its beginning", async () => {
  await using tab = await Tab.open(web, reader, room);
  const start = tab.page.getByText("This is where the room begins.");
  await waitUntil(
    "the beginning is shown",
    async () => {
      await scroll(tab, -20_000);
      return start.isVisible();
    },
    30_000,
  );
  await waitUntil("the first message is in view", () => isInView(tab, 1));
  expect(await shownCount(tab)).toBeGreaterThanOrEqual(LENGTH);
});

test("a link to an old message leads there, and the messages up to the newest follow", async () => {
  await using tab = await Tab.open(web, reader);
  await tab.page.goto(`${web.site.url}r/${room}/300`);
  await waitUntil("the message is in view", () => isInView(tab, 300));
  await waitUntil("it has the focus", () => tab.page.locator('[data-seq="300"]:focus').isVisible());
  expect(await tab.page.locator(`[data-seq="${LENGTH}"]`).count()).toBe(0);
  await waitUntil(
    "the newest message is reached",
    async () => {
      await scroll(tab, 20_000);
      return isInView(tab, LENGTH);
    },
    30_000,
  );
  const seqs: number[] = await tab.page.evaluate(
    `Array.from(document.querySelectorAll(".message"), (message) => Number(message.dataset.seq))`,
  );
  expect(seqs).toEqual(Array.from(seqs, (_, index) => (seqs[0] ?? 0) + index));
});

test("a message that changes is shown as it is, also when it is old", async () => {
  await using tab = await Tab.open(web, reader);
  await tab.page.goto(`${web.site.url}r/${room}/200`);
  await waitUntil("the message is in view", () => isInView(tab, 200));
  await web.site.api(writer).editMessage(room, 200, "Changed later");
  await tab.see("Changed later");
});

test("what is new is counted while older messages are read, and a button leads there", async () => {
  const id = await web.site.createRoom([writer, reader]);
  await fill(id, 60);
  await web.site.api(reader).markRead(id, 60);
  await using tab = await Tab.open(web, reader, id);
  await waitUntil("the newest message is in view", () => isInView(tab, 60));
  await scroll(tab, -600);
  await tab.button("To the newest").waitFor();
  await web.site.api(writer).sendMessage(id, { text: "News" });
  await tab.button("1 new message").click();
  await waitUntil("the new message is in view", () => isInView(tab, 61));
  expect(await tab.page.locator(".unread-line + .message").getAttribute("data-seq")).toBe("61");
  await waitUntil(
    "it is read",
    async () => (await web.site.api(reader).room(id)) && !(await tab.page.title()).startsWith("("),
  );
  await web.site.api(writer).sendMessage(id, { text: "More news" });
  await waitUntil("the end is followed", () => isInView(tab, 62));
});

test("one's own message is looked at, wherever one was", async () => {
  const id = await web.site.createRoom([writer, reader]);
  await fill(id, 400);
  await using tab = await Tab.open(web, reader);
  await tab.page.goto(`${web.site.url}r/${id}/20`);
  await waitUntil("an old message is in view", () => isInView(tab, 20));
  await tab.send("Back again");
  await tab.see("Back again");
  await waitUntil("it is in view", () => isInView(tab, 401));
});

test("a user who comes back begins at the first message that they have not read", async () => {
  const id = await web.site.createRoom([writer, reader]);
  await fill(id, 40);
  await web.site.api(reader).markRead(id, 10);
  await using tab = await Tab.open(web, reader, id);
  await tab.page.locator(".unread-line").waitFor();
  await waitUntil("the first unread message is in view", () => isInView(tab, 11));
  expect(await isInView(tab, 40)).toBe(false);
  // What is below has not been seen yet.
  expect(await tab.page.title()).toStartWith("(30) ");
  await waitUntil("the user has read up to the end", async () => {
    await scroll(tab, 500);
    return !(await tab.page.title()).startsWith("(");
  });
});

test("search finds messages, and a result leads to its message", async () => {
  await web.site.api(writer).sendMessage(room, { text: "The needle in the haystack", reply_to: 5 });
  const { seq } = await web.site.api(writer).sendMessage(room, { text: "And more hay" });
  await web.site.api(reader).markRead(room, seq);
  await using tab = await Tab.open(web, reader, room);
  await tab.page.keyboard.press("Control+k");
  await tab.page.getByLabel("Search messages").fill("needle");
  await tab.page.locator("mark").getByText("needle").waitFor();
  await tab.page.getByLabel("Search messages").press("Tab");
  await tab.page.getByRole("link", { name: "The needle in the haystack" }).click();
  await waitUntil("the message has the focus", () =>
    tab.page.locator(".message:focus").getByText("The needle in the haystack").isVisible(),
  );
});
