import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import type { Browser, Page } from "playwright-core";

import { startBrowser } from "../support/browser.ts";
import { connectV2, type V2Client } from "../support/client.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { connectSession } from "../support/session-client.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { subjectOf } from "../support/tokens.ts";
import { waitUntil } from "../support/wait.ts";
import { type FrontEnd, frontEnds, type Person, render } from "./front-ends.ts";
import { configFile } from "./samples.ts";

/** Pages of old servers in a real browser, in which only the host and the token are changed. */

/** The first test may have to unpack a browser. */
setDefaultTimeout(60_000);

const person = (name: string): Person => {
  const email = `${name.toLowerCase()}@example.com`;
  return { id: subjectOf(email), email, name };
};
const [alice, bob] = [person("Alice"), person("Bob")];

/** The application with the pages, an origin of its own. */
const pages = new Map<string, string>();
const application = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    const html = pages.get(new URL(request.url).pathname);
    if (html === undefined) return new Response(null, { status: 404 });
    return new Response(html, { headers: { "content-type": "text/html; charset=utf-8" } });
  },
});
let issuer: Issuer;
let browser: Browser;
beforeAll(async () => {
  issuer = await startIssuer();
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await application.stop(true);
  await issuer[Symbol.asyncDispose]();
});

const tokenOf = ({ email, name }: Person) => issuer.sign(email, { claims: { name } });

/** An open page. */
class Tab implements AsyncDisposable {
  /** What the page has logged, and said in dialogs. */
  readonly told: string[] = [];
  /** What is entered into the next dialogs. */
  readonly answers: string[] = [];

  constructor(
    readonly frontEnd: FrontEnd,
    readonly page: Page,
  ) {
    page.on("console", (line) => void this.told.push(line.text()));
    page.on("dialog", (dialog) => {
      this.told.push(dialog.message());
      void dialog.accept(this.answers.shift() ?? "");
    });
  }

  messages(): Promise<string[]> {
    return this.page.evaluate(this.frontEnd.messages);
  }

  /** Resolves when the page shows these messages and no others. */
  async shows(expected: string[]): Promise<void> {
    let shown: string[] = [];
    const isExpected = async () => Bun.deepEquals((shown = await this.messages()), expected);
    await waitUntil("the page shows the messages", isExpected).catch(() => expect(shown).toEqual(expected));
  }

  /** Resolves when the page tells this, on the page, in a dialog or in the console. */
  async tells(text: string): Promise<void> {
    await waitUntil(`the page tells ${text}`, async () => {
      const notice = await this.notice();
      return [...this.told, notice].some((line) => line.includes(text));
    });
  }

  /** Resolves when the page's WebSocket is open. */
  async connected(): Promise<void> {
    await this.page.waitForFunction(`${this.frontEnd.socket}.readyState === WebSocket.OPEN`);
  }

  async notice(): Promise<string> {
    const { notice } = this.frontEnd;
    return notice === undefined ? "" : ((await this.page.textContent(notice)) ?? "");
  }

  async send(text: string): Promise<void> {
    await this.page.fill(this.frontEnd.input, text);
    await this.page.click(this.frontEnd.submit);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
  }
}

let tabs = 0;

interface TabOptions {
  /** Sent in place of a valid token. */
  token?: string;
}

/** Opens a page of a user, in a browser context with their cookies alone. */
async function openTab(
  frontEnd: FrontEnd,
  host: string,
  room: string,
  who: Person,
  options: TabOptions = {},
) {
  const token = options.token ?? (await tokenOf(who));
  const path = `/${++tabs}/`;
  const user = { username: who.name, email: who.email, user_id: who.id };
  pages.set(path, render(frontEnd.name, { host, token, room_id: room, room_name: room, ...user }));
  const context = await browser.newContext();
  // The application's view sets the cookie: see tokens.test.ts.
  const cookie = { name: "parley_session", value: token, domain: "127.0.0.1", path: "/ws" };
  if (!frontEnd.sendsToken) await context.addCookies([{ ...cookie, httpOnly: true, sameSite: "Lax" }]);
  const tab = new Tab(frontEnd, await context.newPage());
  await tab.page.goto(new URL(path, application.url).href);
  return tab;
}

const start = (frontEnd: FrontEnd, env: Record<string, string> = {}) =>
  startTestServer({
    issuer: issuer.issuer,
    env: {
      PARLEY_CLASSIC: configFile(frontEnd.name),
      PARLEY_ALLOWED_ORIGINS: application.url.origin,
      ...env,
    },
  });

describe.each(frontEnds.map((frontEnd) => [frontEnd.name, frontEnd] as const))("%s.html", (_, frontEnd) => {
  const { inHistory, arriving } = frontEnd;
  let parley: TestServer;
  beforeAll(async () => {
    parley = await start(frontEnd);
  });
  afterAll(() => parley[Symbol.asyncDispose]());

  const createRoom = () => parley.createRoom([alice.email, bob.email]);
  const open = (room: string, who: Person, options?: TabOptions) =>
    openTab(frontEnd, parley.host, room, who, options);
  const connectNew = async (who: Person, room: string): Promise<V2Client> =>
    connectV2(parley.host, room, { token: await tokenOf(who) });
  /** The messages that a page shows when it is opened. */
  const history = (...messages: [Person, string][]) =>
    inHistory ? messages.map(([who, text]) => inHistory(who, text)) : [];

  test("shows the history, with names and in the right order", async () => {
    const room = await createRoom();
    const [newAlice, newBob] = [await connectNew(alice, room), await connectNew(bob, room)];
    await newAlice.say("Oen");
    await newBob.say("Two");
    await newAlice.say("A mistake");
    await newBob.say("Three & a half");
    await newAlice.ack({ type: "edit", seq: 1, text: "One" });
    await newAlice.ack({ type: "delete", seq: 3 });
    await using tab = await open(room, alice);
    const before = history([alice, "One"], [bob, "Two"], [bob, "Three & a half"]);
    await tab.shows(before);
    await newBob.say("Four");
    await tab.shows([...before, arriving(bob, "Four")]);
    expect(await tab.page.innerText("body")).not.toMatch(/undefined|null|NaN|\[object/);
  });

  test("sends, and receives what another page and a new client send", async () => {
    const room = await createRoom();
    const newBob = await connectNew(bob, room);
    await newBob.say("Hello, old ones!");
    await newBob.nextText();
    await using alices = await open(room, alice);
    await using bobs = await open(room, bob);
    const shown = history([bob, "Hello, old ones!"]);
    await Promise.all([alices.shows(shown), bobs.shows(shown)]);
    const conversation: [Tab, Person, string][] = [
      [alices, alice, 'I am "Alice" \\ $sender_email'],
      [bobs, bob, "I am Bob, 日本語 👋"],
      [alices, alice, "{{ text }} ${text}"],
    ];
    for (const [tab, who, text] of conversation) {
      await tab.send(text);
      shown.push(arriving(who, text));
      await Promise.all([alices.shows(shown), bobs.shows(shown)]);
      expect(await newBob.nextText()).toBe(text);
    }
    await newBob.say("Bye");
    shown.push(arriving(bob, "Bye"));
    await Promise.all([alices.shows(shown), bobs.shows(shown)]);
    for (const tab of [alices, bobs])
      expect(await tab.page.innerText("body")).not.toMatch(/undefined|null|NaN|\[object/);
  });

  test("shows a refused text as it shows errors, and goes on", async () => {
    const room = await createRoom();
    await using tab = await open(room, alice);
    await tab.connected();
    await tab.send("");
    if (frontEnd.refused !== undefined) await tab.tells(frontEnd.refused);
    await tab.send("Not empty");
    await tab.shows([arriving(alice, "Not empty")]);
    expect(await tab.page.innerText("body")).not.toMatch(/undefined|null|NaN|\[object/);
  });

  test("shows edits and deletions at once, or after it is loaded again", async () => {
    const room = await createRoom();
    await using tab = await open(room, alice);
    await tab.connected();
    const newBob = await connectNew(bob, room);
    await newBob.say("Helo");
    await newBob.say("Oops");
    await tab.shows([arriving(bob, "Helo"), arriving(bob, "Oops")]);
    await newBob.ack({ type: "edit", seq: 1, text: "Hello" });
    await newBob.ack({ type: "delete", seq: 2 });
    await newBob.say("Done");
    const then = frontEnd.showsChanges ? ["Hello", "Done"] : ["Helo", "Oops", "Done"];
    await tab.shows(then.map((text) => arriving(bob, text)));
    await tab.page.reload();
    await tab.shows(history([bob, "Hello"], [bob, "Done"]));
  });

  test("says so when the token is not valid", async () => {
    const room = await createRoom();
    const token = `${(await tokenOf(alice)).slice(0, -8)}AAAAAAAA`;
    await using tab = await open(room, alice, { token });
    await tab.tells(frontEnd.unauthorized);
    expect(await tab.messages()).toEqual([]);
  });

  test("says so when the room does not exist, or the user is not a member", async () => {
    await using missing = await open("no-such-room", alice);
    await missing.tells(frontEnd.roomNotFound);
    await using foreign = await open(await parley.createRoom([bob.email]), alice);
    await foreign.tells(frontEnd.roomNotFound);
    expect(await foreign.messages()).toEqual([]);
  });

  test("goes on after a restart of the server", async () => {
    using folder = temporaryFolder();
    const env = { PARLEY_DATABASE: join(folder.path, "parley.db") };
    const first = await start(frontEnd, env);
    const room = await first.createRoom([alice.email, bob.email]);
    await using tab = await openTab(frontEnd, first.host, room, alice);
    await tab.connected();
    await tab.send("Before");
    await tab.shows([arriving(alice, "Before")]);
    await first[Symbol.asyncDispose]();
    await using second = await start(frontEnd, { ...env, PARLEY_PORT: new URL(first.url).port });
    if (!frontEnd.reconnects) {
      await tab.tells(frontEnd.unauthorized);
      await tab.page.reload();
    }
    await tab.connected();
    // Pages that have a history show what they get after a restart.
    const before = inHistory ? history([alice, "Before"]) : [];
    await tab.shows(before);
    await tab.send("After");
    await tab.shows([...before, arriving(alice, "After")]);
    expect(await second.metric("parley_messages_total")).toBe(1);
  });
});

const readers = frontEnds.filter(({ name }) => name === "chat-message" || name === "actions");

describe.each(readers.map((frontEnd) => [frontEnd.name, frontEnd] as const))(
  "%s.html also",
  (_, frontEnd) => {
    let parley: TestServer;
    beforeAll(async () => {
      parley = await start(frontEnd);
    });
    afterAll(() => parley[Symbol.asyncDispose]());

    test("marks the messages that it shows as read", async () => {
      const room = await parley.createRoom([alice.email, bob.email]);
      const newBob = await connectV2(parley.host, room, { token: await tokenOf(bob) });
      const session = await connectSession(parley.host, { token: await tokenOf(alice) });
      await using tab = await openTab(frontEnd, parley.host, room, alice);
      await tab.connected();
      await newBob.say("Read me");
      await waitUntil("the message has arrived and is read", () => {
        const { seq, unread } = session.room(room);
        return seq === 1 && unread === 0;
      });
    });
  },
);

test("actions.html edits and deletes its user's messages", async () => {
  const frontEnd = frontEnds.find(({ name }) => name === "actions");
  if (frontEnd === undefined) throw new Error("there is no such page");
  await using parley = await start(frontEnd);
  const room = await parley.createRoom([alice.email, bob.email]);
  await using alices = await openTab(frontEnd, parley.host, room, alice);
  await using bobs = await openTab(frontEnd, parley.host, room, bob);
  const { arriving } = frontEnd;
  await Promise.all([alices.connected(), bobs.connected()]);
  await alices.send("Helo");
  await bobs.shows([arriving(alice, "Helo")]);
  alices.answers.push("Hello");
  await alices.page.click(".edit");
  for (const tab of [alices, bobs]) await tab.shows([arriving(alice, "Hello")]);
  alices.answers.push("");
  await alices.page.click(".edit");
  await alices.tells("Error: A message needs some visible text.");
  await alices.page.click(".delete");
  for (const tab of [alices, bobs]) await tab.shows([]);
});
