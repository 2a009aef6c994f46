import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { copyFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { type ClassicClient, connectClassic, refusal } from "./support/client.ts";
import { connectRaw, encodeFrame, encodeText, opcodes, RawConnection } from "./support/raw.ts";
import { newRoomId, type TestServer, useServer } from "./support/server.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const { startAnother, token } = useServer();

const emails = ["ann", "ben", "cat", "dan", "eve"].map((name) => `${name}@example.com`) as [
  string,
  ...string[],
];

interface Server extends AsyncDisposable {
  parley: TestServer;
  room: string;
  open: (email: string) => Promise<ClassicClient>;
}

async function start(env: Record<string, string>, path: string): Promise<Server> {
  const lifted = { PARLEY_MESSAGE_RATE: "0", PARLEY_DATABASE: join(path, "parley.db") };
  const parley = await startAnother({ env: { ...lifted, ...env } });
  const room = newRoomId();
  await parley.createRoom(emails, { id: room });
  const open = async (email: string) => {
    return connectClassic(parley.host, room, { token: await token(email) });
  };
  return { parley, room, open, [Symbol.asyncDispose]: () => parley[Symbol.asyncDispose]() };
}

/** The messages in a database that no server has open any more. */
function stored(path: string): { seq: number; text: string }[] {
  using database = new Database(join(path, "parley.db"), { readonly: true });
  return database
    .query<{ seq: number; text: string }, []>("SELECT seq, text FROM messages ORDER BY seq")
    .all();
}

test("a shutdown closes connections with 1012, one after the other over the drain time", async () => {
  using folder = temporaryFolder();
  await using server = await start({ PARLEY_DRAIN: "1" }, folder.path);
  const clients = await Promise.all([...emails, ...emails].map(server.open));
  const begin = performance.now();
  const times: number[] = [];
  const closes = clients.map(async ({ closed }) => {
    const how = await closed;
    times.push(performance.now() - begin);
    return how;
  });
  await Promise.all([server.parley.stop(), ...closes]);
  for (const close of closes) expect(await close).toEqual({ code: 1012, reason: "restarting" });
  // There are ten, a tenth of a second apart.
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  expect(last - first).toBeGreaterThan(400);
  const early = times.filter((time) => time < 500).length;
  expect(early).toBeLessThan(9);
});

test("during a shutdown the server is not ready and refuses connections, and open ones still work", async () => {
  using folder = temporaryFolder();
  await using server = await start({ PARLEY_DRAIN: "3" }, folder.path);
  const { host, url } = server.parley;
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  const clients = [await server.open(emails[0]), await server.open(emails[0]), await server.open(emails[0])];
  const stopped = server.parley.stop();
  const ready = await fetch(`${url}/readyz`);
  expect(ready.status).toBe(503);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  const { status, headers, problem } = await refusal(server.open(emails[0]));
  expect({ status, code: problem["code"] }).toEqual({ status: 503, code: "restarting" });
  expect(Number(headers["retry-after"])).toBeGreaterThan(0);
  const anonymous = await refusal(connectClassic(host, server.room));
  expect(anonymous.status).toBe(503);
  // The last one to be closed has two thirds of the time left.
  const last = clients.findLast(({ socket }) => socket.readyState === socket.OPEN);
  last?.send({ message: "one more thing" });
  expect(await last?.next()).toEqual({ message: "one more thing" });
  await stopped;
  expect(stored(folder.path)).toEqual([{ seq: 1, text: "one more thing" }]);
}, 10_000);

test("messages sent before the shutdown are stored in order, and no broadcast one is lost", async () => {
  using folder = temporaryFolder();
  await using server = await start({}, folder.path);
  const listener = await server.open(emails[0]);
  const raws = await Promise.all(
    emails.map(async (email) => connectRaw("classic", server.parley.host, server.room, await token(email))),
  );
  for (const [index, raw] of raws.entries())
    raw.write(...Array.from({ length: 400 }, (_, n) => encodeText("classic", `${index} ${n}`)));
  const received = [await listener.next()];
  await server.parley.stop();
  await listener.closed;
  received.push(...listener.unread());
  const messages = stored(folder.path);
  expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, index) => index + 1));
  const texts = messages.map(({ text }) => text);
  expect(texts.slice(0, received.length)).toEqual(
    received.map((each) => (each as { message: string }).message),
  );
  // Each sender's messages are stored from the first one on, without gaps.
  for (const index of raws.keys()) {
    const mine = texts.filter((text) => text.startsWith(`${index} `));
    expect(mine).toEqual(mine.map((_, n) => `${index} ${n}`));
  }
});

test("a message that waits for the disk at the shutdown is stored", async () => {
  using folder = temporaryFolder();
  await using server = await start({}, folder.path);
  const raw = await connectRaw("classic", server.parley.host, server.room, await token(emails[0]));
  using other = new Database(server.parley.config.database);
  other.run("BEGIN IMMEDIATE");
  raw.write(encodeText("classic", "just in time"), encodeFrame("", { opcode: opcodes.ping }));
  // The pong shows that the server has read the message before the ping.
  expect(await raw.frame()).toMatchObject({ opcode: opcodes.pong });
  const stopped = server.parley.stop();
  expect(await raw.close()).toEqual({ code: 1012, reason: "restarting" });
  // Enough time for a server that does not wait for the disk to stop.
  await Promise.race([stopped, Bun.sleep(200)]);
  other.run("COMMIT");
  await stopped;
  expect(stored(folder.path)).toEqual([{ seq: 1, text: "just in time" }]);
});

test("clients that do not answer, read or finish their request do not delay the shutdown", async () => {
  using folder = temporaryFolder();
  await using server = await start({}, folder.path);
  const { host } = server.parley;
  const [silent, notReading] = [
    await connectRaw("classic", host, server.room, await token(emails[0])),
    await connectRaw("classic", host, server.room, await token(emails[0])),
  ];
  notReading.socket.pause();
  const sender = await server.open(emails[0]);
  for (let n = 0; n < 100; n++) sender.send({ message: "x".repeat(8000) });
  for (let n = 0; n < 100; n++) await sender.next();
  const half = await RawConnection.open(host);
  const authorization = `Bearer ${await token(emails[0])}`;
  const head = [
    "POST /api/rooms HTTP/1.1",
    "host: x",
    `authorization: ${authorization}`,
    "content-length: 10",
  ];
  half.write(`${head.join("\r\n")}\r\n\r\n{`);
  const idle = await RawConnection.open(host);
  idle.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
  expect((await idle.answer()).status).toBe(200);
  const begin = performance.now();
  await server.parley.stop();
  expect(await silent.close()).toEqual({ code: 1012, reason: "restarting" });
  notReading.socket.resume();
  await Promise.all([silent.ended, notReading.ended, half.ended, idle.ended]);
  // Long before Bun's own idle timeout.
  expect(performance.now() - begin).toBeLessThan(6000);
  expect(await RawConnection.open(host).catch(() => "refused")).toBe("refused");
}, 20_000);

test("after the shutdown the database is one file", async () => {
  using folder = temporaryFolder();
  using copy = temporaryFolder();
  await using server = await start({}, folder.path);
  const client = await server.open(emails[0]);
  client.send({ message: "kept" });
  await client.next();
  const walSize = () => statSync(join(folder.path, "parley.db-wal"), { throwIfNoEntry: false })?.size ?? 0;
  expect(walSize()).toBeGreaterThan(0);
  await server.parley.stop();
  expect(walSize()).toBe(0);
  copyFileSync(join(folder.path, "parley.db"), join(copy.path, "parley.db"));
  expect(stored(copy.path)).toEqual([{ seq: 1, text: "kept" }]);
});

test("a server without connections stops at once, whatever its drain time", async () => {
  using folder = temporaryFolder();
  await using server = await start({ PARLEY_DRAIN: "60" }, folder.path);
  await server.parley.stop();
});
