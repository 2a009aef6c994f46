import { describe, expect, test } from "bun:test";

import { connectV2, dialects, type V2Client, type V2Frame } from "../support/client.ts";
import { parleyCommand, root, startProcess } from "../support/process.ts";
import { Random } from "../support/random.ts";
import { openRaw } from "../support/raw.ts";
import { unlimited, useServer } from "../support/server.ts";
import { fillSendBuffer, isLinux, isPresence, readUntil, trackOnline } from "../support/slow-reader.ts";
import { waitUntil } from "../support/wait.ts";

// Who is online in a room, as its chat.v2 clients are told. Connections of both dialects count.

const server = useServer({ env: { ...unlimited, PARLEY_MAX_TEXT: "0" } });

const alice = "alice@example.com";
const bob = "bob@example.com";
const carol = "carol@example.com";

/** Resolves when a client is told that somebody came or went. */
const told = (client: V2Client, email: string, online: boolean) => client.next(isPresence(email, online));

/** What a client has been told of somebody, in order. */
const history = ({ texts }: V2Client, email: string) =>
  texts
    .map((text) => JSON.parse(text) as V2Frame)
    .flatMap((frame) => (frame.type === "presence" && frame.user.email === email ? [frame.online] : []));

const onlineEmails = ({ hello }: V2Client) => hello.online.map(({ email }) => email);

/** Who is online as far as a client has been told. */
function onlineFor({ texts }: V2Client): Set<string | null> {
  const known = new Set<string | null>();
  for (const text of texts) trackOnline(known, JSON.parse(text) as V2Frame);
  return known;
}

const isOnline = (client: V2Client, email: string) => onlineFor(client).has(email);
const connections = () => server.metric("parley_connections");
const guests = (count: number) => Array.from({ length: count }, (_, index) => `guest-${index}@example.com`);
const list = (emails: Iterable<string | null>) => Array.from(emails, String).toSorted().join();

test("the room is told when a user comes and goes", async () => {
  const room = await server.createRoom([alice, bob]);
  const watcher = await server.connectV2(room, bob);
  const client = await server.connectV2(room, alice);
  const user = { id: `user|${alice}`, email: alice, name: null };
  expect(await told(watcher, alice, true)).toStrictEqual({ type: "presence", room, user, online: true });
  await client.close();
  expect(await told(watcher, alice, false)).toStrictEqual({ type: "presence", room, user, online: false });
});

test("hello lists who is online, oneself included, each once, in the order in which they came", async () => {
  const room = await server.createRoom([alice, bob, carol]);
  expect((await server.connectV2(room, carol)).hello.online).toEqual([
    { id: `user|${carol}`, email: carol, name: null },
  ]);
  for (let tab = 0; tab < 2; tab++) await server.connectV2(room, alice);
  expect(onlineEmails(await server.connectV2(room, bob))).toEqual([carol, alice, bob]);
});

test("a user comes with the first of several connections, of either dialect, and goes with the last", async () => {
  const room = await server.createRoom([alice, bob, carol]);
  const watcher = await server.connectV2(room, bob);
  const first = await server.connectClassic(room, alice);
  await told(watcher, alice, true);
  const tabs = await Promise.all([1, 2].map(() => server.connectV2(room, alice)));
  await first.close();
  // By the time that Carol has come and gone, the others would have been announced, too.
  const other = await server.connectV2(room, carol);
  await told(watcher, carol, true);
  await other.close();
  await told(watcher, carol, false);
  expect(history(watcher, alice)).toEqual([true]);
  expect(onlineEmails(await server.connectV2(room, bob))).toEqual([bob, alice]);
  for (const tab of tabs) await tab.close();
  await told(watcher, alice, false);
  expect(history(watcher, alice)).toEqual([true, false]);
});

test("a user who comes and goes within 100 ms is not announced", async () => {
  await waitUntil("a visit was short enough", async () => {
    const [room, other] = [await server.createRoom([alice, bob]), await server.createRoom([bob, carol])];
    const [watcher, elsewhere] = [await server.connectV2(room, bob), await server.connectV2(other, bob)];
    await told(watcher, bob, true);
    await told(elsewhere, bob, true);
    const [token, before] = [await server.token(alice), await connections()];
    const start = performance.now();
    const client = await connectV2(server.host, room, { token });
    client.socket.terminate();
    await waitUntil("the server has closed the connection", async () => (await connections()) <= before);
    const durationMs = performance.now() - start;
    // Announcements of all rooms are made together, so this one comes with or after those of Alice.
    await server.connectV2(other, carol);
    await told(elsewhere, carol, true);
    await watcher.say("fence");
    await watcher.next("change");
    if (durationMs >= 90) return false;
    expect(history(watcher, alice)).toEqual([]);
    return true;
  });
});

test("a user who reloads their page stays online", async () => {
  const room = await server.createRoom([alice, bob, carol]);
  const watcher = await server.connectV2(room, bob);
  const before = await server.connectV2(room, alice);
  await told(watcher, alice, true);
  await before.close();
  await server.connectV2(room, alice);
  await server.connectV2(room, carol);
  await told(watcher, carol, true);
  expect(history(watcher, alice).at(-1)).toBe(true);
});

test("a user who is in two rooms comes and goes in each of them", async () => {
  const rooms = [await server.createRoom([alice, bob]), await server.createRoom([alice, bob])];
  const watchers = await Promise.all(rooms.map((room) => server.connectV2(room, bob)));
  const clients = await Promise.all(rooms.map((room) => server.connectV2(room, alice)));
  for (const watcher of watchers) await told(watcher, alice, true);
  for (const [index, watcher] of watchers.entries()) {
    await clients[index]?.close();
    await told(watcher, alice, false);
  }
  for (const watcher of watchers) expect(history(watcher, alice)).toEqual([true, false]);
});

test("another room is not told", async () => {
  const [room, other] = [await server.createRoom([alice, bob]), await server.createRoom([bob, carol])];
  const [watcher, stranger] = [await server.connectV2(room, bob), await server.connectV2(other, carol)];
  const client = await server.connectV2(room, alice);
  await told(watcher, alice, true);
  await client.close();
  await told(watcher, alice, false);
  await stranger.say("is anybody there?");
  await stranger.next("change");
  expect(history(stranger, alice)).toEqual([]);
  expect(onlineEmails(stranger)).toEqual([carol]);
});

describe("a user goes offline when their connection", () => {
  test.each<[name: string, leave: (client: V2Client) => void]>([
    ["is cut", (client) => client.socket.terminate()],
    ["is closed", (client) => client.socket.close(1000)],
    ["violates the protocol", (client) => client.send("x".repeat(70_000))],
  ])("%s", async (_, leave) => {
    const room = await server.createRoom([alice, bob]);
    const watcher = await server.connectV2(room, bob);
    const client = await server.connectV2(room, alice);
    await told(watcher, alice, true);
    leave(client);
    await told(watcher, alice, false);
  });

  test.each([...dialects])("of %s is reset", async (dialect) => {
    const room = await server.createRoom([alice, bob]);
    const watcher = await server.connectV2(room, bob);
    const raw = await openRaw(dialect, server.host, room, await server.token(alice));
    await told(watcher, alice, true);
    raw.socket.resetAndDestroy();
    await told(watcher, alice, false);
  });

  const program = `
    const socket = new WebSocket(process.env.URL, { headers: {
      authorization: "Bearer " + process.env.TOKEN, "sec-websocket-protocol": "chat.v2" } });
    socket.onmessage = () => console.log("connected");
  `;

  test.each(["SIGKILL", "SIGSTOP"] as const)(
    "is of a process that gets %s, after the silence timeout when it is frozen",
    async (signal) => {
      const heartbeat = { pingIntervalMs: 100, silenceTimeoutMs: 2000, pongTimeoutMs: 1000 };
      await using parley = await server.startAnother({ heartbeat });
      const room = await parley.createRoom([alice, bob]);
      const watcher = await parley.connectV2(room, bob);
      const [bun = ""] = parleyCommand;
      await using child = startProcess([bun, "-e", program], {
        cwd: root,
        env: { URL: `ws://${parley.host}/ws/chat/${room}/`, TOKEN: await parley.token(alice) },
      });
      await child.waitForOutput(/connected/);
      await told(watcher, alice, true);
      const start = performance.now();
      child.kill(signal);
      await told(watcher, alice, false);
      if (signal === "SIGSTOP")
        expect(performance.now() - start).toBeGreaterThan(heartbeat.silenceTimeoutMs / 2);
    },
    20_000,
  );
});

describe.if(isLinux)("a reader that pauses and goes on", () => {
  test("knows of all who came and went at once", async () => {
    const arriving = guests(5);
    const leaving = [carol, "dave@example.com"];
    const room = await server.createRoom([alice, bob, ...leaving, ...arriving]);
    const [writer, ...leavers] = await Promise.all(
      [bob, ...leaving].map((email) => server.connectV2(room, email)),
    );
    if (!writer) throw new Error("no writer");
    for (const email of leaving) await waitUntil(`${email} is online`, () => isOnline(writer, email));
    const slow = await openRaw("chat.v2", server.host, room, await server.token(alice));
    await readUntil(slow, isPresence(alice, true));
    slow.socket.pause();
    await fillSendBuffer(slow, writer, 192 * 1024);
    const [arrivers] = await Promise.all([
      Promise.all(arriving.map((email) => server.connectV2(room, email))),
      ...leavers.map((leaver) => leaver.close()),
    ]);
    // By this notice the server finds that the reader is slow, before presence is announced.
    await arrivers[0]?.ack({ type: "read", seq: 1 });
    for (const email of arriving) await told(writer, email, true);
    for (const email of leaving) await told(writer, email, false);
    slow.socket.resume();
    const known = new Set<string | null>([alice, bob, ...leaving]);
    const reading = (async () => {
      for (;;) trackOnline(known, (await slow.next()) as V2Frame);
    })().catch(() => undefined);
    const expected = list([alice, bob, ...arriving]);
    await waitUntil("the reader knows who is online", () => list(known) === expected);
    slow.destroy();
    await reading;
    for (const client of [writer, ...arrivers]) await client.close();
  }, 30_000);

  test("knows in the end who is online, whatever happened when", async () => {
    const random = new Random(1, "presence");
    const emails = guests(8);
    const room = await server.createRoom([alice, bob, ...emails]);
    const writer = await server.connectV2(room, bob);
    const slow = await openRaw("chat.v2", server.host, room, await server.token(alice));
    const known = new Set<string | null>();
    /** Returns the `rev` of a change. */
    const receive = (frame: V2Frame): number => {
      trackOnline(known, frame);
      return frame.type === "change" ? frame.message.rev : 0;
    };
    const clients = new Map<string, V2Client>();
    /** A guest comes, goes or moves their read mark. */
    const act = async (email: string) => {
      const client = clients.get(email);
      if (random.chance(0.3)) {
        await client?.ack({ type: "read", seq: random.integer(writer.cursor + 1) });
      } else if (client) {
        clients.delete(email);
        await client.close();
      } else {
        clients.set(email, await server.connectV2(room, email));
      }
    };
    const expected = () => list([alice, bob, ...clients.keys()]);
    for (let round = 0; round < 2; round++) {
      // Some while the reader reads, and some while it pauses.
      await Promise.all(emails.map(act));
      slow.socket.pause();
      // In some rounds the reader is only just slow.
      await fillSendBuffer(slow, writer, random.chance(0.7) ? 192 * 1024 : 32 * 1024);
      await Promise.all(emails.map(act));
      await waitUntil("the others know", () => list(onlineFor(writer)) === expected());
      slow.socket.resume();
      const end = writer.cursor - random.integer(20);
      await readUntil(slow, (frame) => receive(frame) >= end);
    }
    const reading = (async () => {
      for (;;) receive((await slow.next()) as V2Frame);
    })().catch(() => undefined);
    await waitUntil("the reader knows who is online", () => list(known) === expected());
    slow.destroy();
    await reading;
    for (const client of [writer, ...clients.values()]) await client.close();
  }, 60_000);
});
