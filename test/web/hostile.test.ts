import { expect, test } from "bun:test";

import { waitUntil } from "../support/wait.ts";
import { newUser, Tab } from "./support/chat-site.ts";
import { useChatSite } from "./support/use-chat-site.ts";

// Texts that are made to do harm: on the page they are texts.

const hostile = [
  '<script>document.title = "hacked"</script>',
  '<img src="x" onerror="document.title = \'hacked\'">',
  "<style>* { display: none }</style><iframe src='https://example.com'></iframe>",
  "[click](javascript:document.title='hacked')",
  "[click](  JaVaScRiPt:alert(1))",
  "[click](data:text/html,<script>alert(1)</script>)",
  "<javascript:alert(1)>",
  "![picture](https://example.com/tracker.png)",
  '[a](https://example.com/" onmouseover="alert(1)")',
  "[https://bank.example](https://evil.example/login)",
  "\u202eevil.example\u202c and \u2066unclosed \u202e override",
  "Z\u0335\u0321\u0322".repeat(200),
  "w".repeat(16_000),
  "https://example.com/".concat("a".repeat(8_000)),
  ">".repeat(16_000),
  "- ".repeat(8_000),
  "> - ".repeat(4_000),
  "*a".repeat(8_000),
  "[".repeat(16_000),
  "`".repeat(15_999),
  "a.".repeat(3_900).concat("@b"),
  "\n\n# Not a title\n\n---\n\n| a | b |\n|---|---|\n| 1 | 2 |",
  "&lt;b&gt; &amp; &#60;i&#62;",
  "constructor __proto__ toString",
];

const web = useChatSite();

test("hostile texts are shown as texts, quickly, and reach no other server", async () => {
  const [ann, mallory] = [newUser("ann"), newUser("mallory")];
  const room = await web.site.createRoom([ann, mallory], "</title><script>alert(1)</script>");
  const attacker = web.site.api(mallory);
  const sent: string[] = [];
  for (const text of hostile) {
    const { text: stored } = await attacker.sendMessage(room, { text });
    sent.push(stored);
  }
  await attacker.react(room, 1, "👍");
  await web.site.api(ann).markRead(room, hostile.length);
  await using tab = await Tab.open(web, ann);
  const requests: string[] = [];
  tab.page.on("request", (request) => void requests.push(new URL(request.url()).origin));
  const dialogs: string[] = [];
  tab.page.on("dialog", (dialog) => {
    dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  await tab.page.goto(`${web.site.url}r/${room}`);
  await waitUntil(
    "all messages are shown",
    async () => (await tab.page.locator(".message").count()) === sent.length,
  );
  const list = tab.page.locator(".messages");
  expect(
    await list.locator("script, style, iframe, img, object, embed, form:not(.edit-form), h1, table").count(),
  ).toBe(0);
  for (const link of await list.locator("a").all()) {
    expect(await link.getAttribute("href")).toMatch(/^(https?|mailto):/);
    expect(await link.getAttribute("rel")).toContain("noopener");
  }
  await list.getByText("(evil.example)").waitFor();
  expect(await list.getByText('<script>document.title = "hacked"</script>', { exact: true }).count()).toBe(1);
  // Nothing makes the page wider than it is.
  const excess = await tab.page.evaluate(
    `document.querySelector(".messages").scrollWidth - document.querySelector(".messages").clientWidth`,
  );
  expect(excess).toBe(0);
  expect(await tab.page.title()).toBe("</title><script>alert(1)</script> – Parley");
  expect([...new Set(requests)]).toEqual([new URL(web.site.url).origin]);
  expect(dialogs).toEqual([]);
  expect(tab.complaints).toEqual([]);
});
