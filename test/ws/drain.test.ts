import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { copyFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { callApi, expectProblem } from "../support/api.ts";
import { connect, dialects, refusal, refusedWith, V2Client } from "../support/client.ts";
import { fillRoom, replay, storedMessages } from "../support/messages.ts";
import { connectRaw, encodeFrame, encodeText, opcodes, RawConnection } from "../support/raw.ts";
import { unlimited, useServer } from "../support/server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

// A shutdown: clients are told to come back, one after the other, and everything that was accepted is stored.

const { startAnother, token } = useServer();

const emails = ["ann", "ben", "cat", "dan", "eve"].map((name) => `${name}@example.com`);
const [ann = "", ben = ""] = emails;
const RESTARTING = { code: 1012, reason: "restarting" };

/** A server with a room, on a database that is kept when the server has stopped. */
async function start(folder: { path: string }, drainSeconds: number) {
  const env = {
    ...unlimited,
    PARLEY_DRAIN: String(drainSeconds),
    PARLEY_DATABASE: join(folder.path, "parley.db"),
  };
  const server = await startAnother({ env });
  const exists = await server.asOperator(async (chat) => (await chat.rooms.all()).length > 0);
  if (!exists) await server.createRoom(emails, { id: "lobby" });
  return server;
}

/** The messages in a database that no server has open. */
function storedTexts(folder: { path: string }): { seq: number; text: string }[] {
  using database = new Database(join(folder.path, "parley.db"), { readonly: true });
  return database
    .query<{ seq: number; text: string }, []>("SELECT seq, text FROM messages ORDER BY seq")
    .all();
}

test("sessions are told to come back and closed with 1012, and no new ones start", async () => {
  using folder = temporaryFolder();
  await using server = await start(folder, 1);
  const clients = await Promise.all(emails.map((email) => server.connectSession(email)));
  await Promise.all(clients.map((client) => client.open("lobby")));
  const stopped = server.stop();
  expect(await refusedWith(server.connectSession(ann))).toBe("1012 restarting");
  const last = clients.findLast(({ socket }) => socket.readyState === socket.OPEN);
  await last?.ack({ type: "send", room: "lobby", text: "one more thing" });
  await stopped;
  for (const client of clients) {
    expect(await client.closed).toEqual(RESTARTING);
    expect(client.texts.at(-1)).toBe('{"type":"restarting","retry_after_ms":2000}');
  }
  expect(storedTexts(folder)).toEqual([{ seq: 1, text: "one more thing" }]);
});

describe.each([...dialects])("%s", (dialect) => {
  test("connections are closed with 1012, one after the other over the drain time", async () => {
    using folder = temporaryFolder();
    await using server = await start(folder, 1);
    const clients = await Promise.all(
      [...emails, ...emails].map((email) => server.connect(dialect, "lobby", email)),
    );
    const begin = performance.now();
    const times: number[] = [];
    for (const { closed } of clients) void closed.then(() => times.push(performance.now() - begin));
    await server.stop();
    for (const client of clients) {
      expect(await client.closed).toEqual(RESTARTING);
      if (!(client instanceof V2Client)) continue;
      // The last frame tells when to come back: after the drain time and a second for the start.
      expect(client.unread("restarting")).toHaveLength(1);
      expect(JSON.parse(client.texts.at(-1) ?? "")).toEqual({ type: "restarting", retry_after_ms: 2000 });
    }
    // There are ten, a tenth of a second apart.
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(400);
    expect(times.filter((time) => time < 500).length).toBeLessThan(9);
  });

  test("meanwhile the server is not ready and refuses connections, and open ones work", async () => {
    using folder = temporaryFolder();
    await using server = await start(folder, 3);
    expect((await callApi(server, "GET /readyz")).status).toBe(200);
    const clients = await Promise.all(
      [ann, ann, ann].map((email) => server.connect(dialect, "lobby", email)),
    );
    const stopped = server.stop();
    expect((await callApi(server, "GET /readyz")).status).toBe(503);
    expect((await callApi(server, "GET /healthz")).status).toBe(200);
    const restarting = dialect === "classic" ? "503 restarting" : "1012 restarting";
    expect(await refusedWith(server.connect(dialect, "lobby", ann))).toBe(restarting);
    expect(await refusedWith(connect(dialect, server.host, "lobby"))).toBe(restarting);
    // The last one to be closed has two thirds of the time left.
    const last = clients.findLast(({ socket }) => socket.readyState === socket.OPEN);
    last?.post("one more thing");
    expect(await last?.nextText()).toBe("one more thing");
    await stopped;
    expect(storedTexts(folder)).toEqual([{ seq: 1, text: "one more thing" }]);
  }, 10_000);

  test("messages sent before are stored in order, and none that was broadcast is lost", async () => {
    using folder = temporaryFolder();
    await using server = await start(folder, 0);
    const listener = await server.connect(dialect, "lobby", ann);
    const raws = await Promise.all(
      emails.map(async (email) => connectRaw(dialect, server.host, "lobby", await token(email))),
    );
    for (const [index, raw] of raws.entries())
      raw.write(...Array.from({ length: 400 }, (_, n) => encodeText(dialect, `${index} ${n}`)));
    const received = [await listener.nextText()];
    await server.stop();
    await listener.closed;
    for (;;) {
      const text = await listener.nextText().catch(() => undefined);
      if (text === undefined) break;
      received.push(text);
    }
    const stored = storedTexts(folder);
    expect(stored.map(({ seq }) => seq)).toEqual(stored.map((_, index) => index + 1));
    const texts = stored.map(({ text }) => text);
    expect(texts.slice(0, received.length)).toEqual(received);
    // Each sender's messages are stored from the first one on, without gaps.
    for (const index of raws.keys()) {
      const own = texts.filter((text) => text.startsWith(`${index} `));
      expect(own).toEqual(own.map((_, n) => `${index} ${n}`));
    }
  });

  test("a message that waits for the disk is stored", async () => {
    using folder = temporaryFolder();
    await using server = await start(folder, 0);
    const raw = await connectRaw(dialect, server.host, "lobby", await token(ann));
    using database = new Database(server.config.database);
    database.run("BEGIN IMMEDIATE");
    raw.write(encodeText(dialect, "just in time"), encodeFrame("", { opcode: opcodes.ping }));
    // The pong shows that the server has read the message before the ping.
    let frame = await raw.frame();
    while (frame.opcode !== opcodes.pong) frame = await raw.frame();
    const stopped = server.stop();
    expect(await raw.close()).toEqual(RESTARTING);
    // Enough time for a server that does not wait for the disk to stop.
    await Promise.race([stopped, Bun.sleep(200)]);
    database.run("COMMIT");
    await stopped;
    expect(storedTexts(folder)).toEqual([{ seq: 1, text: "just in time" }]);
  });
});

test("clients go on with the next server, even one that was cut off while catching up", async () => {
  using folder = temporaryFolder();
  const first = await start(folder, 0);
  fillRoom(first, "lobby", 100_000);
  const live = await first.connectV2("lobby", ben);
  await live.say("before");
  const behind = await first.connectV2("lobby", ann, { since: 0 });
  await first.stop();
  for (const client of [live, behind]) expect(await client.closed).toEqual(RESTARTING);
  expect(behind.cursor).toBeLessThan(100_000);
  await using second = await start(folder, 0);
  const resumedLive = await second.connectV2("lobby", ben, { after: live });
  const resumedBehind = await second.connectV2("lobby", ann, { after: behind });
  const { rev } = await resumedLive.say("after");
  for (const [before, client] of [
    [live, resumedLive],
    [behind, resumedBehind],
  ] as const) {
    await client.reach(rev);
    replay(client, before.cursor);
  }
  expect(resumedBehind.known()).toEqual(await storedMessages(second, "lobby"));
}, 20_000);

test("requests and upgrades are refused with Retry-After; pages of allowed origins may read the refusal", async () => {
  using folder = temporaryFolder();
  await using server = await start(folder, 3);
  const clients = await Promise.all([ann, ann].map((email) => server.connectClassic("lobby", email)));
  const stopped = server.stop();
  const { headers } = await refusal(server.connectClassic("lobby", ann));
  expect(Number(headers["retry-after"])).toBeGreaterThan(0);
  for (const request of ["GET /api/me", "POST /api/rooms", "GET /api/nothing"]) {
    const answer = await callApi(server, request, {
      token: await token(ann),
      headers: { origin: server.url },
    });
    expectProblem(answer, 503, "restarting");
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(answer.headers.get("access-control-allow-origin")).toBe(server.url);
  }
  const foreign = await callApi(server, "GET /api/me", { headers: { origin: "https://evil.example" } });
  expect(foreign.headers.get("access-control-allow-origin")).toBeNull();
  for (const client of clients) client.socket.terminate();
  await stopped;
}, 10_000);

test("clients that do not answer, read or finish their request do not delay it", async () => {
  using folder = temporaryFolder();
  await using server = await start(folder, 0);
  const [silent, notReading] = [
    await connectRaw("classic", server.host, "lobby", await token(ann)),
    await connectRaw("classic", server.host, "lobby", await token(ann)),
  ];
  notReading.socket.pause();
  const sender = await server.connectClassic("lobby", ann);
  for (let n = 0; n < 100; n++) sender.post("x".repeat(8000));
  for (let n = 0; n < 100; n++) await sender.nextText();
  const half = await RawConnection.open(server.host);
  const authorization = `authorization: Bearer ${await token(ann)}`;
  half.write(
    ["POST /api/rooms HTTP/1.1", "host: x", authorization, "content-length: 10", "", "{"].join("\r\n"),
  );
  const idle = await RawConnection.open(server.host);
  idle.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
  expect((await idle.answer()).status).toBe(200);
  const begin = performance.now();
  await server.stop();
  expect(await silent.close()).toEqual(RESTARTING);
  notReading.socket.resume();
  await Promise.all([silent.ended, notReading.ended, half.ended, idle.ended]);
  // Long before Bun's own idle timeout of 12 seconds.
  expect(performance.now() - begin).toBeLessThan(6000);
  expect(await RawConnection.open(server.host).catch(() => "refused")).toBe("refused");
}, 20_000);

test("afterwards the database is one file", async () => {
  using folder = temporaryFolder();
  using copy = temporaryFolder();
  await using server = await start(folder, 0);
  const client = await server.connectClassic("lobby", ann);
  client.post("kept");
  await client.nextText();
  const walSize = () => statSync(join(folder.path, "parley.db-wal"), { throwIfNoEntry: false })?.size ?? 0;
  expect(walSize()).toBeGreaterThan(0);
  await server.stop();
  expect(walSize()).toBe(0);
  copyFileSync(join(folder.path, "parley.db"), join(copy.path, "parley.db"));
  expect(storedTexts(copy)).toEqual([{ seq: 1, text: "kept" }]);
});

test("a server without connections stops at once, whatever its drain time", async () => {
  using folder = temporaryFolder();
  await using server = await start(folder, 60);
  await server.stop();
});
