import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, mkdirSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

import { type ClassicClient, connectClassic, refusal } from "./support/client.ts";
import { type Issuer, startIssuer } from "./support/issuer.ts";
import {
  seedDatabase,
  type ServerProcess,
  type ServerProcessOptions,
  startServerProcess,
} from "./support/server-process.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";
import { waitUntil } from "./support/wait.ts";

let issuer: Issuer;
beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer[Symbol.asyncDispose]());

const [alice, bob, carol] = ["alice@example.com", "bob@example.com", "carol@example.com"];

/** A server process on a new database with one room, which is deleted when it goes out of scope. */
async function start(members: string[], options: Partial<Pick<ServerProcessOptions, "wrapper">> = {}) {
  const folder = temporaryFolder();
  const database = join(folder.path, "parley.db");
  await seedDatabase(database, { lobby: members });
  const server = await startServerProcess({ issuer: issuer.issuer, database, ...options });
  return {
    server,
    database,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

async function connect({ url }: ServerProcess, email: string): Promise<ClassicClient> {
  return connectClassic(url.host, "lobby", { token: await issuer.sign(email) });
}

async function statusOf({ url }: ServerProcess, path: string): Promise<number> {
  const response = await fetch(new URL(path, url));
  await response.body?.cancel();
  return response.status;
}

function untilReady(server: ServerProcess): Promise<void> {
  return waitUntil("the server is ready", async () => (await statusOf(server, "/readyz")) === 200, 20_000);
}

/** Ends the server and returns the stored texts, in order. */
async function stopAndRead(server: ServerProcess, database: string): Promise<unknown[]> {
  server.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
  using db = new Database(database, { readonly: true });
  expect(db.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
  const rows = db.query("SELECT text, seq FROM messages ORDER BY seq").values();
  expect(rows.map(([, seq]) => seq)).toEqual(rows.map((_, index) => index + 1));
  return rows.map(([text]) => text);
}

const unavailable = { error: { code: "storage_unavailable", message: expect.any(String) } };

interface Disk {
  /** Makes writes fail. */
  fail: () => void;
  repair: () => void;
}

/** Sends messages before a disk fails, while it fails, and after it was repaired. */
async function expectRecovery(server: ServerProcess, database: string, disk: Disk): Promise<void> {
  const sender = await connect(server, alice);
  const listener = await connect(server, bob);
  // Carol has signed in before the disk fails.
  await (await connect(server, carol)).close();
  const stored: string[] = [];
  const say = async (message: string) => {
    sender.send({ message });
    expect(await sender.next()).toEqual({ message });
    stored.push(message);
  };
  await say("before");
  expect(await listener.next()).toEqual({ message: "before" });
  expect(await statusOf(server, "/readyz")).toBe(200);

  disk.fail();
  const filler = "x".repeat(10_000);
  let answer: unknown;
  for (let n = 0; n < 100; n++) {
    const message = `${n} ${filler}`;
    sender.send({ message });
    answer = await sender.next();
    // The last bytes of the disk may have been enough for some messages.
    if (!Bun.deepEquals(answer, { message })) break;
    expect(await listener.next()).toEqual({ message });
    stored.push(message);
  }
  expect(answer).toEqual(unavailable);
  expect(await statusOf(server, "/readyz")).toBe(503);
  expect(await statusOf(server, "/healthz")).toBe(200);
  for (let n = 0; n < 50; n++) sender.send({ message: `lost ${n} ${filler}` });
  for (let n = 0; n < 50; n++) expect(await sender.next()).toEqual(unavailable);
  const reader = await connect(server, carol);
  expect(reader.initialTexts).toEqual(stored.slice(-50));
  // The probes of a disk that still fails do not make the server ready.
  expect(await statusOf(server, "/readyz")).toBe(503);

  disk.repair();
  await untilReady(server);
  await say("after");
  for (const client of [listener, reader]) expect(await client.next()).toEqual({ message: "after" });
  for (const client of [sender, listener, reader]) expect(client.unread()).toEqual([]);
  expect((await connect(server, bob)).initialTexts).toEqual(stored.slice(-50));
  expect(await stopAndRead(server, database)).toEqual(stored);
}

/** A small file system in memory; undefined where this process may not mount one. */
function mountSmallDisk(path: string): Disposable | undefined {
  const mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "parley-test", path];
  if (process.platform !== "linux" || !Bun.spawnSync(mount, { stderr: "ignore" }).success) return undefined;
  return { [Symbol.dispose]: () => void Bun.spawnSync(["umount", "-l", path]) };
}

function mayMount(): boolean {
  using folder = temporaryFolder();
  using disk = mountSmallDisk(folder.path);
  return disk !== undefined;
}

/** Writes a file until there is no space for one byte more. */
function fillDisk(path: string): void {
  const file = openSync(path, "w");
  for (const size of [65_536, 4096, 1]) {
    try {
      for (;;) writeSync(file, Buffer.alloc(size));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
    }
  }
  closeSync(file);
}

// Where this process may not mount, the next test covers most of it.
test.if(mayMount())(
  "on a full disk senders are told, nothing is broadcast that was not stored, and the server recovers",
  async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "disk");
    mkdirSync(path);
    using disk = mountSmallDisk(path);
    expect(disk).toBeDefined();
    const [database, filler] = [join(path, "parley.db"), join(path, "filler")];
    await seedDatabase(database, { lobby: [alice, bob, carol] });
    await using server = await startServerProcess({ issuer: issuer.issuer, database });
    await expectRecovery(server, database, { fail: () => fillDisk(filler), repair: () => rmSync(filler) });
  },
  60_000,
);

test("on a disk that refuses writes it is the same", async () => {
  // A process that exceeds its limit of file size is ended by a signal, unless it ignores it.
  const wrapper = ["/bin/sh", "-c", `trap "" XFSZ; exec "$@"`, "sh"];
  await using at = await start([alice, bob, carol], { wrapper });
  const limitFileSize = (size: string) => {
    const command = ["prlimit", "--pid", String(at.server.pid), `--fsize=${size}:`];
    expect(Bun.spawnSync(command).exitCode).toBe(0);
  };
  await expectRecovery(at.server, at.database, {
    fail: () => limitFileSize(String(statSync(`${at.database}-wal`).size)),
    repair: () => limitFileSize("unlimited"),
  });
}, 60_000);

/** Works while another connection is in a write transaction. */
async function whileLocked<T>(database: string, work: () => Promise<T>): Promise<T> {
  using db = new Database(database);
  db.run("BEGIN IMMEDIATE");
  try {
    return await work();
  } finally {
    db.run("ROLLBACK");
  }
}

/** The slowest answer of `/healthz` within a period. Both are in milliseconds. */
async function slowestAnswer(server: ServerProcess, periodMs: number): Promise<number> {
  let slowest = 0;
  for (const end = performance.now() + periodMs; performance.now() < end; await Bun.sleep(20)) {
    const sentAt = performance.now();
    expect(await statusOf(server, "/healthz")).toBe(200);
    slowest = Math.max(slowest, performance.now() - sentAt);
  }
  return slowest;
}

test("while another process writes for a second messages wait and are then sent in order, and everything else works", async () => {
  await using at = await start([alice, bob, carol]);
  const [sender, listener] = [await connect(at.server, alice), await connect(at.server, bob)];
  const texts = Array.from({ length: 100 }, (_, n) => `text ${n}`);
  await whileLocked(at.database, async () => {
    for (const message of texts) sender.send({ message });
    expect(await slowestAnswer(at.server, 1000)).toBeLessThan(1000);
    expect((await connect(at.server, bob)).history).toEqual([]);
    expect([sender.unread(), listener.unread()]).toEqual([[], []]);
  });
  for (const client of [sender, listener])
    for (const message of texts) expect(await client.next()).toEqual({ message });
  expect(await statusOf(at.server, "/readyz")).toBe(200);
  expect(await stopAndRead(at.server, at.database)).toEqual(texts);
}, 60_000);

test("while another process locks the database for long, writes are refused and reads work; then the server recovers", async () => {
  await using at = await start([alice, bob]);
  const [sender, listener] = [await connect(at.server, alice), await connect(at.server, bob)];
  await whileLocked(at.database, async () => {
    sender.send({ message: "lost" });
    // A user who has not signed in before must be stored first.
    const refused = refusal(connect(at.server, "stranger@example.com"));
    expect(await sender.next()).toEqual(unavailable);
    expect(await refused).toMatchObject({ status: 503, problem: { code: "storage_unavailable" } });
    expect(await statusOf(at.server, "/readyz")).toBe(503);
    expect((await connect(at.server, bob)).history).toEqual([]);
  });
  await untilReady(at.server);
  sender.send({ message: "kept" });
  for (const client of [sender, listener]) expect(await client.next()).toEqual({ message: "kept" });
  expect(listener.unread()).toEqual([]);
  expect(await stopAndRead(at.server, at.database)).toEqual(["kept"]);
}, 60_000);

test("however many requests wait for the database, the server answers others", async () => {
  await using at = await start([]);
  const tokens = await Promise.all(
    Array.from({ length: 100 }, (_, n) => issuer.sign(`new-${n}@example.com`)),
  );
  const signIn = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(new URL("/api/me", at.server.url), { headers })).status;
  };
  const { answers, slowest } = await whileLocked(at.database, async () => {
    // Each user is new and must be stored.
    const waiting = tokens.map(signIn);
    return { answers: waiting, slowest: await slowestAnswer(at.server, 1500) };
  });
  expect(new Set(await Promise.all(answers))).toEqual(new Set([200]));
  expect(slowest).toBeLessThan(1000);
}, 60_000);

test("while the database cannot be read connections are refused, and accepted again when it can", async () => {
  await using at = await start([alice]);
  await (await connect(at.server, alice)).close();
  const rename = (from: string, to: string) => {
    using db = new Database(at.database);
    db.run(`ALTER TABLE ${from} RENAME TO ${to}`);
  };
  rename("members", "hidden");
  const refused = await refusal(connect(at.server, alice));
  expect(refused).toMatchObject({ status: 503, problem: { code: "storage_unavailable" } });
  rename("hidden", "members");
  expect((await connect(at.server, alice)).history).toEqual([]);
}, 60_000);
