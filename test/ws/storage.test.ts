import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";

import { refusedWith } from "../support/client.ts";
import { fillRoom, replay, storedMessages } from "../support/messages.ts";
import { openRaw } from "../support/raw.ts";
import { unlimited, useServer } from "../support/server.ts";

// chat.v2 while messages cannot be read: nobody is given an incomplete room. A disk that fails is in disk.test.ts.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";
const bob = "bob@example.com";

/** Works while no message can be read. */
async function withoutMessages<T>(work: () => Promise<T>): Promise<T> {
  using database = new Database(server.config.database);
  database.run("ALTER TABLE messages RENAME TO hidden");
  try {
    return await work();
  } finally {
    database.run("ALTER TABLE hidden RENAME TO messages");
  }
}

test("new connections are told to try again, and open ones stay", async () => {
  const room = await server.createRoom([alice, bob]);
  fillRoom(server, room, 100);
  const open = await server.connectV2(room, bob, { since: 100 });
  await withoutMessages(async () => {
    for (const options of [{}, { since: 10 }])
      expect(await refusedWith(server.connectV2(room, alice, options))).toBe("1013 storage_unavailable");
    expect(await open.error({ type: "send", text: "lost" })).toMatchObject({ code: "storage_unavailable" });
  });
  await open.say("goes on");
  const back = await server.connectV2(room, alice, { since: 10 });
  await back.reach(101);
  expect(back.known()).toEqual((await storedMessages(server, room)).slice(10));
  // Those that were refused are not online.
  expect(back.hello.online.map(({ email }) => email)).toEqual([bob, alice]);
});

test("a client that is catching up is told to try again, and goes on from where it was", async () => {
  const room = await server.createRoom([alice, bob]);
  const length = 100_000;
  fillRoom(server, room, length);
  const raw = await openRaw("chat.v2", server.host, room, await server.token(alice), 0);
  raw.socket.pause();
  let cursor = 0;
  const close = await withoutMessages(async () => {
    raw.socket.resume();
    for (;;) {
      const { opcode, payload } = await raw.frame();
      if (opcode === 8) return `${payload.readUInt16BE()} ${String(payload.subarray(2))}`;
      if (opcode === 1) ({ rev: cursor } = JSON.parse(String(payload)) as { rev: number });
    }
  });
  expect(close).toBe("1013 storage_unavailable");
  expect(cursor).toBeLessThan(length);
  raw.destroy();
  const back = await server.connectV2(room, alice, { since: cursor });
  await back.reach(length);
  expect(replay(back, cursor).size).toBe(length - cursor);
}, 30_000);
