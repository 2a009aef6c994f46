import { startBrowser } from "../support/browser.ts";
import { startChatSite, Tab } from "./support/chat-site.ts";

// How smoothly a room of 10,000 messages is scrolled: up to its beginning while they are loaded, then through all of them.
// It prints tasks of the browser's main thread that take longer than 50 ms, and the time between two frames.
//
//   bun test/web/measure-scrolling.ts

const MESSAGES = 10_000;
const emails = ["ann@example.com", "ben@example.com"] as const;
const userOf = (index: number) => ({ sub: `dev|${emails[index % 2]}` });

await using site = await startChatSite({}, [
  { type: "room", id: "long", name: "Long", createdAt: 1, createdBy: userOf(0), head: null },
  ...emails.map((_, index) => ({
    type: "member" as const,
    room: "long",
    user: userOf(index),
    role: "member" as const,
    joinedAt: 1,
  })),
  ...Array.from({ length: MESSAGES }, (_, index) => ({
    type: "message" as const,
    room: "long",
    sender: userOf(Math.floor(index / 3)),
    text: `Message ${index}: ${"some *words* ".repeat(index % 13)}${index % 11 === 0 ? "\n```\ncode\n```" : ""}`,
    sentAt: Date.now() - (MESSAGES - index) * 60_000,
    editedAt: null,
    deletedAt: null,
    replyTo: index > 5 && index % 17 === 0 ? { key: `${index - 3}` } : null,
    clientId: `${index}`,
    meta: null,
    position: null,
  })),
]);
await using browser = await startBrowser();
await using tab = await Tab.open({ browser, site }, emails[0], "long");
const { page } = tab;
await page.locator(`[data-seq="${MESSAGES}"]`).waitFor();

// As text, because the tests are checked without the types of the DOM.
await page.evaluate(`
  window.tasks = [];
  window.frames = [];
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)))
    .observe({ type: "longtask" });
  let last = performance.now();
  const onFrame = (now) => {
    frames.push(now - last);
    last = now;
    requestAnimationFrame(onFrame);
  };
  requestAnimationFrame(onFrame);`);

interface Measured {
  tasks: number[];
  frames: number[];
}

async function report(name: string): Promise<void> {
  const { tasks, frames }: Measured = await page.evaluate(
    "({ tasks: tasks.splice(0), frames: frames.splice(0) })",
  );
  frames.sort((a, b) => a - b);
  const at = (share: number) => Math.round(frames[Math.floor(share * (frames.length - 1))] ?? 0);
  const longest = Math.round(Math.max(0, ...tasks));
  console.log(
    `${name}: ${frames.length} frames, median ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${at(1)} ms; ` +
      `${tasks.length} long tasks, longest ${longest} ms`,
  );
}

async function scroll(pixels: number, until: () => Promise<boolean>): Promise<void> {
  while (!(await until())) {
    await page.mouse.wheel(0, pixels);
    await page.waitForTimeout(16);
  }
}

const after = (milliseconds: number) => {
  const end = performance.now() + milliseconds;
  return async () => performance.now() > end;
};

await page.locator(".messages").hover();
await page.waitForTimeout(500);
await report("Opened");
// A locator would itself take most of the time.
await scroll(-1_000, () => page.evaluate(`document.querySelector('[data-seq="1"]') !== null`));
await report("Up to the beginning, loading all");
await scroll(800, after(5_000));
await report("Down, all loaded");
await scroll(-30_000, after(1_000));
await scroll(30_000, after(1_000));
await report("Far jumps");
await page.locator(".messages").press("End");
await tab.box.pressSequentially("Typing some words");
await report("Typing");
await tab.box.press("Enter");
// To look for the text would itself take seconds.
await page.locator(`[data-seq="${MESSAGES + 1}"]`).waitFor();
await report("Sending");
