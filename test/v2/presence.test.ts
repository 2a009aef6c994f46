import { expect, test } from "bun:test";

import type { ServerFrame } from "../../src/protocol/frames.ts";
import { connectV2, type V2Client } from "../support/client.ts";
import { parleyCommand, root, startProcess } from "../support/process.ts";
import { connectRawV2 } from "../support/raw.ts";
import { useServer } from "../support/server.ts";

// Who is there, and who is not any more.

const heartbeat = { pingIntervalMs: 100, silenceTimeoutMs: 2000, pongTimeoutMs: 1000 };
const server = useServer({
  heartbeat,
  env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" },
});
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";
const carol = "carol@example.com";

const open = async (room: string, email: string) =>
  connectV2(server.host, room, { token: await token(email) });

const isPresence = (frame: ServerFrame) => frame.type === "presence";

/** Resolves when a client hears that somebody came or went. What it heard before stays. */
function hears(client: V2Client, email: string, online: boolean): Promise<ServerFrame> {
  return client.next((frame) => isPresence(frame) && frame.user.email === email && frame.online === online);
}

/** What a client was told of somebody so far, in order. */
const told = (client: V2Client, email: string) =>
  client.texts
    .map((text) => JSON.parse(text) as ServerFrame)
    .filter(isPresence)
    .filter(({ user }) => user.email === email)
    .map(({ online }) => online);

test("who comes is told to everyone there, and who goes as well", async () => {
  const room = await createRoom([alice, bob]);
  const watcher = await open(room, bob);
  const client = await open(room, alice);
  const user = { id: `user|${alice}`, email: alice, name: null };
  expect(await hears(watcher, alice, true)).toStrictEqual({ type: "presence", user, online: true });
  await client.close();
  expect(await hears(watcher, alice, false)).toStrictEqual({ type: "presence", user, online: false });
});

test("somebody with two tabs comes once, and goes with the last of them", async () => {
  const room = await createRoom([alice, bob, carol]);
  const watcher = await open(room, bob);
  const first = await open(room, alice);
  await hears(watcher, alice, true);
  const second = await open(room, alice);
  const other = await open(room, carol);
  await hears(watcher, carol, true);
  await first.close();
  await other.close();
  // Had the second tab come, or the first one gone, it would have been told by now.
  await hears(watcher, carol, false);
  expect(told(watcher, alice)).toEqual([true]);
  expect((await open(room, carol)).hello.online.map(({ email }) => email)).toEqual([bob, alice, carol]);
  await second.close();
  await hears(watcher, alice, false);
  expect(told(watcher, alice)).toEqual([true, false]);
});

test("two tabs that open in one moment are one arrival", async () => {
  const room = await createRoom([alice, bob, carol]);
  const watcher = await open(room, bob);
  await Promise.all([open(room, alice), open(room, alice), open(room, alice)]);
  await hears(watcher, alice, true);
  await open(room, carol);
  await hears(watcher, carol, true);
  expect(told(watcher, alice)).toEqual([true]);
});

test("hello says who is there, himself included, each once, in the order in which they came", async () => {
  const room = await createRoom([alice, bob, carol]);
  expect((await open(room, carol)).hello.online).toEqual([{ id: `user|${carol}`, email: carol, name: null }]);
  await open(room, alice);
  await open(room, alice);
  const { hello } = await open(room, bob);
  expect(hello.online.map(({ email }) => email)).toEqual([carol, alice, bob]);
});

test("somebody on a classic socket is there as well", async () => {
  const room = await createRoom([alice, bob]);
  const watcher = await open(room, bob);
  const classic = await server.connectClassic(room, alice);
  await hears(watcher, alice, true);
  expect((await open(room, bob)).hello.online.map(({ email }) => email)).toEqual([bob, alice]);
  const tab = await open(room, alice);
  await classic.close();
  await tab.close();
  await hears(watcher, alice, false);
  expect(told(watcher, alice)).toEqual([true, false]);
  // Who speaks classic hears nothing of all this.
  expect(classic.unread()).toEqual([]);
});

test("somebody who is in two rooms comes and goes in each", async () => {
  const [here, there] = [await createRoom([alice, bob]), await createRoom([alice, bob])];
  const watchers = [await open(here, bob), await open(there, bob)] as const;
  const [first, second] = [await open(here, alice), await open(there, alice)];
  for (const watcher of watchers) await hears(watcher, alice, true);
  await first.close();
  await hears(watchers[0], alice, false);
  await second.close();
  await hears(watchers[1], alice, false);
  for (const watcher of watchers) expect(told(watcher, alice)).toEqual([true, false]);
});

test("whoever loads his page anew is there", async () => {
  const room = await createRoom([alice, bob, carol]);
  const watcher = await open(room, bob);
  const before = await open(room, alice);
  await hears(watcher, alice, true);
  await before.close();
  await open(room, alice);
  await open(room, carol);
  await hears(watcher, carol, true);
  expect(told(watcher, alice).at(-1)).toBe(true);
});

test.each([
  ["cuts his connection", (client: V2Client) => client.socket.terminate()],
  ["closes it", (client: V2Client) => client.socket.close(1000)],
  ["breaks the protocol", (client: V2Client) => client.send("x".repeat(70_000))],
])("whoever %s is gone", async (_, leave) => {
  const room = await createRoom([alice, bob]);
  const watcher = await open(room, bob);
  const client = await open(room, alice);
  await hears(watcher, alice, true);
  leave(client);
  await hears(watcher, alice, false);
});

test("a connection that is reset is gone", async () => {
  const room = await createRoom([alice, bob]);
  const watcher = await open(room, bob);
  const raw = await connectRawV2(server.host, room, await token(alice));
  await hears(watcher, alice, true);
  raw.socket.resetAndDestroy();
  await hears(watcher, alice, false);
});

/** A client in a process of its own. */
const program = `
  const socket = new WebSocket(process.env.URL, { headers: {
    authorization: "Bearer " + process.env.TOKEN, "sec-websocket-protocol": "chat.v2" } });
  socket.onmessage = () => console.log("connected");
`;

test.each(["SIGKILL", "SIGSTOP"] as const)(
  "a client whose process is sent %s is gone, the frozen one after the time of silence",
  async (signal) => {
    const room = await createRoom([alice, bob]);
    const watcher = await open(room, bob);
    const [bun = ""] = parleyCommand;
    await using child = startProcess([bun, "-e", program], {
      cwd: root,
      env: { URL: `ws://${server.host}/ws/chat/${room}/`, TOKEN: await token(alice) },
    });
    await child.waitForOutput(/connected/);
    await hears(watcher, alice, true);
    const begun = performance.now();
    child.kill(signal);
    await hears(watcher, alice, false);
    if (signal === "SIGSTOP")
      expect(performance.now() - begun).toBeGreaterThan(heartbeat.silenceTimeoutMs / 2);
  },
  20_000,
);

test("nobody in another room hears who comes and goes", async () => {
  const [room, other] = [await createRoom([alice, bob]), await createRoom([bob, carol])];
  const [watcher, stranger] = [await open(room, bob), await open(other, carol)];
  const client = await open(room, alice);
  await hears(watcher, alice, true);
  await client.close();
  await hears(watcher, alice, false);
  await stranger.say("is anybody there?");
  await stranger.next("change");
  expect(told(stranger, alice)).toEqual([]);
  expect(stranger.hello.online.map(({ email }) => email)).toEqual([carol]);
});
