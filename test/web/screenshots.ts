import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import type { BrowserContextOptions } from "playwright-core";

import { connect } from "../../src/client/index.ts";
import { startBrowser } from "../support/browser.ts";
import { root } from "../support/process.ts";
import { waitUntil } from "../support/wait.ts";
import { startChatSite, Tab } from "./support/chat-site.ts";
import { demoRecords, emailOf } from "./support/demo-team.ts";

// `npm run screenshots` makes the pictures of the README: the page, with the chat of a small team that is made up. How
// letters and emoji look depends on the fonts of the machine.

const HOUR_MS = 3_600_000;
/** The hour at which the pictures are made, in a time zone that is chosen for it. */
const HOUR = 15;

const folder = join(root, "docs/images");
const now = new Date();
const offset = ((HOUR - now.getUTCHours() + 36) % 24) - 12;
const midnight =
  Math.floor((now.getTime() + offset * HOUR_MS) / (24 * HOUR_MS)) * 24 * HOUR_MS - offset * HOUR_MS;

const common: BrowserContextOptions = {
  locale: "en-GB",
  // Its sign is the other way round.
  timezoneId: `Etc/GMT${offset > 0 ? "-" : "+"}${Math.abs(offset)}`,
  reducedMotion: "reduce",
};
const desk: BrowserContextOptions = {
  ...common,
  viewport: { width: 1180, height: 740 },
  deviceScaleFactor: 2,
};
const phone: BrowserContextOptions = {
  ...common,
  viewport: { width: 390, height: 740 },
  deviceScaleFactor: 2,
  hasTouch: true,
  isMobile: true,
};

await using browser = await startBrowser();
await using site = await startChatSite({}, demoRecords(midnight));
await mkdir(folder, { recursive: true });

const [maya, leila, tom] = [emailOf("maya"), emailOf("leila"), emailOf("tom")];
const others = (["leila", "tom", "ravi"] as const).map((person) =>
  connect({ url: site.url, token: () => site.token(emailOf(person)) }),
);
const rooms = others.map((chat) => chat.open("launch"));
await Promise.all(rooms.map((room) => room.ready));

await site.api(tom).sendMessage("engineering", {
  text: "@Maya Lindqvist may we move the import to the next sprint?",
});
for (const [person, text] of [
  ["tom", "Can you look at the contract before lunch?"],
  ["leila", "The icons for the menu are in the shared folder."],
] as const) {
  const { id } = await site.api(emailOf(person)).openDirect(maya);
  await site.api(emailOf(person)).sendMessage(id, { text });
  if (person === "tom") await site.api(maya).markRead(id, 1);
}
const { seq } = await site.api(leila).sendMessage("launch", {
  text: "@Maya Lindqvist the empty calendar is up. I went with the drawing of the jetty: it is calmer than the boat.",
});
const answer = await site.api(maya).sendMessage("launch", { text: "Much calmer. Ship it!", reply_to: seq });
for (const each of [leila, tom]) await site.api(each).react("launch", answer.seq, "🎉");
await site.api(maya).markRead("launch", answer.seq);
await Promise.all(rooms.map((room) => room.read()));

async function take(tab: Tab, name: string): Promise<void> {
  const picture = new Bun.Image(await tab.page.screenshot({ animations: "disabled" }));
  // With a palette it is a third of the size.
  await Bun.write(
    join(folder, `${name}.png`),
    await picture.png({ palette: true, compressionLevel: 9 }).bytes(),
  );
}

{
  await using tab = await Tab.open({ browser, site }, maya, "launch", desk);
  await tab.page.getByText(/^Seen by .* and /).waitFor();
  await take(tab, "room");
  await tab.page.emulateMedia({ colorScheme: "dark" });
  await take(tab, "room-dark");
  await tab.page.emulateMedia({ colorScheme: "light" });
  await tab.page.keyboard.press("Control+k");
  await tab.page.getByLabel("Only in Autumn launch").uncheck();
  await tab.page.getByLabel("Search messages").fill("calendar");
  await tab.page.locator("mark").nth(2).waitFor();
  await take(tab, "search");
}
{
  await using tab = await Tab.open({ browser, site }, maya, "launch", phone);
  await tab.page.getByText(/^Seen by .* and /).waitFor();
  await waitUntil("somebody types", async () => {
    rooms[1]?.typing();
    return tab.page.getByText("Tom Okafor is typing").isVisible();
  });
  await take(tab, "phone");
}
for (const chat of others) chat.close();
