import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { decodeJwt, decodeProtectedHeader } from "jose";

import { connectClassic, refusal } from "../support/client.ts";
import { startIssuer } from "../support/issuer.ts";
import {
  listeningUrl,
  parleyCommand,
  type RunningProcess,
  runProcess,
  startProcess,
} from "../support/process.ts";
import { connectSession } from "../support/session-client.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { audience } from "../support/tokens.ts";

// Each test starts processes, which takes long on a busy machine.
setDefaultTimeout(20_000);

const dev = (cwd: string, env: Record<string, string> = {}) =>
  startProcess([...parleyCommand, "dev"], { cwd, env: { PARLEY_PORT: "0", ...env } });

/** What `dev` prints to be pasted. */
async function welcome(server: RunningProcess) {
  const text = await server.waitForOutput(/Press Ctrl-C to stop/);
  const found = (pattern: RegExp) => pattern.exec(text)?.[1] ?? `nothing matches ${pattern}`;
  return {
    text,
    url: new URL(found(/^Parley is running at (\S+) /m)),
    browser: {
      socket: found(/new WebSocket\("([^"]+)"/),
      bearer: found(/\["chat\.v2", "bearer\.([^"]+)"\]/),
      commands: [...text.matchAll(/ send\(\{(.*)\}\);/g)].map(
        ([, command = ""]) => JSON.parse(`{${command.replace(/(\w+): "/g, '"$1": "')}}`) as object,
      ),
    },
    terminal: {
      socket: found(/npx -y wscat -c (\S+) /),
      bearer: found(/wscat .* -H "Authorization: Bearer ([^"]+)"/),
      types: found(/then type (\{.*\})/),
    },
    curl: { url: found(/curl .* (http\S+)/), bearer: found(/curl -H "Authorization: Bearer ([^"]+)"/) },
  };
}

const room = (socket: string) => {
  const { host, pathname } = new URL(socket);
  return [host, pathname.split("/")[3] ?? ""] as const;
};

test("the lines that it prints for a browser, a terminal and curl work as they are", async () => {
  using folder = temporaryFolder();
  await using server = dev(folder.path);
  const { url, browser, terminal, curl } = await welcome(server);
  expect(url.hostname).toBe("127.0.0.1");
  const bob = await connectClassic(...room(terminal.socket), { token: terminal.bearer });
  expect(bob.history).toEqual([]);

  // browser.test.ts runs these lines in a real browser.
  const protocols = ["chat.v2", `bearer.${browser.bearer}`];
  expect(new URL(browser.socket).pathname).toBe("/ws/");
  const headers = { origin: url.origin };
  const alice = await connectSession(new URL(browser.socket).host, { protocols, headers });
  for (const command of browser.commands) alice.send({ room: "lobby", ...command });
  expect(await bob.next()).toEqual({ message: "Hello from a browser!" });

  bob.send(terminal.types);
  expect(await bob.next()).toEqual({ message: "Hello from a terminal!" });
  const answer = await fetch(curl.url, { headers: { authorization: `Bearer ${curl.bearer}` } });
  expect(await answer.json()).toMatchObject({
    messages: [
      { seq: 1, text: "Hello from a browser!", sender: { email: "alice@example.com" } },
      { seq: 2, text: "Hello from a terminal!", sender: { email: "bob@example.com" } },
    ],
  });
});

test("pages of this machine may connect, from any port; others may not", async () => {
  using folder = temporaryFolder();
  await using server = dev(folder.path);
  const { url, browser } = await welcome(server);
  const connectFrom = (origin: string) =>
    connectSession(new URL(browser.socket).host, {
      protocols: ["chat.v2", `bearer.${browser.bearer}`],
      headers: { origin },
    });
  for (const origin of [url.origin, "http://127.0.0.1:1", "http://localhost:5173", "https://[::1]"])
    expect((await connectFrom(origin)).hello.rooms).toMatchObject([{ id: "lobby" }]);
  for (const origin of ["https://evil.example.com", "http://localhost.evil.com", "null"])
    expect(await refusal(connectFrom(origin))).toMatchObject({ status: 403 });
});

test("the lines that it prints for other users add a member, and print tokens", async () => {
  using folder = temporaryFolder();
  await using server = dev(folder.path);
  const { text, url } = await welcome(server);
  const lines = [...text.matchAll(/^ {2}PARLEY_DATABASE=(\S+) npm run --silent parley -- (.*)$/gm)];
  const [add, print, printAdmin] = lines.map(([, database = "", words = ""]) => ({
    database,
    words: words.split(" "),
  }));
  if (!add || !print || !printAdmin) throw new Error(text);
  // What the npm script runs with the words of a line.
  const as = (line: typeof add) =>
    runProcess([...parleyCommand, ...line.words], {
      cwd: folder.path,
      env: { PARLEY_DATABASE: line.database },
    });
  const token = (await as(print)).stdout.trim();
  expect(await refusal(connectClassic(url.host, "lobby", { token }))).toMatchObject({ status: 404 });
  expect((await as(add)).code).toBe(0);
  expect((await connectClassic(url.host, "lobby", { token })).history).toEqual([]);

  const admin = (await as(printAdmin)).stdout.trim();
  for (const [bearer, status] of [
    [token, 403],
    [admin, 200],
  ] as const) {
    const headers = { authorization: `Bearer ${bearer}` };
    expect((await fetch(new URL("/api/rooms?all=true", url), { headers })).status).toBe(status);
  }
});

test("only its own user can read its files, and its log has no token or key", async () => {
  using folder = temporaryFolder();
  await using server = dev(folder.path);
  const { text, url, terminal } = await welcome(server);
  const file = join(folder.path, ".parley/dev-issuer.json");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder.path, ".parley")).mode & 0o077).toBe(0);
  expect(statSync(join(folder.path, ".parley/dev.db")).mode & 0o077).toBe(0);
  const { key } = JSON.parse(readFileSync(file, "utf8")) as { key: { d: string } };
  const published = await (await fetch(new URL("/dev/jwks.json", url))).text();
  expect(published).toContain('"kty":"EC"');
  expect(published).not.toContain(key.d);
  const log = text.split("\n").filter((line) => line.startsWith("{"));
  expect(log.join()).not.toContain(terminal.bearer);
});

test("OpenID Connect Discovery finds its issuer", async () => {
  using folder = temporaryFolder();
  await using server = dev(folder.path);
  const { url, terminal } = await welcome(server);
  const { iss = "", exp = 0, iat = 0 } = decodeJwt(terminal.bearer);
  expect(iss).toBe(new URL("/dev/", url).href);
  expect(exp - iat).toBe(12 * 3600);
  const discovery = (await (await fetch(`${iss}.well-known/openid-configuration`)).json()) as Record<
    string,
    string
  >;
  expect(discovery["issuer"]).toBe(iss);
  const { keys } = (await (await fetch(discovery["jwks_uri"] ?? "")).json()) as { keys: { kid: string }[] };
  expect(keys.map(({ kid }) => kid)).toEqual([decodeProtectedHeader(terminal.bearer).kid ?? "?"]);
});

describe("a second start", () => {
  test("on the same port keeps the room, messages and tokens", async () => {
    using folder = temporaryFolder();
    let port: string;
    let before: string;
    {
      await using server = dev(folder.path);
      const { url, terminal } = await welcome(server);
      port = url.port;
      before = terminal.bearer;
      const bob = await connectClassic(url.host, "lobby", { token: before });
      bob.send({ message: "kept" });
      await bob.next();
      server.kill("SIGINT");
      expect((await server.ended).code).toBe(0);
    }
    await using again = dev(folder.path, { PARLEY_PORT: port });
    const { url } = await welcome(again);
    const bob = await connectClassic(url.host, "lobby", { token: before });
    expect(bob.history).toEqual([{ text: "kept", sender_email: "bob@example.com" }]);
  });

  test("keeps roles that were changed", async () => {
    using folder = temporaryFolder();
    const env = { PARLEY_DATABASE: ".parley/dev.db" };
    const cli = (words: string) =>
      runProcess([...parleyCommand, ...words.split(" ")], { cwd: folder.path, env });
    {
      await using server = dev(folder.path);
      await welcome(server);
    }
    expect((await cli("member add lobby alice@example.com --role owner")).code).toBe(0);
    await using again = dev(folder.path);
    await welcome(again);
    const { stdout } = await cli("member list lobby --json");
    expect(JSON.parse(stdout)).toMatchObject([
      { email: "alice@example.com", role: "owner" },
      { email: "bob@example.com", role: "member" },
    ]);
  });
});

test("serve on the same database has no development issuer and refuses its tokens", async () => {
  using folder = temporaryFolder();
  await using issuer = await startIssuer();
  let token: string;
  {
    await using server = dev(folder.path);
    const { url, terminal } = await welcome(server);
    token = terminal.bearer;
    expect((await fetch(new URL("/dev/jwks.json", url))).status).toBe(200);
  }
  await using server = startProcess([...parleyCommand, "serve"], {
    cwd: folder.path,
    env: {
      PARLEY_PORT: "0",
      PARLEY_DATABASE: ".parley/dev.db",
      PARLEY_ISSUER: issuer.issuer,
      PARLEY_AUDIENCE: `${audience},parley-dev`,
    },
  });
  const url = await listeningUrl(server);
  for (const path of ["/dev/jwks.json", "/dev/.well-known/openid-configuration", "/dev/authorize", "/dev/"]) {
    expect((await fetch(new URL(path, url))).status).toBe(404);
  }
  expect(await refusal(connectClassic(url.host, "lobby", { token }))).toMatchObject({ status: 401 });
  const good = await connectClassic(url.host, "lobby", {
    token: await issuer.sign("bob@example.com", { claims: { sub: decodeJwt(token).sub } }),
  });
  expect(good.history).toEqual([]);
});

describe("settings", () => {
  const ignored = {
    PARLEY_HOST: "0.0.0.0",
    PARLEY_ISSUER: "http://not-secure.example.com",
    PARLEY_AUDIENCE: "other",
    PARLEY_JWKS_URL: "nonsense",
    PARLEY_ADMIN_ISSUER: "https://other.example.com",
    PARLEY_ALGORITHMS: "RS256",
    PARLEY_EMAIL_CLAIM: "https://example.com/email",
    PARLEY_NAME_CLAIM: "nickname",
    PARLEY_CLIENT_ID: "other",
    PARLEY_SCOPES: "nonsense",
    PARLEY_DRAIN: "60",
  };

  test("that would make it reachable or its tokens useless are ignored, and it says so", async () => {
    using folder = temporaryFolder();
    await using server = dev(folder.path, ignored);
    const { url, terminal } = await welcome(server);
    expect(url.hostname).toBe("127.0.0.1");
    const bob = await connectClassic(...room(terminal.socket), { token: terminal.bearer });
    expect(bob.history).toEqual([]);
    const text = await server.waitForOutput(/Ignored/);
    expect(text).toContain(
      `\nIgnored: ${Object.keys(ignored).join(", ")}. parley dev listens on 127.0.0.1 and accepts only its own tokens.\n`,
    );
    server.kill("SIGTERM");
    expect(await bob.closed).toEqual({ code: 1012, reason: "restarting" });
    expect((await server.ended).code).toBe(0);
  });

  test("that do not exist are named", async () => {
    using folder = temporaryFolder();
    await using server = dev(folder.path, { PARLEY_MAXTEXT: "5" });
    await server.waitForOutput(/^Unknown PARLEY_\* settings, ignored: PARLEY_MAXTEXT$/m);
  });

  test("that have an effect are not mentioned", async () => {
    using folder = temporaryFolder();
    await using server = dev(folder.path, { PARLEY_MAX_TEXT: "5", PARLEY_HOST: "" });
    const { text } = await welcome(server);
    expect(text).not.toContain("gnored");
  });
});
