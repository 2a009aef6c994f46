import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, gunzipSync } from "node:zlib";

import { buildBinary } from "./support/binary.ts";
import { connectClassic, refusal } from "./support/client.ts";
import { type Issuer, startIssuer } from "./support/issuer.ts";
import { openPipe, type Pipe } from "./support/pipe.ts";
import {
  listeningUrl,
  parleyCommand,
  root,
  runProcess,
  startProcess,
  Transcript,
} from "./support/process.ts";
import { PushService } from "./support/push-service.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";
import { startInTerminal } from "./support/terminal.ts";
import { audience } from "./support/tokens.ts";
import { waitUntil } from "./support/wait.ts";

// Each test starts processes, which takes long on a busy machine.
setDefaultTimeout(20_000);

let issuer: Issuer;
let binary: Awaited<ReturnType<typeof buildBinary>>;

beforeAll(async () => {
  binary = await buildBinary();
  issuer = await startIssuer();
});
afterAll(async () => {
  await issuer[Symbol.asyncDispose]();
  binary[Symbol.dispose]();
});

/** The whole environment of `serve`: no PATH, no HOME. */
const settings = (more: Record<string, string> = {}) => ({
  PARLEY_ISSUER: issuer.issuer,
  PARLEY_AUDIENCE: audience,
  PARLEY_PORT: "0",
  PARLEY_DRAIN: "0",
  ...more,
});
const parley = (cwd: string, words: string, env: Record<string, string> = {}) =>
  runProcess([binary.path, ...words.split(" ")], { cwd, env });
const serve = (cwd: string, more?: Record<string, string>) =>
  startProcess([binary.path, "serve"], { cwd, env: settings(more) });

async function prepareRoom(cwd: string) {
  for (const words of [
    "room create lobby",
    "member add lobby alice@example.com",
    "member add lobby bob@example.com",
  ]) {
    expect((await parley(cwd, words)).code).toBe(0);
  }
}
const enter = async (url: URL, email: string) =>
  connectClassic(url.host, "lobby", { token: await issuer.sign(email) });

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

test("in an empty folder it serves a chat, and keeps it over a restart", async () => {
  using folder = temporaryFolder();
  await prepareRoom(folder.path);
  {
    await using server = serve(folder.path);
    const url = await listeningUrl(server);
    const [alice, bob] = await Promise.all([enter(url, "alice@example.com"), enter(url, "bob@example.com")]);
    expect([alice.history, bob.history]).toEqual([[], []]);
    alice.send({ message: "Hello from a binary" });
    for (const client of [bob, alice])
      expect(await client.next()).toEqual({ message: "Hello from a binary" });
    server.kill("SIGTERM");
    expect((await server.ended).code).toBe(0);
  }
  expect(readdirSync(folder.path)).toEqual(["parley.db"]);
  expect(statSync(join(folder.path, "parley.db")).mode & 0o777).toBe(0o600);
  await using again = serve(folder.path);
  const bob = await enter(await listeningUrl(again), "bob@example.com");
  expect(bob.history).toEqual([{ text: "Hello from a binary", sender_email: "alice@example.com" }]);
});

test("it has the page of the HTTP API and its files inside", async () => {
  using folder = temporaryFolder();
  await using server = serve(folder.path);
  const url = await listeningUrl(server);
  const read = async (path: string) => (await fetch(new URL(path, url))).text();
  expect(await read("/docs")).toContain("docs/swagger-ui-bundle.js");
  expect(JSON.parse(await read("/openapi.json"))).toMatchObject({ openapi: "3.1.1" });
  expect(JSON.parse(await read("/asyncapi.json"))).toMatchObject({ asyncapi: "3.0.0" });
  for (const name of ["swagger-ui-bundle.js", "swagger-ui.css", "LICENSE"])
    expect(await read(`/docs/${name}`)).toBe(
      await Bun.file(join(root, "node_modules/swagger-ui-dist", name)).text(),
    );
});

test("it has the page inside, compressed", async () => {
  using folder = temporaryFolder();
  await using server = serve(folder.path);
  const url = await listeningUrl(server);
  const html = await (await fetch(url)).text();
  const script = /src="(.*?\.js)"/.exec(html)?.[1] ?? "";
  const read = async (encoding: string) => {
    const headers = { "accept-encoding": encoding };
    const response = await fetch(new URL(script, url), { headers, decompress: false });
    expect(response.headers.get("content-encoding")).toBe(encoding === "identity" ? null : encoding);
    return response.bytes();
  };
  const [plain, brotli, gzip] = await Promise.all([read("identity"), read("br"), read("gzip")]);
  expect(brotliDecompressSync(brotli).equals(plain)).toBe(true);
  expect(gunzipSync(gzip).equals(plain)).toBe(true);
  // As far as Brotli can.
  expect(brotli.length).toBe(brotliCompressSync(plain).length);
});

test("it sends a web push, with the settings that `push keys` prints", async () => {
  using folder = temporaryFolder();
  await using service = new PushService();
  await prepareRoom(folder.path);
  const { stdout } = await parley(folder.path, "push keys");
  expect(stdout).toMatch(/^PARLEY_PUSH_KEY=[\w-]{43}\nPARLEY_PUSH_CONTACT=mailto:you@example.com\n$/);
  const printed = stdout
    .trim()
    .split("\n")
    .map((line) => line.split("=") as [string, string]);
  await using server = serve(folder.path, {
    ...Object.fromEntries(printed),
    PARLEY_PUSH_CONTACT: "mailto:admin@example.com",
    PARLEY_PUSH_SERVICES: service.origin,
  });
  const url = await listeningUrl(server);
  const bob = await service.subscribe();
  const { ok } = await fetch(new URL("/api/push-subscription", url), {
    method: "PUT",
    headers: { authorization: `Bearer ${await issuer.sign("bob@example.com")}` },
    body: JSON.stringify(bob.subscription),
  });
  expect(ok).toBe(true);
  const alice = await enter(url, "alice@example.com");
  alice.send({ message: "@bob@example.com hello" });
  await alice.next();
  // It does not wait any longer.
  server.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
  expect(bob.received.map(({ payload }) => payload["text"])).toEqual(["@bob@example.com hello"]);
});

test("it answers soon after the start", async () => {
  using folder = temporaryFolder();
  const port = freePort();
  const startedAt = performance.now();
  await using server = serve(folder.path, { PARLEY_PORT: String(port) });
  const healthy = () =>
    fetch(`http://127.0.0.1:${port}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await healthy())) await Bun.sleep(1);
  const took = performance.now() - startedAt;
  console.log(`the first answer came after ${Math.round(took)} ms`);
  expect(took).toBeLessThan(2000);
  await listeningUrl(server);
});

describe("files in the working folder are ignored", () => {
  test(".env", async () => {
    using folder = temporaryFolder();
    await Bun.write(join(folder.path, ".env"), "PARLEY_PORT=abc\nPARLEY_ISSUER=https://other.example.com\n");
    // Bun itself would read it.
    const withBun = await runProcess([...parleyCommand, "room", "list"], { cwd: folder.path });
    expect(withBun).toMatchObject({ code: 2, stderr: expect.stringContaining("PARLEY_PORT") });
    const env = { PARLEY_AUDIENCE: audience };
    expect(await parley(folder.path, "serve", env)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^parley: PARLEY_ISSUER: must be set/),
    });
    await using server = serve(folder.path);
    expect((await fetch(new URL("/readyz", await listeningUrl(server)))).status).toBe(200);
  });

  test("bunfig.toml", async () => {
    using folder = temporaryFolder();
    const seen = Bun.file(join(folder.path, "seen"));
    await Bun.write(join(folder.path, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
    await Bun.write(join(folder.path, "preload.ts"), 'await Bun.write("seen", "I ran");\n');
    expect((await parley(folder.path, "version")).code).toBe(0);
    expect(await seen.exists()).toBe(false);
    // Bun itself would run it.
    expect((await runProcess([...parleyCommand, "version"], { cwd: folder.path })).code).toBe(0);
    expect(await seen.exists()).toBe(true);
  });
});

describe("stopping", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s closes connections with 1012, and exits with 0",
    async (signal) => {
      using folder = temporaryFolder();
      await prepareRoom(folder.path);
      await using server = serve(folder.path);
      const url = await listeningUrl(server);
      const clients = await Promise.all([enter(url, "alice@example.com"), enter(url, "bob@example.com")]);
      server.kill(signal);
      for (const { closed } of clients) expect(await closed).toEqual({ code: 1012, reason: "restarting" });
      const { code, stdout, stderr } = await server.ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toContain(`"signal":"${signal}"`);
      // The write-ahead log was written back.
      expect(readdirSync(folder.path)).toEqual(["parley.db"]);
    },
  );

  test("while it drains it is alive, not ready, and refuses new requests", async () => {
    using folder = temporaryFolder();
    await prepareRoom(folder.path);
    await using server = serve(folder.path, { PARLEY_DRAIN: "3600" });
    const url = await listeningUrl(server);
    const clients = await Promise.all([enter(url, "alice@example.com"), enter(url, "bob@example.com")]);
    server.kill("SIGTERM");
    await Promise.race(clients.map(({ closed }) => closed));
    const statuses = ["/healthz", "/readyz", "/api/me"].map(
      async (path) => (await fetch(new URL(path, url))).status,
    );
    expect(await Promise.all(statuses)).toEqual([200, 503, 503]);
    expect(await refusal(enter(url, "alice@example.com"))).toMatchObject({ status: 503 });
  });

  test("a second signal exits at once", async () => {
    using folder = temporaryFolder();
    await prepareRoom(folder.path);
    await using server = serve(folder.path, { PARLEY_DRAIN: "3600" });
    const url = await listeningUrl(server);
    const clients = await Promise.all([enter(url, "alice@example.com"), enter(url, "bob@example.com")]);
    server.kill("SIGTERM");
    await Promise.race(clients.map(({ closed }) => closed));
    expect(clients.filter(({ socket }) => socket.readyState === socket.OPEN)).toHaveLength(1);
    server.kill("SIGINT");
    expect((await server.ended).code).toBe(1);
    for (const { closed } of clients) await closed;
  });
});

/** Starts a server whose log goes to the pipe. Resolves once it is listening. */
async function serveInto(pipe: Pipe, cwd: string, more?: Record<string, string>) {
  const child = Bun.spawn([binary.path, "serve"], {
    cwd,
    env: settings(more),
    stdin: "ignore",
    stdout: pipe.writer,
    stderr: "pipe",
  });
  const transcript = new Transcript();
  await waitUntil("the server is listening", () => {
    transcript.add(pipe.read());
    return transcript.text.includes('"msg":"listening"');
  });
  const dispose = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  return { child, url: await listeningUrl(transcript), [Symbol.asyncDispose]: dispose };
}

describe("whatever happens to its standard output, a shutdown ends", () => {
  const troubles: [string, (pipe: Pipe) => void, requests: number][] = [
    ["its reader has just gone", (pipe) => pipe.closeReader(), 0],
    // Each request is a line of the log. These are more than one flush takes.
    ["its reader went long ago", (pipe) => pipe.closeReader(), 200],
    ["its reader has stopped reading", (pipe) => pipe.fill(), 200],
  ];

  test.each(troubles)("%s", async (_, trouble, requests) => {
    using folder = temporaryFolder();
    using pipe = openPipe();
    await using server = await serveInto(pipe, folder.path);
    const { child, url } = server;
    trouble(pipe);
    for (let n = 0; n < requests; n++) await fetch(new URL("/nothing", url));
    expect((await fetch(new URL("/healthz", url))).status).toBe(200);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await child.stderr.text()).toBe("");
    expect(readdirSync(folder.path)).toEqual(["parley.db"]);
  });

  test.each(troubles)("%s, and a second signal exits at once", async (_, trouble) => {
    using folder = temporaryFolder();
    await prepareRoom(folder.path);
    using pipe = openPipe();
    await using server = await serveInto(pipe, folder.path, { PARLEY_DRAIN: "3600" });
    const { child, url } = server;
    trouble(pipe);
    const clients = await Promise.all([enter(url, "alice@example.com"), enter(url, "bob@example.com")]);
    child.kill("SIGTERM");
    await Promise.race(clients.map(({ closed }) => closed));
    child.kill("SIGTERM");
    expect(await child.exited).toBe(1);
    for (const { closed } of clients) await closed;
  });

  test("its terminal is stopped with Ctrl-S", async () => {
    using folder = temporaryFolder();
    await using server = startInTerminal([binary.path, "serve"], { cwd: folder.path, env: settings() });
    const url = await listeningUrl(server);
    server.type("\x13");
    for (let n = 0; n < 200; n++) await fetch(new URL("/nothing", url));
    server.kill("SIGTERM");
    expect((await server.ended).code).toBe(0);
  });
});

describe("the log", () => {
  test("names unknown settings", async () => {
    using folder = temporaryFolder();
    await using server = serve(folder.path, { PARLEY_MAXTEXT: "5" });
    await listeningUrl(server);
    server.kill("SIGTERM");
    const { stdout } = await server.ended;
    expect(stdout).toContain('"unknown":["PARLEY_MAXTEXT"],"msg":"Unknown PARLEY_* settings, ignored"');
  });

  test("has neither long nor invisible text of a request", async () => {
    using folder = temporaryFolder();
    await using server = serve(folder.path);
    const url = await listeningUrl(server);
    await fetch(new URL(`/${"long".repeat(3500)}`, url));
    await fetch(new URL("/%C2%9B31m%E2%80%AEtxt", url));
    server.kill("SIGTERM");
    const { stdout } = await server.ended;
    expect(stdout).toContain(`"path":"/${"long".repeat(74)}lo…"`);
    expect(stdout).not.toContain("long".repeat(100));
    expect(stdout).toContain('"path":"/\\u009b31m\\u202etxt"');
    expect(stdout).toMatch(/^[\x20-\x7e\n…]+$/);
  });
});

describe("a failed start prints one line that names the cause", () => {
  test.each([
    ["PARLEY_PORT", "abc"],
    ["PARLEY_PORT", "70000"],
    ["PARLEY_ISSUER", ""],
    ["PARLEY_ISSUER", "http://example.com"],
    ["PARLEY_AUDIENCE", ""],
    ["PARLEY_JWKS_URL", "http://example.com/keys"],
    ["PARLEY_JWKS_URL", "https://example.com/keys,https://example.com/more"],
    ["PARLEY_ALGORITHMS", "HS256"],
    ["PARLEY_ALGORITHMS", "none"],
    ["PARLEY_CLOCK_TOLERANCE", "-1"],
    ["PARLEY_ALLOWED_ORIGINS", "https://app.example.com/chat"],
    ["PARLEY_MESSAGE_RATE", "fast"],
    ["PARLEY_MAX_CONNECTIONS", "1.5"],
    ["PARLEY_LOG_LEVEL", "loud"],
  ])("%s=%s", async (variable, value) => {
    using folder = temporaryFolder();
    const { code, stdout, stderr } = await parley(folder.path, "serve", settings({ [variable]: value }));
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(new RegExp(`^parley: ${variable}: .+\\n$`));
  });

  test("a port in use", async () => {
    using folder = temporaryFolder();
    await using other = serve(folder.path);
    const { port } = await listeningUrl(other);
    const ended = await parley(folder.path, "serve", settings({ PARLEY_PORT: port }));
    const stderr = `parley: PARLEY_PORT: port ${port} is already in use\n`;
    expect(ended).toEqual({ code: 1, stdout: "", stderr });
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  });

  test("an address of another machine", async () => {
    using folder = temporaryFolder();
    // RFC 5737, section 3: an address for documentation, which no machine has.
    const ended = await parley(folder.path, "serve", settings({ PARLEY_HOST: "192.0.2.1" }));
    const stderr = 'parley: PARLEY_HOST: cannot listen on "192.0.2.1" (EADDRNOTAVAIL)\n';
    expect(ended).toEqual({ code: 1, stdout: "", stderr });
  });

  test("a database in a folder that does not exist", async () => {
    using folder = temporaryFolder();
    const { code, stderr } = await parley(
      folder.path,
      "serve",
      settings({ PARLEY_DATABASE: "none/parley.db" }),
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/^parley: none\/parley\.db: the file cannot be opened.*\n$/);
  });
});

test("an issuer that does not answer delays neither start nor shutdown", async () => {
  using hanging = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Promise<Response>(() => {}),
  });
  using folder = temporaryFolder();
  await using server = serve(folder.path, { PARLEY_ISSUER: hanging.url.origin });
  const url = await listeningUrl(server);
  const status = async (path: string) => (await fetch(new URL(path, url))).status;
  expect([await status("/healthz"), await status("/readyz")]).toEqual([200, 503]);
  server.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
});

test("a signal while the start waits for keys shuts it down as usual", async () => {
  using hanging = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Promise<Response>(() => {}),
  });
  const port = String(freePort());
  using folder = temporaryFolder();
  await using server = serve(folder.path, { PARLEY_ISSUER: hanging.url.origin, PARLEY_PORT: port });
  await waitUntil("it answers", async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
    return answer?.status === 200;
  });
  server.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
});
