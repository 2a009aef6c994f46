import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import type { Browser, Page } from "playwright-core";

import { api } from "../../src/client/api.ts";
import { type Chat, connect, type Room } from "../../src/client/index.ts";
import { startBrowser } from "../support/browser.ts";
import { useServer } from "../support/server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { waitUntil } from "../support/wait.ts";
import { bundleWithReact, type ReactVersion } from "./support/react-bundle.ts";
import type { Start } from "./support/react-page.tsx";

// The hooks of `parley-chat/react` in Chromium, with a real server.

/** The first test may have to unpack a browser. */
setDefaultTimeout(60_000);

const alice = "alice@example.com";
const versions: ReactVersion[] = [19, 18];

const site = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch({ url }) {
    const { pathname, searchParams } = new URL(url);
    const [, version] = /^\/app-(\d+)\.js$/.exec(pathname) ?? [];
    if (version)
      return new Response(scripts.get(Number(version)), { headers: { "content-type": "text/javascript" } });
    const html = `<!doctype html><title>app</title><main>${searchParams.get("html") ?? ""}</main>`;
    return new Response(html, { headers: { "content-type": "text/html" } });
  },
});
const folder = temporaryFolder();
const scripts = new Map<number, string>();
const server = useServer({
  env: {
    PARLEY_MESSAGE_RATE: "0",
    PARLEY_CONNECTIONS_PER_USER: "0",
    PARLEY_ALLOWED_ORIGINS: site.url.origin,
  },
});
let users = 0;
let browser: Browser;

beforeAll(async () => {
  for (const version of versions)
    scripts.set(version, await bundleWithReact(version, "react-page.tsx", "browser"));
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await site.stop(true);
  folder[Symbol.dispose]();
});

/** The module that renders on the server. */
async function serverBundle(version: ReactVersion): Promise<typeof import("./support/react-server.tsx")> {
  const path = join(folder.path, `server-${version}.js`);
  await Bun.write(path, await bundleWithReact(version, "react-server.tsx", "bun"));
  return (await import(path)) as typeof import("./support/react-server.tsx");
}

/** A page with the application, not started yet. */
class Tab implements AsyncDisposable {
  /** The frames that the page has sent, without their ids. */
  readonly sent: Record<string, unknown>[] = [];
  sockets = 0;
  /** Uncaught errors. */
  readonly errors: Error[] = [];

  private constructor(readonly page: Page) {
    page.on("pageerror", (error) => void this.errors.push(error));
    page.on("websocket", (socket) => {
      this.sockets++;
      socket.on("framesent", ({ payload }) => {
        const { id: _, ...frame } = JSON.parse(String(payload)) as Record<string, unknown>;
        this.sent.push(frame);
      });
    });
  }

  static async open(version: ReactVersion, html = ""): Promise<Tab> {
    const tab = new Tab(await browser.newPage());
    await tab.page.goto(`${site.url.href}?html=${encodeURIComponent(html)}`);
    await tab.page.evaluate(`import("/app-${version}.js")`);
    return tab;
  }

  /** Starts the application as Alice. */
  async start(options: Partial<Start>): Promise<void> {
    const token = await server.token(alice);
    await this.page.evaluate((start) => app.start(start), { url: server.url, token, ...options });
  }

  show(change: { rooms?: (string | null)[]; slow?: number }): Promise<void> {
    return this.page.evaluate((view) => app.show(view), change);
  }

  unmount(): Promise<void> {
    return this.page.evaluate(() => app.unmount());
  }

  texts(name: string): Promise<(string | null)[]> {
    return this.page.locator(`.${name}`).allTextContents();
  }

  /** Waits until the components of this name show these texts. */
  async see(name: string, ...expected: string[]): Promise<void> {
    let shown: unknown;
    await waitUntil(`${name} is ${JSON.stringify(expected)}`, async () => {
      shown = await this.texts(name);
      return Bun.deepEquals(shown, expected);
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}; it is ${JSON.stringify(shown)}`);
    });
  }

  /** The opens and closes that the page has sent for a room. */
  opensAndCloses(room: string): unknown[] {
    return this.sent
      .filter((frame) => frame["room"] === room && /open|close/.test(String(frame["type"])))
      .map(({ type }) => type);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.close();
  }
}

function refuse(): never {
  throw new Error("The server must not connect.");
}

const newUser = () => `user${100 + ++users}@example.com`;

interface BobsRoom extends Disposable {
  id: string;
  /** Bob's name. */
  bob: string;
  chat: Chat;
  room: Room;
}

/** A room of a user and of another one, Bob, who has opened it without a browser. Both are owners. */
async function roomWithBob(user = alice): Promise<BobsRoom> {
  const bob = newUser();
  const id = await server.createRoom([user, bob], { role: "owner" });
  const chat = connect({ url: server.url, token: () => server.token(bob) });
  const room = chat.open(id);
  await room.ready;
  return { id, bob: nameOf(bob), chat, room, [Symbol.dispose]: () => chat.close() };
}

const nameOf = (email: string) => email.replace(/@.*/, "");

const connections = () => server.metric("parley_connections");

describe.each(versions)("with React %d", (version) => {
  test("components show the state of the chat and of a room", async () => {
    const user = newUser();
    const name = nameOf(user);
    using bobs = await roomWithBob(user);
    await using tab = await Tab.open(version);
    await tab.start({ token: await server.token(user), strict: true, rooms: [bobs.id] });
    await tab.see("status", "open");
    await tab.see("name", `${bobs.id} open`);
    await tab.see("messages", "all");
    await tab.see("online", `${name}, ${bobs.bob}`);
    await tab.see("members", `${name}, ${bobs.bob}`);
    await tab.page.evaluate(() => app.room?.send("Hello!"));
    await tab.see("messages", "Hello!, all");
    await tab.see("seen", ": 0");
    await waitUntil("Bob receives the message", () => bobs.room.messages.length === 1);
    await bobs.room.read();
    await tab.see("seen", `${bobs.bob}: 1`);
    bobs.room.typing();
    await tab.see("typing", bobs.bob);
    await bobs.room.send("Hello, you!");
    await tab.see("typing", "");
    await tab.see("messages", "Hello!, Hello, you!, all");
    await tab.see("rooms", `${bobs.id} 1, total 1, all`);
    await tab.see("unread", "1");
    await tab.page.evaluate(() => app.room?.read());
    await tab.see("unread", "0");
    await server.asOperator((chat, operator) => chat.rooms.change(operator, bobs.id, { name: "Renamed" }));
    await tab.see("name", "Renamed open");
    await api(bobs.chat).setMember(bobs.id, "x@example.com", "member");
    await tab.see("members", `${name}, ${bobs.bob}, x`);
  });

  test("a failed message stays, and can be sent again", async () => {
    const id = await server.createRoom([alice]);
    await using tab = await Tab.open(version);
    await tab.start({ rooms: [id] });
    await tab.see("name", `${id} open`);
    await tab.page.evaluate(() => void app.room?.send(" "));
    await tab.see("messages", "  (failed), all");
    await tab.page.evaluate(() => app.room?.pending.map((message) => app.room?.discard(message)));
    await tab.see("messages", "all");
  });

  test("the list of rooms follows the server", async () => {
    const user = newUser();
    const first = await server.createRoom([user]);
    using bobs = await roomWithBob(user);
    await using tab = await Tab.open(version);
    await tab.start({ token: await server.token(user) });
    await tab.see("rooms", `${bobs.id} 0, ${first} 0, total 0, all`);
    await bobs.room.send("Hello!");
    await tab.see("rooms", `${bobs.id} 1, ${first} 0, total 1, all`);
    const third = await server.createRoom([user]);
    await tab.see("rooms", `${third} 0, ${bobs.id} 1, ${first} 0, total 1, all`);
    await server.asOperator((chat, operator) => chat.rooms.delete(operator, bobs.id));
    await tab.see("rooms", `${third} 0, ${first} 0, total 0, all`);
  });

  test("in strict mode, the provider opens one connection, with one token, and closes it", async () => {
    await waitUntil("earlier connections are closed", async () => (await connections()) === 0);
    await using tab = await Tab.open(version);
    await tab.start({ strict: true });
    await tab.see("status", "open");
    expect([tab.sockets, await tab.page.evaluate(() => app.tokens)]).toEqual([1, 1]);
    expect(await connections()).toBe(1);
    const id = await server.createRoom([alice]);
    await tab.show({ rooms: [id, id] });
    await tab.see("name", `${id} open`, `${id} open`);
    await tab.unmount();
    await waitUntil("the connection is closed", async () => (await connections()) === 0);
    expect([tab.sockets, tab.errors]).toEqual([1, []]);
  });

  test("the provider asks the latest `token` it was given, without a new connection", async () => {
    const id = await server.createRoom([alice]);
    await using tab = await Tab.open(version);
    await tab.start({});
    await tab.see("status", "open");
    await tab.page.evaluate((token) => app.replaceToken(token), await server.token(alice));
    // The members are loaded over HTTP, with a token.
    await tab.show({ rooms: [id] });
    await tab.see("members", "alice");
    expect([tab.sockets, await tab.page.evaluate(() => app.tokens)]).toEqual([1, 1]);
  });

  test.each([true, false])("a room is open while components use it (strict mode: %p)", async (strict) => {
    const [one, two] = [await server.createRoom([alice]), await server.createRoom([alice])];
    await using tab = await Tab.open(version);
    await tab.start({ strict, own: true, rooms: [one, one, null] });
    await tab.see("name", `${one} open`, `${one} open`, " ");
    await tab.show({ rooms: [null, one, two] });
    await tab.see("name", " ", `${one} open`, `${two} open`);
    await tab.show({ rooms: [two] });
    await tab.see("name", `${two} open`);
    await waitUntil("the first room is closed", () => tab.opensAndCloses(one).length > 1);
    expect(tab.opensAndCloses(one)).toEqual(["open", "close"]);
    expect(tab.opensAndCloses(two)).toEqual(["open"]);
    await tab.unmount();
    await waitUntil("the second room is closed", () => tab.opensAndCloses(two).length > 1);
    expect(tab.opensAndCloses(two)).toEqual(["open", "close"]);
    // The chat is the application's own: it is not closed, and nothing listens to it any more.
    expect(await tab.page.evaluate(() => [app.chat?.status, app.listeners])).toEqual(["open", 0]);
  });

  test("a room is opened again when the user is a member again", async () => {
    const id = await server.createRoom([alice]);
    await using tab = await Tab.open(version);
    await tab.start({ strict: true, rooms: [id] });
    await tab.see("name", `${id} open`);
    await server.asOperator((chat, operator) => chat.rooms.removeMember(operator, id, { email: alice }));
    await tab.see("name", `${id} closed`);
    await server.asOperator((chat, operator) =>
      chat.rooms.setMember(operator, id, { email: alice }, "member"),
    );
    await tab.see("name", `${id} open`);
  });

  test("components render only when what they show has changed", async () => {
    const user = newUser();
    using bobs = await roomWithBob(user);
    await using tab = await Tab.open(version);
    await tab.start({ token: await server.token(user), rooms: [bobs.id] });
    await tab.see("members", `${nameOf(user)}, ${bobs.bob}`);
    const before = await tab.page.evaluate(() => ({ ...app.renders }));
    const rendered = async () => {
      const after = await tab.page.evaluate(() => ({ ...app.renders }));
      return Object.keys(after)
        .filter((name) => after[name] !== before[name])
        .toSorted();
    };
    bobs.room.typing();
    await tab.see("typing", bobs.bob);
    expect(await rendered()).toEqual(["typing"]);
    await bobs.room.send("Hello!");
    await tab.see("messages", "Hello!, all");
    await tab.see("unread", "1");
    // Bob has read what he has sent.
    expect(await rendered()).toEqual(["messages", "rooms", "seen", "typing", "unread"]);
  });

  test("components that are rendered in several turns show the same", async () => {
    using bobs = await roomWithBob();
    await using tab = await Tab.open(version);
    await tab.start({ rooms: [bobs.id], slow: 0 });
    await waitUntil("the room is open", () => tab.page.evaluate(() => app.room?.status === "open"));
    for (let round = 1; round <= 5; round++) {
      await tab.page.evaluate(() => app.show({ slow: 0 }));
      await tab.page.evaluate(() => app.showLater({ slow: 40 }));
      for (let n = 0; n < 8; n++) await bobs.room.send(`${round}.${n}`);
      await tab.see("slow", ...Array.from({ length: 40 }, () => `${round}.7`));
    }
    expect(await tab.page.evaluate(() => app.torn)).toEqual([]);
  });

  test("the server renders the empty state without connecting, and a browser continues from it", async () => {
    const id = await server.createRoom([alice]);
    const { render } = await serverBundle(version);
    const view = { provider: { url: server.url, token: refuse, WebSocket: refuse as never }, rooms: [id] };
    const html = render(view);
    expect(html).toContain('<p class="status">connecting</p><p class="rooms">total 0, more</p>');
    expect(render(view)).toBe(html);
    await using tab = await Tab.open(version, html);
    await tab.start({ hydrate: true, rooms: [id] });
    await tab.see("name", `${id} open`);
    expect(await tab.page.evaluate(() => app.errors)).toEqual([]);
    expect(tab.sockets).toBe(1);
  });

  test("outside of a provider, the hooks of the chat throw an error that says so", async () => {
    const message = "There is no <ChatProvider> around this component.";
    const { renderHomeless } = await serverBundle(version);
    expect(() => renderHomeless()).toThrow(message);
    await using tab = await Tab.open(version);
    await tab.start({});
    await tab.page.evaluate(() => app.showHomeless());
    await tab.see("error", message);
  });
});
