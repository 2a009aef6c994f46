import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";

import type { ServerFrame } from "../../src/protocol/frames.ts";
import { connectClassic, connectV2, refusedWith, type V2Client, type V2Options } from "../support/client.ts";
import { fillRoom, replay, storedMessages } from "../support/messages.ts";
import { connectRawV2 } from "../support/raw.ts";
import { newRoomId, type TestServer, useServer } from "../support/server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

// Everyone has to go: the server restarts, or can't read what it is to tell.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });

const alice = "alice@example.com";
const bob = "bob@example.com";

const enter = async (
  { host }: Pick<TestServer, "host">,
  room: string,
  email: string,
  options: V2Options = {},
) => connectV2(host, room, { token: await server.token(email), ...options });

function start(path: string, drain: string): Promise<TestServer> {
  const env = {
    PARLEY_MESSAGE_RATE: "0",
    PARLEY_CONNECTIONS_PER_USER: "0",
    PARLEY_DRAIN: drain,
    PARLEY_DATABASE: join(path, "parley.db"),
  };
  return server.startAnother({ env });
}

const lastOf = ({ texts }: V2Client) => JSON.parse(texts.at(-1) ?? "{}") as ServerFrame;

test("at a restart each is told when to come back, right before his 1012, so that they come as they went", async () => {
  using folder = temporaryFolder();
  await using parley = await start(folder.path, "1");
  await parley.createRoom([alice, bob], { id: "room" });
  const clients = [];
  while (clients.length < 5) clients.push(await enter(parley, "room", alice));
  const classic = await connectClassic(parley.host, "room", { token: await server.token(bob) });
  expect(classic.history).toEqual([]);
  const ends: V2Client[] = [];
  for (const client of clients) void client.closed.then(() => ends.push(client));
  await parley.stop();
  for (const client of ends) {
    expect(await client.closed).toMatchObject({ code: 1012, reason: "restarting" });
    expect(client.unread("restarting")).toHaveLength(1);
    // The drain time, and a second for the start.
    expect(lastOf(client)).toEqual({ type: "restarting", retry_after_ms: 2000 });
  }
  expect(ends).toHaveLength(5);
  expect(await classic.closed).toEqual({ code: 1012, reason: "restarting" });
  expect(classic.unread()).toEqual([]);
}, 10_000);

test("whoever connects while the server shuts down is told to come back, and whoever is still in goes on", async () => {
  using folder = temporaryFolder();
  await using parley = await start(folder.path, "3");
  await parley.createRoom([alice, bob], { id: "room" });
  const clients = [
    await enter(parley, "room", alice),
    await enter(parley, "room", bob),
    await enter(parley, "room", bob),
  ];
  const stopped = parley.stop();
  expect(await refusedWith(enter(parley, "room", alice))).toBe("1012 restarting");
  expect(await refusedWith(connectV2(parley.host, "room"))).toBe("1012 restarting");
  const last = clients.findLast(({ socket }) => socket.readyState === socket.OPEN);
  expect(await last?.say("one more thing")).toMatchObject({ seq: 1 });
  expect(await last?.closed).toMatchObject({ code: 1012, reason: "restarting" });
  await stopped;
}, 10_000);

test("whoever had to go goes on with the next server, in the middle of what he was sent too", async () => {
  using folder = temporaryFolder();
  let parley = await start(folder.path, "0");
  await parley.createRoom([alice, bob], { id: "room" });
  fillRoom(parley, "room", 100_000);
  const live = await enter(parley, "room", bob);
  await live.say("before");
  const behind = await enter(parley, "room", alice, { since: 0 });
  await parley.stop();
  for (const client of [live, behind]) expect(await client.closed).toMatchObject({ code: 1012 });
  expect(behind.cursor).toBeLessThan(100_000);
  // Not by `stop`, which would take the folder away.
  parley = await start(folder.path, "0");
  const again = [
    [live, await enter(parley, "room", bob, { after: live })],
    [behind, await enter(parley, "room", alice, { after: behind })],
  ] as const;
  const { rev } = await again[0][1].say("after");
  for (const [before, client] of again) {
    await client.reach(rev);
    replay(client, before.cursor);
  }
  expect(again[1][1].known()).toEqual(await storedMessages(parley, "room"));
  await parley.stop();
}, 20_000);

/** Works while no message can be read. */
async function unreadable<T>(work: () => Promise<T>): Promise<T> {
  using database = new Database(server.config.database);
  database.run("ALTER TABLE messages RENAME TO hidden");
  try {
    return await work();
  } finally {
    database.run("ALTER TABLE hidden RENAME TO messages");
  }
}

test("while the history can't be read whoever comes is told to try again, and whoever is in stays", async () => {
  const id = newRoomId();
  await server.createRoom([alice, bob], { id });
  fillRoom(server, id, 100);
  // So that nobody is counted as a newcomer to what is remembered.
  const inside = await enter(server, id, bob, { since: 100 });
  await unreadable(async () => {
    expect(await refusedWith(enter(server, id, alice))).toBe("1013 storage_unavailable");
    expect(await refusedWith(enter(server, id, alice, { since: 10 }))).toBe("1013 storage_unavailable");
    expect(await inside.error({ type: "send", text: "lost" })).toMatchObject({ code: "storage_unavailable" });
  });
  await inside.say("on we go");
  const back = await enter(server, id, alice, { since: 10 });
  await back.reach(101);
  expect(back.known()).toEqual((await storedMessages(server, id)).slice(10));
  // None of those who were turned away is counted among who is there.
  expect(back.hello.online.map(({ email }) => email)).toEqual([bob, alice]);
});

test("whoever can't be sent the rest of what he missed is told to try again, and goes on from where he was", async () => {
  const id = newRoomId();
  await server.createRoom([alice, bob], { id });
  const length = 100_000;
  fillRoom(server, id, length);
  const raw = await connectRawV2(server.host, id, await server.token(alice), 0);
  raw.socket.pause();
  let cursor = 0;
  const close = await unreadable(async () => {
    raw.socket.resume();
    for (;;) {
      const { opcode, payload } = await raw.frame();
      if (opcode === 8) return `${payload.readUInt16BE()} ${String(payload.subarray(2))}`;
      if (opcode === 1) ({ rev: cursor } = JSON.parse(payload.toString()) as { rev: number });
    }
  });
  expect(close).toBe("1013 storage_unavailable");
  expect(cursor).toBeLessThan(length);
  raw.destroy();
  const back = await enter(server, id, alice, { since: cursor });
  await back.reach(length);
  expect(replay(back, cursor).size).toBe(length - cursor);
}, 30_000);
