import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";

import { connectClassic } from "../support/client.ts";
import { newRoomId, startTestServer, useServer } from "../support/server.ts";
import { requestUpgrade, upgradeOutcome, upgradeProblem, type UpgradeRequest } from "../support/upgrade.ts";

// What is checked before the 101. The Origin, the subprotocols and the carriers of tokens have tests of their own.

const server = useServer({ env: { PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

const pathOf = (room: string) => `/ws/chat/${room}/`;

/** The answer to a handshake with Alice's token, in which everything else is right unless the request says otherwise. */
async function outcome(path: string, request: UpgradeRequest = {}, { host } = server): Promise<string> {
  const headers = { authorization: `Bearer ${await token(alice)}`, ...request.headers };
  return upgradeOutcome(host, path, { ...request, headers });
}

/** The same with other headers. */
const outcomeWith = (path: string, headers: UpgradeRequest["headers"]) => outcome(path, { headers });

test("a request that is not for a WebSocket is answered with 426", async () => {
  const path = pathOf(await createRoom([alice]));
  for (const upgrade of [undefined, "h2c", ""])
    expect(await outcomeWith(path, { upgrade })).toBe("426 invalid_command");
  for (const method of ["POST", "PUT", "DELETE"])
    expect(await outcome(path, { method, headers: { "content-length": "0" } })).toBe("426 invalid_command");
  expect(await outcome(path)).toBe("101");
  expect(await outcomeWith(path, { upgrade: "WebSocket" })).toBe("101");
});

test("a handshake that is not one of RFC 6455 is refused", async () => {
  const path = pathOf(await createRoom([alice]));
  const bad: UpgradeRequest["headers"][] = [
    { "sec-websocket-key": undefined },
    { "sec-websocket-key": "c2hvcnQ=" },
    { "sec-websocket-key": "!".repeat(24) },
    { connection: undefined },
    { connection: "notupgrade" },
    { connection: "keep-alive, upgraded" },
    { host: server.host, Host: server.host },
    { host: server.host, Host: "chat.example.com" },
  ];
  for (const headers of bad)
    expect([headers, await outcomeWith(path, headers)]).toEqual([headers, "400 invalid_command"]);
  for (const connection of ["upgrade", "keep-alive, Upgrade", "Upgrade,keep-alive"])
    expect([connection, await outcomeWith(path, { connection })]).toEqual([connection, "101"]);
});

test("Bun refuses some handshakes by itself", async () => {
  const path = pathOf(await createRoom([alice]));
  const statusOf = async (request: UpgradeRequest) => {
    const { status } = await requestUpgrade(server.host, path, request);
    return status;
  };
  const headers = { authorization: `Bearer ${await token(alice)}` };
  for (const version of ["12", undefined])
    expect(await statusOf({ headers: { ...headers, "sec-websocket-version": version } })).toBe(426);
  expect(await statusOf({ headers: { ...headers, host: undefined } })).toBe(400);
  expect(await statusOf({ headers: { ...headers, cookie: "x".repeat(20_000) } })).toBe(431);
});

test("HTTP/1.0 without a Host cannot be upgraded", async () => {
  const path = pathOf(await createRoom([alice]));
  expect(await outcome(path, { version: "1.0", headers: { host: undefined } })).toBe("400 invalid_command");
});

test("a room is found with and without the last slash, percent-encoded, and by a path that leaves and comes back", async () => {
  const room = await createRoom([alice]);
  const encoded = [...room].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join("");
  const paths = [
    `/ws/chat/${room}`,
    `/ws/chat/${room}/`,
    `/ws/chat/${encoded}/`,
    `/ws/chat/${room}/?x=/../`,
    `/ws/chat/x/../${room}/`,
  ];
  for (const path of paths) expect([path, await outcome(path)]).toEqual([path, "101"]);
});

test("a room id has up to 100 letters, digits, dots, underscores and hyphens", async () => {
  for (const id of ["a".repeat(95), "A-b_c.d..e"].map((prefix) => `${prefix}-${newRoomId().slice(5)}`)) {
    await createRoom([alice], { id });
    expect(await outcome(pathOf(id))).toBe("101");
    expect(await outcome(pathOf(`${id}x`))).toBe("404 room_not_found");
  }
});

test.each([
  "a".repeat(101),
  "a".repeat(10_000),
  ".hidden",
  "a%20b",
  "a+b",
  "a:b",
  "a;b",
  "a,b",
  "*",
  "$a",
  "a@example.com",
  "%zz",
  "%",
  "%ff",
  "%00",
  "room%00",
  "room%0a",
  "room%0d%0a",
  "a%2fb",
  "%2e%2e%2f%2e%2e%2fetc",
  "..%2fadmin",
  "%252e%252e",
  "caf%C3%A9",
  "%F0%9F%98%80",
  "%D0%B0dmin",
  "a'OR'1'='1",
])("%p is not a room id", async (id) => {
  expect(await outcome(pathOf(id))).toBe("400 invalid_command");
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
])("there is no WebSocket at %s", async (path) => {
  expect(await outcome(path)).toBe("404 invalid_command");
});

test("an expired token is refused as such, any other bad one as unauthorized", async () => {
  const path = pathOf(await createRoom([alice]));
  const exp = Math.floor(Date.now() / 1000) - 60;
  const expired = await token(alice, { claims: { exp } });
  expect(await outcomeWith(path, { authorization: `Bearer ${expired}` })).toBe("401 token_expired");
  for (const authorization of [undefined, "Bearer a.b.c", `Bearer ${expired}x`])
    expect(await outcomeWith(path, { authorization })).toBe("401 unauthorized");
});

test("two session cookies are refused, whichever of them is good: a sibling domain may have planted one", async () => {
  const path = pathOf(await createRoom([alice]));
  const [good, other] = [`parley_session=${await token(alice)}`, `parley_session=${await token(bob)}`];
  const outcomeOf = (cookie: string) =>
    outcomeWith(path, { authorization: undefined, origin: server.url, cookie });
  expect(await outcomeOf(`theme=dark; ${good}`)).toBe("101");
  expect(await outcomeOf(`${good}; ${other}`)).toBe("401 unauthorized");
  expect(await outcomeOf(`${other}; theme=dark; ${good}`)).toBe("401 unauthorized");
  expect(await outcomeOf(`${good}; ${good}`)).toBe("401 unauthorized");
});

test("the first check that fails is the answer", async () => {
  await using parley = await server.startAnother({ env: { PARLEY_CONNECTIONS_PER_USER: "1" } });
  const [mine, others] = [await parley.createRoom([alice]), await parley.createRoom([bob])];
  const first = await connectClassic(parley.host, mine, { token: await token(alice) });
  let path = pathOf("a%20b");
  let headers: UpgradeRequest["headers"] = {
    upgrade: undefined,
    connection: "close",
    origin: "https://evil.example",
    "sec-websocket-protocol": "chat.v9, bearer.x",
  };
  const answer = async () => {
    const { status, detail = "" } = await upgradeProblem(parley.host, path, { headers });
    return `${status} ${detail}`;
  };
  // Each step mends what the one before was refused for.
  expect(await answer()).toMatch(/^426 .*WebSocket endpoint/);
  headers = { ...headers, upgrade: "websocket" };
  expect(await answer()).toMatch(/^400 .*handshake/);
  headers = { ...headers, connection: "upgrade" };
  expect(await answer()).toMatch(/^400 A room id/);
  path = pathOf(others);
  expect(await answer()).toMatch(/^400 Offer one of/);
  headers = { ...headers, "sec-websocket-protocol": "classic, bearer.x" };
  expect(await answer()).toMatch(/^403 .*origin/);
  headers = { ...headers, origin: parley.url };
  expect(await answer()).toMatch(/^401 /);
  headers = { ...headers, "sec-websocket-protocol": `classic, bearer.${await token(alice)}` };
  expect(await answer()).toMatch(/^404 There is no such room/);
  path = pathOf(mine);
  expect(await answer()).toMatch(/^429 /);
  await first.close();
  expect(await answer()).toBe("101 ");
});

test("while the signing keys cannot be fetched the answer is 503", async () => {
  const iss = "http://127.0.0.1:1";
  await using parley = await startTestServer({ issuer: iss });
  const path = pathOf(await parley.createRoom([alice]));
  const authorization = `Bearer ${await token(alice, { claims: { iss } })}`;
  expect(await outcome(path, { headers: { authorization } }, parley)).toBe("503 keys_unavailable");
  // No key could make this one valid.
  expect(await outcome(path, { headers: { authorization: "Bearer x" } }, parley)).toBe("401 unauthorized");
});

test("while the storage cannot be read the answer is 503", async () => {
  await using parley = await server.startAnother();
  const path = pathOf(await parley.createRoom([alice]));
  using database = new Database(parley.config.database);
  database.run("ALTER TABLE rooms RENAME TO hidden");
  expect(await outcome(path, {}, parley)).toBe("503 storage_unavailable");
  database.run("ALTER TABLE hidden RENAME TO rooms");
  expect(await outcome(path, {}, parley)).toBe("101");
});
