import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";

import { connectClassic } from "../support/client.ts";
import { handshake, RawConnection } from "../support/raw.ts";
import { newRoomId, startTestServer, useServer } from "../support/server.ts";

// Handshakes made by hand, and the refusals before the 101.

const server = useServer({ env: { PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

interface Request {
  /** Over the room's own path. */
  path?: string;
  method?: string;
  /** Over those of a right handshake; undefined leaves one out. */
  headers?: Record<string, string | undefined>;
}

/** Sends a handshake as it stands; everything is right unless the request says otherwise. */
async function ask(host: string, room: string, request: Request = {}) {
  const { path = `/ws/chat/${room}/`, method, headers } = request;
  const raw = await RawConnection.open(host);
  raw.write(handshake(host, path, { authorization: `Bearer ${await token(alice)}`, ...headers }, method));
  const answer = await raw.answer();
  const body = answer.status === 101 ? "" : await raw.body(answer);
  raw.destroy();
  return { ...answer, body };
}

/** As `ask`; a refusal must be a whole problem (RFC 9457), and comes back as `status code`. */
async function outcome(host: string, room: string, request: Request = {}): Promise<string> {
  const { status, headers, body } = await ask(host, room, request);
  if (status === 101) return "101";
  expect(headers.get("content-type")).toBe("application/problem+json");
  const problem = JSON.parse(body) as Record<string, unknown>;
  const text = expect.stringMatching(/./);
  expect(problem).toStrictEqual({ type: text, title: text, status, code: text, detail: text });
  const wants = { 401: "www-authenticate", 426: "upgrade", 429: "retry-after", 503: "retry-after" }[status];
  if (wants !== undefined) expect(headers.get(wants)).toMatch(/./);
  return `${status} ${String(problem["code"])}`;
}

test("what is no WebSocket request gets 426", async () => {
  const room = await createRoom([alice]);
  const { host } = server;
  for (const upgrade of [undefined, "h2c", ""])
    expect(await outcome(host, room, { headers: { upgrade } })).toBe("426 invalid_command");
  expect(await outcome(host, room)).toBe("101");
  expect(await outcome(host, room, { headers: { upgrade: "WebSocket" } })).toBe("101");
});

test("a room is found with and without the last slash, and percent-encoded", async () => {
  const room = await createRoom([alice]);
  const encoded = room
    .split("")
    .map((letter) => `%${letter.charCodeAt(0).toString(16)}`)
    .join("");
  for (const path of [
    `/ws/chat/${room}`,
    `/ws/chat/${room}/`,
    `/ws/chat/${encoded}/`,
    `/ws/chat/${room}/?x=/../`,
  ])
    expect(await outcome(server.host, room, { path })).toBe("101");
});

test("a room's id may be 100 letters, digits, and . _ -", async () => {
  for (const id of ["a".repeat(95), "A-b_c.d..e"].map((prefix) => `${prefix}-${newRoomId().slice(5)}`)) {
    await server.createRoom([alice], { id });
    expect(await outcome(server.host, id)).toBe("101");
    expect(await outcome(server.host, `${id}x`)).toBe("404 room_not_found");
  }
});

test.each([
  ["a".repeat(101)],
  ["a".repeat(10_000)],
  [".hidden"],
  ["a%20b"],
  ["a+b"],
  ["a:b"],
  ["a;b"],
  ["a,b"],
  ["*"],
  ["$a"],
  ["a@example.com"],
  ["%zz"],
  ["%"],
  ["%ff"],
  ["%00"],
  ["room%00"],
  ["room%0a"],
  ["room%0d%0a"],
  ["a%2fb"],
  ["%2e%2e%2f%2e%2e%2fetc"],
  ["..%2fadmin"],
  ["%252e%252e"],
  ["caf%C3%A9"],
  ["%F0%9F%98%80"],
  ["%D0%B0dmin"],
  ["a'OR'1'='1"],
])("a room's id can't be %p", async (id) => {
  expect(await outcome(server.host, id)).toBe("400 invalid_command");
});

test.each([
  "/ws/chat/",
  "/ws/chat",
  "/ws/chat//",
  "/ws/chat/../",
  "/ws/chat/%2e%2e/",
  "/ws/chat/a/b/",
  "/WS/CHAT/a/",
  "/",
])("there is nothing at %s", async (path) => {
  expect(await outcome(server.host, "a", { path })).toBe("404 invalid_command");
});

test("a path that climbs out and back in is the room's own path", async () => {
  const room = await createRoom([alice]);
  expect(await outcome(server.host, room, { path: `/ws/chat/x/../${room}/` })).toBe("101");
});

test("only a known protocol beside the token may be offered", async () => {
  const room = await createRoom([alice]);
  const bearer = `bearer.${await token(alice)}`;
  const offers: Record<string, string> = {
    classic: "101",
    "chat.v9, classic": "101",
    "chat.v9": "400 invalid_command",
    Classic: "400 invalid_command",
    "": "400 invalid_command",
  };
  for (const [offer, expected] of Object.entries(offers))
    expect([
      offer,
      await outcome(server.host, room, { headers: { "sec-websocket-protocol": offer } }),
    ]).toEqual([offer, expected]);
  const alone = { authorization: undefined, "sec-websocket-protocol": bearer };
  expect(await outcome(server.host, room, { headers: alone })).toBe("400 invalid_command");
  const both = { authorization: undefined, "sec-websocket-protocol": `${bearer}, classic` };
  const { status, headers } = await ask(server.host, room, { headers: both });
  expect(status).toBe(101);
  expect(headers.get("sec-websocket-protocol")).toBe("classic");
});

test("without a token that verifies the answer is 401", async () => {
  const room = await createRoom([alice]);
  const bad = [
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "Basic YTpi",
    "Bearer a b",
    "Bearer a.b.c",
    await token(alice),
  ];
  for (const authorization of bad)
    expect(await outcome(server.host, room, { headers: { authorization } })).toBe("401 unauthorized");
  const expired = await server.issuer.sign(alice, { claims: { exp: Math.floor(Date.now() / 1000) - 60 } });
  // Whatever a URL holds lands in logs.
  for (const name of ["token", "access_token", "authorization"]) {
    const path = `/ws/chat/${room}/?${name}=${await token(alice)}`;
    const request = { path, headers: { authorization: undefined } };
    expect(await outcome(server.host, room, request)).toBe("401 unauthorized");
  }
  const headers = { authorization: `Bearer ${expired}` };
  expect(await outcome(server.host, room, { headers })).toBe("401 token_expired");
  expect(await outcome(server.host, room)).toBe("101");
});

test("by default only pages of the server's own origin may connect", async () => {
  const room = await createRoom([alice]);
  const { host } = server;
  const [name, port] = host.split(":") as [string, string];
  const own = [undefined, `http://${host}`, `https://${host}`];
  const foreign = [
    "null",
    "",
    "*",
    host,
    `http://${host}/`,
    `http://${name}`,
    `http://${name}:${Number(port) + 1}`,
    `http://${host}0`,
    `http://localhost:${port}`,
    `http://sub.${host}`,
    `http://${host}.evil.example`,
    `http://evil.example/${host}`,
    `http://evil.example#${host}`,
    `http://${host}@evil.example`,
    `http://me@${host}`,
    `http://${host} http://evil.example`,
    `http://${host}, http://evil.example`,
    `ftp://${host}`,
    "file://",
    "https://evil.example",
  ];
  for (const origin of own) expect(await outcome(host, room, { headers: { origin } })).toBe("101");
  for (const origin of foreign)
    expect([origin, await outcome(host, room, { headers: { origin } })]).toEqual([origin, "403 forbidden"]);
});

test("behind a proxy that speaks https, a page over http is not of the server's own origin", async () => {
  const room = await createRoom([alice]);
  const at = (origin: string, more = {}) =>
    outcome(server.host, room, { headers: { host: "chat.example.com", origin, ...more } });
  expect(await at("http://chat.example.com")).toBe("101");
  const proxied = { "x-forwarded-proto": "https" };
  expect(await at("https://chat.example.com", proxied)).toBe("101");
  expect(await at("http://chat.example.com", proxied)).toBe("403 forbidden");
});

test("a list of origins is compared exactly, and stands in place of the server's own", async () => {
  const env = { PARLEY_ALLOWED_ORIGINS: "https://app.example.com, http://localhost:3000" };
  await using parley = await server.startAnother({ env });
  const room = newRoomId();
  await parley.createRoom([alice], { id: room });
  const foreign = [
    `http://${parley.host}`,
    "null",
    "*",
    "https://app.example.com/",
    "https://app.example.com:443",
    "https://app.example.com:8443",
    "http://app.example.com",
    "HTTPS://APP.EXAMPLE.COM",
    "https://sub.app.example.com",
    "https://evilapp.example.com",
    "https://app.example.com.evil.example",
    "https://app.example.co",
    "https://app.example.com, http://localhost:3000",
    "http://localhost",
    "http://localhost:30000",
    "http://127.0.0.1:3000",
  ];
  for (const origin of [undefined, "https://app.example.com", "http://localhost:3000"])
    expect(await outcome(parley.host, room, { headers: { origin } })).toBe("101");
  for (const origin of foreign)
    expect([origin, await outcome(parley.host, room, { headers: { origin } })]).toEqual([
      origin,
      "403 forbidden",
    ]);
});

test("the checks come in their order: the first that fails is the answer", async () => {
  const env = { PARLEY_CONNECTIONS_PER_USER: "1" };
  await using parley = await server.startAnother({ env });
  const [mine, others] = [newRoomId(), newRoomId()];
  await parley.createRoom([alice], { id: mine });
  await parley.createRoom([bob], { id: others });
  const first = await connectClassic(parley.host, mine, { token: await token(alice) });
  // Each step mends one thing more.
  const steps: [expected: string, mended: Request][] = [
    ["426 invalid_command", { headers: { upgrade: undefined } }],
    ["400 invalid_command", { headers: { upgrade: "websocket" } }],
    ["400 invalid_command", { path: `/ws/chat/${others}/` }],
    ["403 forbidden", { headers: { "sec-websocket-protocol": "classic" } }],
    ["401 unauthorized", { headers: { origin: `http://${parley.host}` } }],
    ["404 room_not_found", { headers: { authorization: `Bearer ${await token(alice)}` } }],
    ["429 too_many_connections", { path: `/ws/chat/${mine}/` }],
  ];
  const request = {
    path: "/ws/chat/a%20b/",
    headers: {
      origin: "https://evil.example",
      authorization: "Bearer x",
      "sec-websocket-protocol": "chat.v9",
    },
  };
  for (const [expected, { path = request.path, headers }] of steps) {
    request.path = path;
    Object.assign(request.headers, headers);
    expect(await outcome(parley.host, mine, request)).toBe(expected);
  }
  await first.close();
  expect(await outcome(parley.host, mine, request)).toBe("101");
});

test("while the keys can't be had the answer is 503", async () => {
  await using parley = await startTestServer({ issuer: "http://127.0.0.1:1" });
  const room = newRoomId();
  await parley.createRoom([alice], { id: room });
  const bearer = await server.issuer.sign(alice, { claims: { iss: "http://127.0.0.1:1" } });
  const headers = { authorization: `Bearer ${bearer}` };
  expect(await outcome(parley.host, room, { headers })).toBe("503 keys_unavailable");
  expect(await outcome(parley.host, room, { headers: { authorization: "Bearer x" } })).toBe(
    "401 unauthorized",
  );
});

test("while the storage is down the answer is 503", async () => {
  await using parley = await server.startAnother();
  const room = newRoomId();
  await parley.createRoom([alice], { id: room });
  using database = new Database(parley.config.database);
  database.run("ALTER TABLE rooms RENAME TO hidden");
  expect(await outcome(parley.host, room)).toBe("503 storage_unavailable");
  database.run("ALTER TABLE hidden RENAME TO rooms");
  expect(await outcome(parley.host, room)).toBe("101");
});
