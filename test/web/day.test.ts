import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import type { Browser } from "playwright-core";

import { useBinary } from "../support/binary.ts";
import { startBrowser } from "../support/browser.ts";
import { listeningUrl, type RunningProcess, runProcess, startProcess } from "../support/process.ts";
import { seedDatabase } from "../support/server-process.ts";
import { CLIENT_ID, startSignInProvider } from "../support/sign-in-provider.ts";
import { audience } from "../support/tokens.ts";
import { waitUntil } from "../support/wait.ts";
import { Tab } from "./support/chat-site.ts";

// Everything at once, as it is in production: the compiled binary, a real OpenID provider, and Chromium.

/** The first test may have to unpack a browser, and the binary is built. */
setDefaultTimeout(120_000);

const TOKEN_SECONDS = 12;
const [alice, bob] = ["alice@example.com", "bob@example.com"] as const;
const binary = useBinary();

/** The page in a profile of its own, with a user who has signed in at the provider. */
async function signIn(browser: Browser, url: string, email: string): Promise<Tab> {
  const context = await browser.newContext();
  context.setDefaultTimeout(20_000);
  const tab = new Tab(await context.newPage());
  await tab.page.goto(`${url}r/team`);
  await tab.button("Sign in").click();
  await tab.page.getByRole("button", { name: email, exact: true }).click();
  await tab.box.waitFor();
  return tab;
}

const texts = (tab: Tab) => tab.page.locator("[data-seq] .text").allTextContents();

test("two users spend a day with the binary: nothing is lost, doubled or out of order, and nobody is asked to sign in again", async () => {
  await using cleanup = new AsyncDisposableStack();
  const provider = cleanup.use(await startSignInProvider({ tokenSeconds: TOKEN_SECONDS }));
  const env: Record<string, string> = {
    PARLEY_PORT: "0",
    PARLEY_DATABASE: join(binary.folder, "day.db"),
    PARLEY_ISSUER: provider.issuer,
    PARLEY_AUDIENCE: audience,
    PARLEY_CLIENT_ID: CLIENT_ID,
    PARLEY_CLOCK_TOLERANCE: "0",
    PARLEY_DRAIN: "0",
  };
  const cwd = binary.folder;
  await seedDatabase(env["PARLEY_DATABASE"] ?? "", { team: [alice, bob] });
  let server: RunningProcess = startProcess([binary.path, "serve"], { cwd, env });
  cleanup.defer(() => server[Symbol.asyncDispose]());
  const url = await listeningUrl(server);
  env["PARLEY_PORT"] = url.port;
  provider.registerPage(url.href);
  const browser = await startBrowser();
  cleanup.defer(() => browser.close());
  const alices = await signIn(browser, url.href, alice);
  const bobs = await signIn(browser, url.href, bob);

  // They talk, edit, react, reply, delete and search.
  await alices.send("Good morning");
  await bobs.see("Good morning");
  await bobs.send("Moring");
  await bobs.seeStored("Moring");
  await bobs.box.press("ArrowUp");
  await bobs.page.getByLabel("Edit message").fill("Morning! Coffee?");
  await bobs.page.getByLabel("Edit message").press("Enter");
  await alices.see("Morning! Coffee?");
  await alices.message("Morning! Coffee?").hover();
  await alices.button("React").click();
  await alices.page.getByLabel("Search emoji").fill("coffee");
  await alices.page.getByRole("option").first().click();
  await bobs.page.getByRole("button", { name: "1: alice" }).waitFor();
  await alices.message("Morning! Coffee?").hover();
  await alices.button("Reply").click();
  await alices.send("Always");
  await bobs.message("Always").getByRole("button", { name: "In reply to" }).waitFor();
  await alices.message("Good morning").hover();
  await alices.button("Delete").click();
  await alices.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await bobs.see("This message was deleted.");
  await bobs.page.keyboard.press("Control+k");
  await bobs.page.getByLabel("Search messages").fill("coffee");
  await bobs.page.locator("mark").getByText("Coffee").waitFor();
  await bobs.page.keyboard.press("Escape");
  expect([...alices.complaints, ...bobs.complaints]).toEqual([]);

  // Bob loses the network, and comes back.
  await bobs.page.context().setOffline(true);
  await bobs.page.getByText("You are offline.").waitFor();
  await bobs.send("From the train");
  await alices.send("Meanwhile");
  await alices.seeStored("Meanwhile");
  await bobs.page.context().setOffline(false);
  await alices.see("From the train");

  // The server is restarted while Alice writes.
  await alices.box.fill("Half a sent");
  server.kill("SIGTERM");
  await server.ended;
  await bobs.page.locator(".banner").getByText("Trying again").waitFor();
  await bobs.send("Is it down?");
  await alices.box.press("End");
  await alices.box.pressSequentially("ence");
  server = startProcess([binary.path, "serve"], { cwd, env });
  await listeningUrl(server);
  await alices.page.locator(".banner.none").waitFor({ state: "attached", timeout: 40_000 });
  await alices.box.press("Enter");
  for (const each of [alices, bobs]) {
    await each.seeStored("Half a sentence");
    await each.seeStored("Is it down?");
  }

  // The tokens are renewed.
  const renewals = () => provider.grants.filter((type) => type === "refresh_token").length;
  await waitUntil("both tokens are renewed", () => renewals() >= 4, 40_000);
  await bobs.send("Still here");
  await alices.seeStored("Still here");
  const last = ["Half a sentence", "Is it down?"];
  expect((await texts(alices)).toSorted()).toEqual(
    ["Morning! Coffee? (edited)", "Always", "From the train", "Meanwhile", ...last, "Still here"].toSorted(),
  );
  expect(await texts(alices)).toEqual(await texts(bobs));
  expect(await alices.button("Sign in").count()).toBe(0);

  // Bob is removed.
  const removal = [binary.path, "member", "remove", "team", bob];
  expect((await runProcess(removal, { cwd, env })).code).toBe(0);
  await bobs.page.getByText("You are no longer a member of this room.").waitFor();
  expect([...alices.complaints, ...bobs.complaints].filter((text) => /policy/i.test(text))).toEqual([]);
});
