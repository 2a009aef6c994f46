import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";

import type { ServerFrame } from "../../src/protocol/frames.ts";
import { connect } from "../support/client.ts";
import { type Parley, startParley, temporaryFolder } from "../support/parley.ts";
import { newRoomId, stage } from "../support/stage.ts";
import { fill, rawV2, replay, stored } from "../support/v2-resume.ts";
import { closing, connectV2, type V2, type V2Options } from "../support/v2.ts";

// Everyone has to go: the server restarts, or can't read what it is to tell.

const on = stage({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });

const alice = "alice@example.com";
const bob = "bob@example.com";

const enter = async ({ host }: Parley, room: string, email: string, options: V2Options = {}) =>
  connectV2(host, room, { token: await on.token(email), ...options });

function start(path: string, drain: string): Promise<Parley> {
  const env = {
    PARLEY_MESSAGE_RATE: "0",
    PARLEY_CONNECTIONS_PER_USER: "0",
    PARLEY_DRAIN: drain,
    PARLEY_DATABASE: join(path, "parley.db"),
  };
  return startParley({ issuer: on.issuer.issuer, env });
}

const lastOf = ({ texts }: V2) => JSON.parse(texts.at(-1) ?? "{}") as ServerFrame;

test("at a restart each is told when to come back, right before his 1012, so that they come as they went", async () => {
  using folder = temporaryFolder();
  await using parley = await start(folder.path, "1");
  await parley.room("room", [alice, bob]);
  const clients = [];
  while (clients.length < 5) clients.push(await enter(parley, "room", alice));
  const classic = await connect(parley.host, "room", { token: await on.token(bob) });
  expect(await classic.next()).toEqual([]);
  const ends: V2[] = [];
  for (const client of clients) void client.closed.then(() => ends.push(client));
  await parley.stop();
  for (const client of ends) {
    expect(await client.closed).toMatchObject({ code: 1012, reason: "restarting" });
    expect(client.waiting("restarting")).toHaveLength(1);
    // The drain time, and a second for the start.
    expect(lastOf(client)).toEqual({ type: "restarting", retry_after_ms: 2000 });
  }
  expect(ends).toHaveLength(5);
  expect(await classic.closed).toEqual({ code: 1012, reason: "restarting" });
  expect(classic.waiting()).toEqual([]);
}, 10_000);

test("whoever connects while the server shuts down is told to come back, and whoever is still in goes on", async () => {
  using folder = temporaryFolder();
  await using parley = await start(folder.path, "3");
  await parley.room("room", [alice, bob]);
  const clients = [
    await enter(parley, "room", alice),
    await enter(parley, "room", bob),
    await enter(parley, "room", bob),
  ];
  const stopped = parley.stop();
  expect(await closing(enter(parley, "room", alice))).toBe("1012 restarting");
  expect(await closing(connectV2(parley.host, "room"))).toBe("1012 restarting");
  const last = clients.findLast(({ socket }) => socket.readyState === socket.OPEN);
  expect(await last?.say("one more thing")).toMatchObject({ seq: 1 });
  expect(await last?.closed).toMatchObject({ code: 1012, reason: "restarting" });
  await stopped;
}, 10_000);

test("whoever had to go goes on with the next server, in the middle of what he was sent too", async () => {
  using folder = temporaryFolder();
  let parley = await start(folder.path, "0");
  await parley.room("room", [alice, bob]);
  fill(parley, "room", 100_000);
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
  expect(again[1][1].known()).toEqual(await stored(parley, "room"));
  await parley.stop();
}, 20_000);

/** Works while no message can be read. */
async function unreadable<T>(work: () => Promise<T>): Promise<T> {
  using database = new Database(on.parley.config.database);
  database.run("ALTER TABLE messages RENAME TO hidden");
  try {
    return await work();
  } finally {
    database.run("ALTER TABLE hidden RENAME TO messages");
  }
}

test("while the history can't be read whoever comes is told to try again, and whoever is in stays", async () => {
  const id = newRoomId();
  await on.parley.room(id, [alice, bob]);
  fill(on.parley, id, 100);
  // So that nobody is counted as a newcomer to what is remembered.
  const inside = await enter(on.parley, id, bob, { since: 100 });
  await unreadable(async () => {
    expect(await closing(enter(on.parley, id, alice))).toBe("1013 storage_unavailable");
    expect(await closing(enter(on.parley, id, alice, { since: 10 }))).toBe("1013 storage_unavailable");
    expect(await inside.error({ type: "send", text: "lost" })).toMatchObject({ code: "storage_unavailable" });
  });
  await inside.say("on we go");
  const back = await enter(on.parley, id, alice, { since: 10 });
  await back.reach(101);
  expect(back.known()).toEqual((await stored(on.parley, id)).slice(10));
  // None of those who were turned away is counted among who is there.
  expect(back.hello.online.map(({ email }) => email)).toEqual([bob, alice]);
});

test("whoever can't be sent the rest of what he missed is told to try again, and goes on from where he was", async () => {
  const id = newRoomId();
  await on.parley.room(id, [alice, bob]);
  const length = 100_000;
  fill(on.parley, id, length);
  const raw = await rawV2(on.parley.host, id, await on.token(alice), 0);
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
  const back = await enter(on.parley, id, alice, { since: cursor });
  await back.reach(length);
  expect(replay(back, cursor).size).toBe(length - cursor);
}, 30_000);
