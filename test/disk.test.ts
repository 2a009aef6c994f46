import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, mkdirSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

import { type ClassicClient, connectClassic } from "./support/client.ts";
import { type Issuer, startIssuer } from "./support/issuer.ts";
import { seedDatabase, type ServerProcess, startServerProcess } from "./support/server-process.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";
import { waitUntil } from "./support/wait.ts";

let issuer: Issuer;
beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer[Symbol.asyncDispose]());

const [alice, bob, carol] = ["alice@example.com", "bob@example.com", "carol@example.com"];

async function come(
  server: ServerProcess,
  email: string,
): Promise<{ client: ClassicClient; history: string[] }> {
  const client = await connectClassic(server.url.host, "lobby", { token: await issuer.sign(email) });
  return { client, history: client.history.map(({ text }) => text) };
}

async function status(server: ServerProcess, path: string): Promise<number> {
  const response = await fetch(new URL(path, server.url));
  await response.body?.cancel();
  return response.status;
}

/** What is on disk, in order. */
function stored(database: string): unknown[] {
  const db = new Database(database, { readonly: true });
  expect(db.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
  const rows = db.query("SELECT text, seq FROM messages ORDER BY seq").values();
  expect(rows.map(([, seq]) => seq)).toEqual(rows.map((_, index) => index + 1));
  db.close();
  return rows.map(([text]) => text);
}

const unavailable = { error: { code: "storage_unavailable", message: expect.any(String) } };

/** A room with three members, of whom all have been there, on a disk that `spoil` spoils and `mend` mends. */
async function survive(
  server: ServerProcess,
  database: string,
  spoil: () => void,
  mend: () => void,
): Promise<void> {
  const [{ client: a }, { client: b }, { client: c }] = [
    await come(server, alice),
    await come(server, bob),
    await come(server, carol),
  ];
  await c.close();
  const kept: unknown[] = [];
  a.send({ message: "before" });
  expect(await a.next()).toEqual({ message: "before" });
  expect(await b.next()).toEqual({ message: "before" });
  kept.push("before");
  expect(await status(server, "/readyz")).toBe(200);

  spoil();
  let answer: unknown;
  for (let n = 0; n < 100; n++) {
    const message = `${n} ${"x".repeat(10_000)}`;
    a.send({ message });
    answer = await a.next();
    // The last bytes of the disk may have taken it: then everyone is told.
    if (!Bun.deepEquals(answer, { message })) break;
    expect(await b.next()).toEqual({ message });
    kept.push(message);
  }
  expect(answer).toEqual(unavailable);
  expect(await status(server, "/readyz")).toBe(503);
  expect(await status(server, "/healthz")).toBe(200);
  // Many at once are all refused.
  for (let n = 0; n < 50; n++) a.send({ message: `lost ${n} ${"x".repeat(10_000)}` });
  for (let n = 0; n < 50; n++) expect(await a.next()).toEqual(unavailable);
  // Whoever is known still reads; a stranger can't be taken in, and is told to come back.
  const reader = await come(server, carol);
  expect(reader.history).toEqual(kept.slice(-50) as string[]);
  // A probe that ran meanwhile has not taken the disk for mended.
  expect(await status(server, "/readyz")).toBe(503);

  mend();
  await waitUntil("the server is ready", async () => (await status(server, "/readyz")) === 200, 20_000);
  a.send({ message: "after" });
  for (const client of [a, b, reader.client]) expect(await client.next()).toEqual({ message: "after" });
  kept.push("after");
  for (const client of [a, b, reader.client]) expect(client.unread()).toEqual([]);
  expect((await come(server, bob)).history).toEqual(kept.slice(-50) as string[]);
  server.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
  expect(stored(database)).toEqual(kept);
}

/** A small file system in memory; undefined where this process may not mount one. */
function smallDisk(path: string): Disposable | undefined {
  const mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "parley-test", path];
  if (process.platform !== "linux" || !Bun.spawnSync(mount, { stderr: "ignore" }).success) return undefined;
  return { [Symbol.dispose]: () => void Bun.spawnSync(["umount", "-l", path]) };
}

/** Writes until there is no room for one byte more. */
function fill(path: string): void {
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

function mayMount(): boolean {
  using folder = temporaryFolder();
  using disk = smallDisk(folder.path);
  return disk !== undefined;
}

// Needs the right to mount. Without it, the disk that fails in the next test is all there is.
test.if(mayMount())(
  "a full disk: senders are told, nobody hears of what was not stored, and it heals",
  async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "disk");
    mkdirSync(path);
    using disk = smallDisk(path);
    expect(disk).toBeDefined();
    const [database, ballast] = [join(path, "parley.db"), join(path, "ballast")];
    await seedDatabase(database, { lobby: [alice, bob, carol] });
    await using server = await startServerProcess({ issuer: issuer.issuer, database });
    const spoil = () => fill(ballast);
    await survive(server, database, spoil, () => rmSync(ballast));
  },
  60_000,
);

test("a disk that takes no more writes: the same", async () => {
  using folder = temporaryFolder();
  const database = join(folder.path, "parley.db");
  await seedDatabase(database, { lobby: [alice, bob, carol] });
  // Over its limit of file size a process gets a signal first, which ends it unless ignored.
  const wrapper = ["/bin/sh", "-c", `trap "" XFSZ; exec "$@"`, "sh"];
  await using server = await startServerProcess({ issuer: issuer.issuer, database, wrapper });
  const limit = (size: string) => {
    const command = ["prlimit", "--pid", String(server.pid), `--fsize=${size}:`];
    expect(Bun.spawnSync(command).exitCode).toBe(0);
  };
  const spoil = () => limit(String(statSync(`${database}-wal`).size));
  await survive(server, database, spoil, () => limit("unlimited"));
}, 60_000);

/** Works while another connection is writing, as a process does that hangs in a transaction. */
async function locked<T>(database: string, work: () => Promise<T>): Promise<T> {
  const db = new Database(database);
  db.run("BEGIN IMMEDIATE");
  try {
    return await work();
  } finally {
    db.run("ROLLBACK");
    db.close(true);
  }
}

/** The slowest of many answers of `/healthz`, in milliseconds, over at least that time. */
async function slowest(server: ServerProcess, milliseconds: number): Promise<number> {
  let worst = 0;
  for (const end = performance.now() + milliseconds; performance.now() < end; await Bun.sleep(20)) {
    const start = performance.now();
    expect(await status(server, "/healthz")).toBe(200);
    worst = Math.max(worst, performance.now() - start);
  }
  return worst;
}

test("while another process writes for a second messages wait, then all arrive in order; everything else goes on", async () => {
  using folder = temporaryFolder();
  const database = join(folder.path, "parley.db");
  await seedDatabase(database, { lobby: [alice, bob, carol] });
  await using server = await startServerProcess({ issuer: issuer.issuer, database });
  const [{ client: a }, { client: b }] = [await come(server, alice), await come(server, bob)];
  const texts = Array.from({ length: 100 }, (_, index) => `text ${index}`);
  await locked(database, async () => {
    for (const message of texts) a.send({ message });
    expect(await slowest(server, 1000)).toBeLessThan(1000);
    expect((await come(server, bob)).history).toEqual([]);
    expect([a.unread(), b.unread()]).toEqual([[], []]);
  });
  for (const client of [a, b]) for (const message of texts) expect(await client.next()).toEqual({ message });
  expect(await status(server, "/readyz")).toBe(200);
  server.kill("SIGTERM");
  await server.ended;
  expect(stored(database)).toEqual(texts);
}, 60_000);

test("while another process holds the database for long, writers are refused and readers are not; then it recovers", async () => {
  using folder = temporaryFolder();
  const database = join(folder.path, "parley.db");
  await seedDatabase(database, { lobby: [alice, bob] });
  await using server = await startServerProcess({ issuer: issuer.issuer, database });
  const [{ client: a }, { client: b }] = [await come(server, alice), await come(server, bob)];
  await locked(database, async () => {
    a.send({ message: "lost" });
    // Whom the store has yet to write down can't come in.
    const stranger = connectClassic(server.url.host, "lobby", {
      token: await issuer.sign("stranger@example.com"),
    });
    const refused = stranger.then(
      () => "let in",
      (error: unknown) => error,
    );
    expect(await a.next()).toEqual(unavailable);
    expect(await refused).toMatchObject({ status: 503, problem: { code: "storage_unavailable" } });
    expect(await status(server, "/readyz")).toBe(503);
    expect((await come(server, bob)).history).toEqual([]);
  });
  await waitUntil("the server is ready", async () => (await status(server, "/readyz")) === 200, 20_000);
  a.send({ message: "kept" });
  for (const client of [a, b]) expect(await client.next()).toEqual({ message: "kept" });
  expect(b.unread()).toEqual([]);
  server.kill("SIGTERM");
  await server.ended;
  expect(stored(database)).toEqual(["kept"]);
}, 60_000);

test("however many wait for the lock, the server answers", async () => {
  using folder = temporaryFolder();
  const database = join(folder.path, "parley.db");
  await seedDatabase(database, { lobby: [] });
  await using server = await startServerProcess({ issuer: issuer.issuer, database });
  const tokens = await Promise.all(
    Array.from({ length: 100 }, (_, n) => issuer.sign(`new-${n}@example.com`)),
  );
  const me = async (token: string) => {
    const answer = await fetch(new URL("/api/me", server.url), {
      headers: { authorization: `Bearer ${token}` },
    });
    return answer.status;
  };
  const [answers, worst] = await locked(database, async () => {
    // Each is new, and waits to be written down.
    const waiting = tokens.map(me);
    return [waiting, await slowest(server, 1500)] as const;
  });
  expect(new Set(await Promise.all(answers))).toEqual(new Set([200]));
  expect(worst).toBeLessThan(1000);
}, 60_000);

test("a database that can't be read refuses whoever connects, and reads again when it can", async () => {
  using folder = temporaryFolder();
  const database = join(folder.path, "parley.db");
  await seedDatabase(database, { lobby: [alice] });
  await using server = await startServerProcess({ issuer: issuer.issuer, database });
  await (await come(server, alice)).client.close();
  const rename = (from: string, to: string) => {
    const db = new Database(database);
    db.run(`ALTER TABLE ${from} RENAME TO ${to}`);
    db.close(true);
  };
  rename("members", "hidden");
  const refused = await come(server, alice).catch((error: unknown) => error);
  expect(refused).toMatchObject({ status: 503, problem: { code: "storage_unavailable" } });
  rename("hidden", "members");
  expect((await come(server, alice)).history).toEqual([]);
}, 60_000);
