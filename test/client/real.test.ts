import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import * as client from "../../src/client/index.ts";
import { startBrowser } from "../support/browser.ts";
import { WebSocket } from "../support/client.ts";
import { root, runProcess } from "../support/process.ts";
import { type Link, type Proxy, startProxy } from "../support/proxy.ts";
import { useServer } from "../support/server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { waitUntil } from "../support/wait.ts";
import { guest, type GuestOptions, type Seen } from "./support/guest.ts";

// The client and the server as they are, with a network between them that is cut.

/** Unpacking a browser takes a while, the first time. */
setDefaultTimeout(60_000);

const alice = "alice@example.com";
const bob = "bob@example.com";

/** The page of an application, which has the client. */
const site = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: ({ url }) =>
    url.endsWith("/client.js")
      ? new Response(built, { headers: { "content-type": "text/javascript" } })
      : new Response("<!doctype html><title>app</title>", { headers: { "content-type": "text/html" } }),
});
const server = useServer({
  env: {
    PARLEY_MESSAGE_RATE: "0",
    PARLEY_CONNECTIONS_PER_USER: "0",
    PARLEY_ALLOWED_ORIGINS: site.url.origin,
  },
});
const folder = temporaryFolder();
let built: string;
let proxy: Proxy;

beforeAll(async () => {
  const { outputs } = await Bun.build({
    entrypoints: [join(root, "src/client/index.ts")],
    target: "browser",
    minify: true,
  });
  built = (await outputs[0]?.text()) ?? "";
  await Bun.write(join(folder.path, "client.mjs"), built);
  proxy = await startProxy({
    target: () => ({ host: "127.0.0.1", port: Number(new URL(server.url).port) }),
  });
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await site.stop(true);
  folder[Symbol.dispose]();
});

/** A member, straight at the server. */
function enter(room: string, email: string, options: Partial<client.ConnectOptions> = {}): client.Room {
  return client.connect({ url: server.url, room, token: () => server.token(email), ...options });
}

/** A room that alice has made over HTTP, and let bob into. */
async function ownRoom(): Promise<{ id: string; api: client.Api }> {
  const api = client.api({ url: server.url, token: () => server.token(alice) });
  const { id } = await api.createRoom({ name: "Lobby" });
  expect(await api.setMember(id, bob)).toMatchObject({ email: bob, role: "member" });
  return { id, api };
}

/** Resolves with the first event of a type for which the condition holds. */
function heard<T extends client.RoomEvent["type"]>(
  room: client.Room,
  type: T,
  holds: (event: client.RoomEventOf<T>) => boolean = () => true,
): Promise<client.RoomEventOf<T>> {
  return new Promise((resolve) => {
    const off = room.on(type, (event) => {
      if (!holds(event)) return;
      off();
      resolve(event);
    });
  });
}

const runtimes: Record<string, (options: GuestOptions) => Promise<Seen>> = {
  "in Bun": (options) => guest(client, options),
  "in Node": async (options) => {
    const program = join(folder.path, "guest.mjs");
    await Bun.write(
      program,
      `import * as client from "./client.mjs";
       const seen = await (${guest.toString()})(client, ${JSON.stringify(options)});
       console.log(JSON.stringify(seen));
       // Its own WebSocket waits long for the answer to a close.
       process.exit(0);`,
    );
    const node = Bun.which("node") ?? "node";
    const { stdout: version } = await runProcess([node, "--version"], { cwd: folder.path });
    // Before 22 there is a WebSocket only on request.
    const flags = Number(/\d+/.exec(version)?.[0]) < 22 ? ["--experimental-websocket", "--no-warnings"] : [];
    const { stdout, stderr } = await runProcess([node, ...flags, program], { cwd: folder.path });
    expect(stderr).toBe("");
    return JSON.parse(stdout) as Seen;
  },
  "in Chromium": async (options) => {
    const browser = await startBrowser();
    try {
      const page = await browser.newPage();
      await page.goto(site.url.href);
      const script = `import("/client.js").then((client) => (${guest.toString()})(client, ${JSON.stringify(options)}))`;
      return await page.evaluate<Seen>(script);
    } finally {
      await browser.close();
    }
  },
};

/** How a network is lost: with a word, or by its silence alone. */
const losses: Record<string, (link: Link) => void> = {
  "is cut": (link) => link.cut(),
  "is cut within a frame": (link) => link.cutWithin("client"),
  "is half closed": (link) => link.halfClose("client"),
  "goes dumb": (link) => (["client", "server"] as const).forEach((side) => link.stall(side, 3_600_000)),
};
const rows = Object.entries(runtimes).flatMap(([where, enterAsGuest]) =>
  Object.entries(losses).map(([how, lose]) => [how, where, lose, enterAsGuest] as const),
);

describe("over a network that again and again", () => {
  test.each(rows)(
    "%s, %s every message arrives once, in one order, and is acked once",
    async (how, _, lose, enterAsGuest) => {
      const id = await server.createRoom([alice, bob]);
      const room = enter(id, bob);
      await room.ready;
      const before = await room.send("the beginning");
      const messages = 30;
      const cuts = new Set([3, 4, 11, 20]);
      let away = 0;
      room.on("change", ({ kind, message: { text, seq } }) => {
        const n = Number(/^guest (\d+)$/.exec(text)?.[1] ?? -1);
        if (kind !== "created" || n < 0) return;
        if (cuts.has(n)) {
          for (const link of proxy.links) lose(link);
          // What happens while the guest is away.
          void room.send(`away ${away++}`);
          void room.edit(before.seq, `the beginning, edited ${away} times`);
          void room.react(seq, "👍");
        }
        if (n === messages - 1) void room.send("the end");
      });
      const url = `http://127.0.0.1:${proxy.port}`;
      const seen = await enterAsGuest({
        url,
        room: id,
        token: await server.token(alice),
        messages,
        speed: 10,
      });

      const sent = room.messages.filter(({ text }) => text.startsWith("guest"));
      expect(sent.map(({ text }) => text)).toEqual(Array.from({ length: messages }, (__, n) => `guest ${n}`));
      expect(seen.acks).toEqual(sent.map(({ seq }) => seq));
      expect(seen.texts).toEqual(room.messages.map(({ text }) => text));
      expect(seen.texts[0]).toBe(`the beginning, edited ${away} times`);
      // Each once; what was missed comes by its last change.
      expect(seen.created.toSorted((a, b) => a - b)).toEqual(room.messages.slice(1).map(({ seq }) => seq));
      expect(seen.pending).toBe(0);
      if (how === "is cut") expect(seen.lost).toBe(cuts.size);
      // A second loss may come before the first one was found out.
      expect(seen.lost).toBeWithin(1, cuts.size + 1);
      room.close();
    },
  );
});

describe("with a server that is real", () => {
  test("edits, deletions, reactions, read marks, typing and names are seen by the others", async () => {
    const { id, api } = await ownRoom();
    const [hers, his] = [enter(id, alice), enter(id, bob)];
    await Promise.all([hers.ready, his.ready]);
    const { seq } = await hers.send("one");
    await hers.edit(seq, "uno");
    await his.react(seq, "👍");
    const second = await his.send("two", { replyTo: seq });
    await his.remove(second.seq);
    await hers.send("three");
    await waitUntil("both have it all", () => [hers, his].every(({ messages }) => messages.length === 3));
    expect(his.messages).toMatchObject([
      { text: "uno", reactions: [{ emoji: "👍", by: [`user|${bob}`] }] },
      { text: "", reply_to: seq, deleted_at: expect.any(String) },
      { text: "three" },
    ]);
    expect(hers.messages).toEqual(his.messages);
    const read = heard(hers, "read");
    await his.read();
    expect(await read).toMatchObject({ user: { email: bob }, seq: 3 });
    const typing = heard(hers, "typing");
    his.typing();
    expect(await typing).toMatchObject({ user: { email: bob } });
    const named = heard(his, "room");
    await api.renameRoom(id, "Hall");
    await named;
    expect(his.name).toBe("Hall");
    await waitUntil("he sees both there", () => his.online.length === 2);
    expect(new Set(his.online.map(({ email }) => email))).toEqual(new Set([alice, bob]));
    hers.close();
    his.close();
  });

  test("older messages come page by page, up to the first", async () => {
    const id = await server.createRoom([alice]);
    const room = enter(id, alice);
    const texts = Array.from({ length: 130 }, (_, n) => `message ${n}`);
    await Promise.all(texts.map((text) => room.send(text)));
    const late = enter(id, alice);
    await late.ready;
    expect(late.messages).toHaveLength(50);
    while (!late.complete) expect(await late.older(30)).not.toEqual([]);
    expect(late.messages.map(({ text }) => text)).toEqual(texts);
    room.close();
    late.close();
  });

  test("who comes back later, in another process perhaps, gets exactly what was missed", async () => {
    const id = await server.createRoom([alice, bob]);
    const [hers, his] = [enter(id, alice), enter(id, bob)];
    const sent = await hers.send("one");
    const position = JSON.parse(JSON.stringify(hers.position)) as client.RoomPosition;
    hers.close();
    for (let n = 0; n < 200; n++) void his.send(`missed ${n}`);
    await his.edit(sent.seq, "no").catch(() => undefined);
    const again = enter(id, alice, { since: position });
    const missed: string[] = [];
    for await (const event of again) {
      if (event.type === "change") missed.push(`${event.kind} ${event.message.text}`);
      if (missed.length === 200) break;
    }
    expect(missed).toEqual(Array.from({ length: 200 }, (_, n) => `created missed ${n}`));
    again.close();
    his.close();
  });

  test("a token that ends is replaced without a break", async () => {
    const id = await server.createRoom([alice]);
    const exp = Math.floor(Date.now() / 1000) + 3;
    let fresh = 0;
    const room = enter(id, alice, {
      token: ({ refresh }) =>
        server.issuer.sign(alice, { claims: refresh ? { jti: String(++fresh) } : { exp } }),
    });
    let lost = 0;
    room.on("status", ({ status }) => void (status === "connecting" && lost++));
    await waitUntil("it is replaced", () => fresh > 0);
    await waitUntil("the first one has ended", () => Date.now() > (exp + 1) * 1000);
    await room.send("still here");
    expect({ fresh, lost }).toEqual({ fresh: 1, lost: 0 });
    room.close();
  });

  test("a member who is removed is told so, and what he sends is refused with it", async () => {
    const { id, api } = await ownRoom();
    const room = enter(id, bob);
    await room.ready;
    const closed = heard(room, "closed");
    await api.removeMember(id, bob);
    expect(await closed).toEqual({ type: "closed", code: 4403, reason: "removed" });
    expect(await room.send("hello?").catch((error: unknown) => error)).toMatchObject({ code: "removed" });
    expect(room.status).toBe("closed");
  });

  test("what goes out faster than the server lets it is all there in the end, in order", async () => {
    await using slow = await server.startAnother({ env: { PARLEY_MESSAGE_RATE: "20" } });
    await slow.createRoom([alice], { id: "lobby" });
    const room = enter("lobby", alice, { url: slow.url });
    const texts = Array.from({ length: 70 }, (_, n) => `message ${n}`);
    const acks = await Promise.all(texts.map((text) => room.send(text)));
    expect(acks.map(({ seq }) => seq)).toEqual(texts.map((_, n) => n + 1));
    expect(room.messages.map(({ text }) => text)).toEqual(texts);
    room.close();
  });

  test("the HTTP API's other routes answer as its types say", async () => {
    const { id, api } = await ownRoom();
    expect(await api.me()).toEqual({ id: `user|${alice}`, email: alice, name: null, admin: false });
    const room = enter(id, alice);
    const { seq } = await room.send("one");
    expect(await api.room(id)).toMatchObject({ id, name: "Lobby", role: "owner", seq, rev: seq });
    const rooms = await api.rooms();
    expect(rooms.find((each) => each.id === id)).toMatchObject({ last_message: { text: "one" } });
    expect((await api.members(id)).map(({ email, role }) => [email, role])).toEqual([
      [alice, "owner"],
      [bob, "member"],
    ]);
    expect(await api.messages(id, { after: 0, limit: 1 })).toMatchObject([{ text: "one" }]);
    expect(await api.markRead(id, seq)).toBe(seq);
    const conflict = await api.createRoom({ id, name: "Again" }).catch((error: unknown) => error);
    expect(conflict).toMatchObject({ code: "conflict", status: 409 });
    const closed = heard(room, "closed");
    await api.deleteRoom(id);
    expect(await closed).toEqual({ type: "closed", code: 4404, reason: "room_deleted" });
    expect(await api.room(id).catch((error: unknown) => error)).toMatchObject({ code: "room_not_found" });
  });

  test("another library's WebSocket serves as well", async () => {
    const id = await server.createRoom([alice]);
    const room = enter(id, alice, { WebSocket });
    expect(await room.send("over ws")).toEqual({ seq: 1, rev: 1 });
    expect(room.messages).toMatchObject([{ text: "over ws" }]);
    room.close();
  });

  test("a room that is none is refused with the reason", async () => {
    const room = enter("none", alice);
    expect(await room.ready.catch((error: unknown) => error)).toMatchObject({ code: "room_not_found" });
  });
});

test("in Chromium, a page that goes offline finds out, and comes back as soon as it is online", async () => {
  const id = await server.createRoom([alice, bob]);
  const his = enter(id, bob);
  await his.ready;
  const browser = await startBrowser();
  try {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(site.url.href);
    const options = JSON.stringify({ url: server.url, room: id, token: await server.token(alice) });
    // Its clock runs fast, and it waits for days from one try to the next, unless the browser tells it of the network.
    await page.evaluate(`import("/client.js").then(({ connect }) => {
      const { token, ...where } = ${options};
      const clock = {
        now: () => performance.now() * 10,
        setTimeout: (work, milliseconds) => setTimeout(work, milliseconds / 10),
        clearTimeout: (timer) => clearTimeout(timer),
      };
      globalThis.room = connect({ ...where, token: () => token, clock, random: () => 1e6 });
      globalThis.created = [];
      room.on("change", ({ kind, message }) => kind === "created" && created.push(message.text));
      return room.ready;
    })`);
    await his.send("before");
    await waitUntil("the page hears him", () => page.evaluate<boolean>("created.length === 1"));
    await context.setOffline(true);
    await waitUntil("it has found out", () => page.evaluate<boolean>(`room.status === "connecting"`));
    const sent = page.evaluate<client.Ack>(`room.send("from offline")`);
    await his.send("meanwhile");
    await context.setOffline(false);
    expect(await sent).toMatchObject({ seq: 3 });
    const texts = ["before", "meanwhile", "from offline"];
    await waitUntil("he hears the page", () => his.messages.length === texts.length);
    expect(await page.evaluate<string[]>("created")).toEqual(texts);
    expect(await page.evaluate<string[]>("room.messages.map(({ text }) => text)")).toEqual(texts);
    expect(await page.evaluate<number>("room.pending.length")).toBe(0);
  } finally {
    await browser.close();
    his.close();
  }
});

test("a member who was removed and is let in again goes on from his position, and gets all of it", async () => {
  const { id, api } = await ownRoom();
  const [hers, his] = [enter(id, alice), enter(id, bob)];
  await Promise.all([hers.ready, his.ready]);
  const { seq } = await hers.send("before");
  await waitUntil("he knows it", () => his.messages.length === 1);
  const closed = heard(his, "closed");
  await api.removeMember(id, bob);
  expect(await closed).toMatchObject({ code: 4403 });
  const { position } = his;
  await hers.send("behind his back");
  await hers.edit(seq, "before, edited");
  await api.setMember(id, bob);
  const missed: string[] = [];
  const back = enter(id, bob, position ? { since: position } : {});
  back.on("change", ({ kind, message: { text } }) => missed.push(`${kind} ${text}`));
  await back.ready;
  await hers.send("welcome back");
  await waitUntil("he hears her", () => back.messages.at(-1)?.text === "welcome back");
  expect(missed).toEqual(["created behind his back", "edited before, edited", "created welcome back"]);
  for (const room of [hers, back]) room.close();
});
