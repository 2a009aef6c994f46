import { afterAll, expect, test } from "bun:test";

import { newPrivateKey } from "../../src/push/vapid.ts";
import { PushService } from "../support/push-service.ts";
import { waitUntil } from "../support/wait.ts";
import { nameOf, newUser, startChatSite, Tab } from "./support/chat-site.ts";
import { NotificationCenter } from "./support/notification-center.ts";
import { useChatSite } from "./support/use-chat-site.ts";

// Notifications, by the page in the background and by web push.

const service = new PushService();
const env = {
  PARLEY_PUSH_KEY: newPrivateKey(),
  PARLEY_PUSH_CONTACT: "mailto:admin@example.com",
  PARLEY_PUSH_SERVICES: service.origin,
};
const web = useChatSite(() => startChatSite(env));
afterAll(() => service[Symbol.asyncDispose]());

/** A tab with a room, in which notifications are turned on. */
async function openNotified(cleanup: AsyncDisposableStack, email: string, room: string) {
  const tab = cleanup.use(await Tab.open(web, email, room));
  const center = await NotificationCenter.install(tab.page);
  const { subscription, ...device } = await service.subscribe();
  center.subscription = subscription;
  await tab.box.waitFor();
  await tab.button("Notifications").click();
  await tab.page.getByText("You are notified of mentions and direct messages on this device.").waitFor();
  return { tab, center, device: { subscription, ...device } };
}

test("a mention is shown while the tab is in the background, leads to the message, and goes when it is read", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const [room, other] = [
    await web.site.createRoom([ann, ben], "Team"),
    await web.site.createRoom([ann], "Other"),
  ];
  await using cleanup = new AsyncDisposableStack();
  const { tab, center } = await openNotified(cleanup, ann, other);
  const mention = (text: string) => web.site.api(ben).sendMessage(room, { text: `@${ann} ${text}` });
  // In the foreground, the page itself shows it.
  await mention("zero");
  await tab.page.getByText("zero").first().waitFor();
  await tab.setHidden(true);
  await web.site.api(ben).sendMessage(room, { text: "Not for Ann" });
  await tab.page.getByText("Not for Ann").first().waitFor();
  const { seq } = await mention("one");
  await waitUntil("the notification is shown", async () => (await center.shown()).length > 0);
  expect(await center.shown()).toMatchObject([
    { title: `${nameOf(ben)} in Team`, tag: room, data: { room, seq }, body: `@${ann} one` },
  ]);
  const later = await mention("two");
  await waitUntil("it is replaced", async () => (await center.shown())[0]?.data.seq === later.seq);

  await center.click(room);
  expect(await center.shown()).toEqual([]);
  expect(await center.opened()).toHaveLength(1);
  await tab.page.waitForURL(`${web.site.url}r/${room}/${later.seq}`);

  // Read elsewhere.
  const last = await mention("three");
  await waitUntil("the notification is shown", async () => (await center.shown()).length > 0);
  await web.site.api(ann).markRead(room, last.seq);
  await waitUntil("the notification is gone", async () => (await center.shown()).length === 0);

  const { id } = await web.site.api(ben).openDirect(ann);
  await web.site.api(ben).sendMessage(id, { text: "Just you" });
  await waitUntil("the notification is shown", async () => (await center.shown()).length > 0);
  expect(await center.shown()).toMatchObject([{ title: nameOf(ben), tag: id, body: "Just you" }]);
  expect(await center.told()).toEqual([`@${ann} one`, `@${ann} two`, `@${ann} three`, "Just you"]);
  expect(tab.complaints).toEqual([]);
});

test("a push is shown unless a visible tab shows its room, and a click on it opens the message", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben], "Team");
  await using cleanup = new AsyncDisposableStack();
  const { tab, center } = await openNotified(cleanup, ann, room);
  const sender = { id: "ben", name: "Ben", email: ben };
  const payload = { room, room_name: "Team", direct: false, seq: 7, sender, text: "Hello" };
  await center.deliver(payload);
  await center.deliver({ ...payload, room: "elsewhere", direct: true });
  await waitUntil("the push is shown", async () => (await center.shown()).length > 0);
  expect((await center.shown()).map(({ title, tag }) => [title, tag])).toEqual([["Ben", "elsewhere"]]);

  await tab.setHidden(true);
  await waitUntil("the push is shown", async () => {
    await center.deliver(payload);
    return (await center.shown()).length > 1;
  });
  expect((await center.shown())[1]).toMatchObject({ title: "Ben in Team", body: "Hello", tag: room });
  // An older message of the same room came by a detour.
  await center.deliver({ ...payload, seq: 6, text: "Earlier" });
  await center.closePage();
  await center.click(room);
  expect(await center.opened()).toEqual([`${web.site.url}r/${room}/7`]);
});

test("a mention comes by web push while no tab is open, until the user signs out", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben], "Team");
  await using cleanup = new AsyncDisposableStack();
  const { tab, center, device } = await openNotified(cleanup, ann, room);
  expect(center.pushKeys).toHaveLength(1);
  await center.closePage();
  await web.site.api(ben).sendMessage(room, { text: `@${ann} come back` });
  const [push] = await service.received(device);
  await tab.page.goto(`${web.site.url}healthz`);
  await center.deliver(push?.payload ?? {});
  await waitUntil("the push is shown", async () => (await center.shown()).length > 0);
  expect(await center.shown()).toMatchObject([
    { title: `${nameOf(ben)} in Team`, body: `@${ann} come back` },
  ]);

  await tab.page.goto(web.site.url);
  await waitUntil("the subscription is renewed", () => center.pushKeys.length > 1);
  await tab.button("Sign out").click();
  await tab.button("Sign in").waitFor();
  expect(await center.shown()).toEqual([]);
  await web.site.api(ben).sendMessage(room, { text: `@${ann} too late` });
  expect(await tab.page.evaluate("JSON.stringify({ ...localStorage })")).toBe("{}");
});

test("a user who refuses the permission is told, and is not asked again by a reload", async () => {
  const ann = newUser("ann");
  const room = await web.site.createRoom([ann]);
  await using tab = await Tab.open(web, ann, room);
  const center = await NotificationCenter.install(tab.page);
  await tab.box.waitFor();
  center.answer = "denied";
  const button = tab.button("Notifications");
  await button.click();
  await tab.page.getByText("Your browser blocks notifications from this page.").waitFor();
  expect(await button.getAttribute("aria-pressed")).toBe("false");
});
