import { expect, test } from "bun:test";

import { waitUntil } from "../support/wait.ts";
import { newUser, Tab } from "./support/chat-site.ts";
import { useChatSite } from "./support/use-chat-site.ts";

// The page without a pointer, and for screen readers.

const web = useChatSite();

test("everything that is done with a message is done with keys", async () => {
  const ann = newUser("ann");
  const room = await web.site.createRoom([ann]);
  await using tab = await Tab.open(web, ann, room);
  const { keyboard } = tab.page;
  const focused = tab.page.locator(".message:focus");
  const isWriting = () => tab.page.locator(".composer textarea:focus").isVisible();
  await waitUntil("the box has the focus", isWriting);
  for (const text of ["One", "Two", "Three"]) {
    await keyboard.type(text);
    await keyboard.press("Enter");
    await tab.see(text);
  }
  await waitUntil("all are stored", async () => (await web.site.api(ann).messages(room)).length === 3);
  await keyboard.press("Shift+Tab");
  await keyboard.press("ArrowUp");
  await keyboard.press("ArrowUp");
  await focused.getByText("Two").waitFor();

  await keyboard.press("r");
  await tab.page.locator(".reply-to").getByText("Two").waitFor();
  await keyboard.press("Escape");
  await tab.page.locator(".reply-to").waitFor({ state: "detached" });
  expect(await isWriting()).toBe(true);

  await keyboard.press("Shift+Tab");
  await keyboard.press("Home");
  await focused.getByText("One").waitFor();
  await keyboard.press("+");
  await tab.page.getByLabel("Search emoji").waitFor();
  await keyboard.press("ArrowRight");
  await keyboard.press("Enter");
  await tab.page.getByRole("button", { name: "❤️ 1: you" }).waitFor();

  await focused.getByText("One").waitFor();
  await keyboard.press("e");
  await tab.page.locator(".edit-form textarea:focus").waitFor();
  await keyboard.type(" and a half");
  await keyboard.press("Enter");
  await waitUntil(
    "it is edited",
    async () => (await web.site.api(ann).message(room, 1)).text === "One and a half",
  );
  expect(await isWriting()).toBe(true);

  await tab.message("Three").focus();
  await keyboard.press("Delete");
  await tab.page.getByRole("dialog", { name: "Delete your message?" }).waitFor();
  await keyboard.press("Enter");
  await waitUntil(
    "it is deleted",
    async () => (await web.site.api(ann).message(room, 3)).deleted_at !== undefined,
  );
  await keyboard.press("Escape");
  await waitUntil("the box has the focus again", isWriting);
  await keyboard.press("ArrowUp");
  expect(await tab.page.getByLabel("Edit message").inputValue()).toBe("Two");
});

test("rooms are changed with keys, and dialogs give the focus back", async () => {
  const ann = newUser("ann");
  const first = await web.site.createRoom([ann], "First");
  await web.site.createRoom([ann], "Second");
  await using tab = await Tab.open(web, ann, first);
  await web.site.api(ann).sendMessage(first, { text: "The newest room is above" });
  await tab.see("The newest room is above");
  const { keyboard } = tab.page;
  await keyboard.press("Alt+ArrowDown");
  await tab.page.getByRole("heading", { name: "Second" }).waitFor();
  await keyboard.press("Alt+ArrowUp");
  await tab.page.getByRole("heading", { name: "First" }).waitFor();
  await tab.box.focus();
  await keyboard.press("Control+k");
  await tab.page.getByRole("dialog", { name: "Search" }).waitFor();
  await keyboard.type("words");
  await keyboard.press("Escape");
  await tab.page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await tab.page.locator(".composer textarea:focus").isVisible()).toBe(true);
  await tab.button("Members").focus();
  await keyboard.press("?");
  await tab.page.getByRole("dialog", { name: "Keyboard and formatting" }).waitFor();
  await keyboard.press("Escape");
  expect(await tab.page.locator("button:focus").getAttribute("aria-label")).toBe("Members");
});

test("the focus is never lost when what has it goes", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben]);
  await using tab = await Tab.open(web, ann, room);
  const { page } = tab;
  await tab.send("To be deleted");
  await tab.seeStored("To be deleted");
  const hasFocus = (selector: string) => page.locator(`${selector}:focus`).waitFor();

  // The buttons of a message are there only while the focus is on it.
  await tab.message("To be deleted").focus();
  await tab.button("Delete").press("Enter");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).press("Enter");
  await hasFocus(".message");
  await tab.button("Delete").press("Enter");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).press("Enter");
  await page.getByText("This message was deleted.").waitFor();
  await hasFocus(".message");

  await tab.button("Members").press("Enter");
  await hasFocus(".panel");
  await tab.button(`Manage ${ben}`).press("Enter");
  await page.getByRole("dialog", { name: ben }).waitFor();
  await page.keyboard.press("Escape");
  await hasFocus(`[aria-label="Manage ${ben}"]`);
  await page.keyboard.press("Escape");
  await hasFocus('[aria-label="Members"]');

  await tab.send("Reply to me");
  await tab.seeStored("Reply to me");
  await tab.message("Reply to me").focus();
  await tab.button("Reply").press("Enter");
  await hasFocus(".composer textarea");
  await tab.button("Do not reply").press("Enter");
  await hasFocus(".composer textarea");

  // A link in a message is not in the way to the messages.
  await tab.send("See https://example.com/");
  await tab.message("https://example.com/").waitFor();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("ArrowUp");
  await page.locator(".message:focus").getByText("https://example.com/").waitFor();

  await web.site.api(ann).setMember(room, ben, "owner");
  await web.site.api(ben).setMember(room, ann, "member");
  await web.site.api(ben).mute(room, ann);
  await tab.send("Not now");
  await page.getByRole("button", { name: "Discard" }).press("Enter");
  await hasFocus(".composer textarea");
});

test("an Enter that ends an IME's composition sends nothing", async () => {
  const ann = newUser("ann");
  const room = await web.site.createRoom([ann]);
  await using tab = await Tab.open(web, ann, room);
  const session = await tab.page.context().newCDPSession(tab.page);
  await tab.box.focus();
  await session.send("Input.imeSetComposition", { text: "にほん", selectionStart: 3, selectionEnd: 3 });
  const key = { key: "Process", code: "Enter", windowsVirtualKeyCode: 229 };
  await session.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...key });
  await session.send("Input.insertText", { text: "日本" });
  expect(await tab.box.inputValue()).toBe("日本");
  expect(await tab.page.locator(".message").count()).toBe(0);
  await tab.box.press("Enter");
  await tab.see("日本");
});

test("a screen reader hears new messages of others, and every control has a name", async () => {
  const [ann, ben] = [newUser("ann"), newUser("ben")];
  const room = await web.site.createRoom([ann, ben]);
  await using tab = await Tab.open(web, ann, room);
  await tab.send("My own");
  await tab.see("My own");
  await web.site.api(ben).sendMessage(room, { text: "Knock knock" });
  await tab.page
    .locator('[aria-live="polite"]')
    .getByText(/: Knock knock$/)
    .waitFor({ state: "attached" });
  await tab.button("Members").click();
  // As text, because the tests are checked without the types of the DOM.
  const nameless = await tab.page.evaluate(`
    Array.from(document.querySelectorAll("button, a, input, select, textarea"))
      .filter((control) => !(control.ariaLabel ?? control.textContent).trim() && !control.closest("label"))
      .map((control) => control.outerHTML)`);
  expect(nameless).toEqual([]);
});
