import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";

import { connect, connectV2, type Dialect, dialects } from "../support/client.ts";
import { encodeText, handshake, openRaw, RawConnection } from "../support/raw.ts";
import { newRoomId, startTestServer, type TestServer, unlimited, useServer } from "../support/server.ts";
import { upgrade } from "../support/upgrade.ts";
import { waitUntil } from "../support/wait.ts";

// A client that offers `chat.v2` is refused after the 101, by a close frame that a page can read; others by an HTTP status.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";
const bob = "bob@example.com";

/** HTTP status and close code. */
const statuses = {
  invalid_command: [400, 4400],
  unauthorized: [401, 4401],
  token_expired: [401, 4401],
  room_not_found: [404, 4404],
  too_many_connections: [429, 4429],
  keys_unavailable: [503, 1013],
  storage_unavailable: [503, 1013],
} as const;

interface Request {
  path: string;
  headers?: Record<string, string | undefined>;
}

/** How a refusal with this code is told to clients of a dialect. */
const refusalOf = (dialect: Dialect, code: keyof typeof statuses) =>
  `${statuses[code][dialect === "classic" ? 0 : 1]} ${code}`;

/** How a handshake ends that is correct unless the request says otherwise. */
async function attemptAt(dialect: Dialect, { path, headers }: Request, at: Pick<TestServer, "host">) {
  const authorization = `Bearer ${await server.token(alice)}`;
  const all = { authorization, "sec-websocket-protocol": dialect, ...headers };
  return (await upgrade(at.host, path, { headers: all })).outcome;
}

const roomPath = (room: string) => `/ws/chat/${room}/`;
const urls = [
  { name: "classic", dialect: "classic", pathOf: roomPath, opened: "classic" },
  { name: "chat.v2", dialect: "chat.v2", pathOf: roomPath, opened: "chat.v2" },
  { name: "a session", dialect: "chat.v2", pathOf: () => "/ws/", opened: "session" },
] as const;

describe.each(urls)("$name", ({ dialect, pathOf, opened }) => {
  const refused = (code: keyof typeof statuses) => refusalOf(dialect, code);
  const attempt = (room: string, request: Partial<Request> = {}, at: Pick<TestServer, "host"> = server) =>
    attemptAt(dialect, { path: pathOf(room), ...request }, at);

  test("a token that is missing, malformed, sent twice, or in the query is refused as unauthorized", async () => {
    const room = await server.createRoom([alice]);
    const good = await server.token(alice);
    const requests: Partial<Request>[] = [
      ...[undefined, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer a.b.c", good].map(
        (authorization) => ({ headers: { authorization } }),
      ),
      { headers: { authorization: `Bearer ${good.slice(0, -8)}AAAAAAAA` } },
      { headers: { "sec-websocket-protocol": `${dialect}, bearer.${good}` } },
      { headers: { "sec-websocket-protocol": `bearer.${good}, ${dialect}` } },
      ...[`bearer.`, `bearer.${good}, bearer.${good}`].map((offer) => ({
        headers: { authorization: undefined, "sec-websocket-protocol": `${dialect}, ${offer}` },
      })),
      ...["token", "access_token", "authorization"].map((name) => ({
        path: `${pathOf(room)}?${name}=${good}`,
        headers: { authorization: undefined },
      })),
    ];
    for (const request of requests) expect(await attempt(room, request)).toBe(refused("unauthorized"));
    expect(await attempt(room)).toBe(opened);
  });

  test("an expired token is refused as such", async () => {
    const room = await server.createRoom([alice]);
    const token = await server.token(alice, { claims: { exp: Math.floor(Date.now() / 1000) - 60 } });
    const headers = { authorization: `Bearer ${token}` };
    expect(await attempt(room, { headers })).toBe(refused("token_expired"));
  });

  test("while the issuer's keys are not available the refusal says so, except for a malformed token", async () => {
    const issuer = "http://127.0.0.1:1";
    await using parley = await startTestServer({ issuer });
    const room = await parley.createRoom([alice]);
    const token = await server.token(alice, { claims: { iss: issuer } });
    const headers = { authorization: `Bearer ${token}` };
    expect(await attempt(room, { headers }, parley)).toBe(refused("keys_unavailable"));
    expect(await attempt(room, { headers: { authorization: "Bearer x" } }, parley)).toBe(
      refused("unauthorized"),
    );
  });

  test("while the storage is not available the refusal says so", async () => {
    await using parley = await server.startAnother();
    const room = await parley.createRoom([alice]);
    using database = new Database(parley.config.database);
    database.run("ALTER TABLE rooms RENAME TO hidden");
    expect(await attempt(room, {}, parley)).toBe(refused("storage_unavailable"));
    database.run("ALTER TABLE hidden RENAME TO rooms");
    expect(await attempt(room, {}, parley)).toBe(opened);
  });
});

describe.each([...dialects])("%s", (dialect) => {
  const refused = (code: keyof typeof statuses) => refusalOf(dialect, code);
  const attempt = (room: string, at: Pick<TestServer, "host"> = server) =>
    attemptAt(dialect, { path: roomPath(room) }, at);

  test("a room that does not exist and one that the user is not in look the same", async () => {
    const answerFor = async (room: string) => {
      const raw = await RawConnection.open(server.host);
      const authorization = `Bearer ${await server.token(alice)}`;
      const headers = { authorization, "sec-websocket-protocol": dialect };
      raw.write(handshake(server.host, `/ws/chat/${room}/`, headers));
      const answer = await raw.answer();
      answer.headers.delete("date");
      const body = answer.status === 101 ? await raw.close() : await raw.body(answer);
      raw.destroy();
      return { ...answer, headers: [...answer.headers], body };
    };
    const missing = newRoomId();
    expect(await attempt(missing)).toBe(refused("room_not_found"));
    expect(await answerFor(await server.createRoom([bob]))).toEqual(await answerFor(missing));
  });

  test("the checks come in the documented order, and the first that fails decides", async () => {
    await using parley = await server.startAnother({ env: { PARLEY_CONNECTIONS_PER_USER: "1" } });
    const [mine, others] = [await parley.createRoom([alice]), await parley.createRoom([bob])];
    const token = await server.token(alice);
    const first = await connect(dialect, parley.host, mine, { token });
    let path = "/ws/chat/a%20b/";
    const headers = {
      upgrade: "h2c",
      "sec-websocket-key": "short",
      "sec-websocket-protocol": "chat.v9",
      origin: "https://evil.example",
    };
    /** Each step corrects one thing more. */
    const steps: [outcome: string, correct: () => unknown][] = [
      ["426 invalid_command", () => undefined],
      ["400 invalid_command", () => (headers.upgrade = "websocket")],
      // A foreign page is never refused after the 101.
      ["400 invalid_command", () => (headers["sec-websocket-key"] = "dGhlIHNhbXBsZSBub25jZQ==")],
      ["400 invalid_command", () => (path = `/ws/chat/${others}/?since=x`)],
      ["403 forbidden", () => (headers["sec-websocket-protocol"] = `${dialect}, bearer.x`)],
      [
        refused(dialect === "classic" ? "unauthorized" : "invalid_command"),
        () => (headers.origin = parley.url),
      ],
      [refused("unauthorized"), () => (path = `/ws/chat/${others}/`)],
      [refused("room_not_found"), () => (headers["sec-websocket-protocol"] = `${dialect}, bearer.${token}`)],
      [refused("too_many_connections"), () => (path = `/ws/chat/${mine}/`)],
    ];
    for (const [outcome, correct] of steps) {
      correct();
      expect((await upgrade(parley.host, path, { headers })).outcome).toBe(outcome);
    }
    await first.close();
    await waitUntil("the connection is free", async () => (await attempt(mine, parley)) === dialect);
  });
});

test("the checks of a session come in the same order, and the first that fails decides", async () => {
  await using parley = await server.startAnother({ env: { PARLEY_CONNECTIONS_PER_USER: "1" } });
  const token = await server.token(alice);
  const first = await parley.connectV2(await parley.createRoom([alice]), alice);
  const headers = {
    upgrade: "h2c",
    "sec-websocket-key": "short",
    "sec-websocket-protocol": "classic",
    origin: "https://evil.example",
  };
  /** Each step corrects one thing more. */
  const steps: [outcome: string, correct: () => unknown][] = [
    ["426 invalid_command", () => undefined],
    ["400 invalid_command", () => (headers.upgrade = "websocket")],
    ["400 invalid_command", () => (headers["sec-websocket-key"] = "dGhlIHNhbXBsZSBub25jZQ==")],
    ["403 forbidden", () => (headers["sec-websocket-protocol"] = "chat.v2, bearer.x")],
    ["4401 unauthorized", () => (headers.origin = parley.url)],
    ["4429 too_many_connections", () => (headers["sec-websocket-protocol"] = `chat.v2, bearer.${token}`)],
  ];
  const attempt = async () => (await upgrade(parley.host, "/ws/", { headers })).outcome;
  for (const [outcome, correct] of steps) {
    correct();
    expect(await attempt()).toBe(outcome);
  }
  await first.close();
  await waitUntil("the connection is free", async () => (await attempt()) === "session");
});

/** How an upgrade with this `since` ends. */
const outcomeOf = async (dialect: Dialect, since: string) => {
  const path = `/ws/chat/${await server.createRoom([alice])}/?since=${encodeURIComponent(since)}`;
  const authorization = `Bearer ${await server.token(alice)}`;
  return (await upgrade(server.host, path, { headers: { authorization, "sec-websocket-protocol": dialect } }))
    .outcome;
};

describe("since", () => {
  test.each(["", "-1", "1.5", "1e3", "abc", "%00", " 1", "1 ", "0x10", "null", "1,2", "１"])(
    "%p is refused in chat.v2 and ignored in classic",
    async (since) => {
      expect(await outcomeOf("chat.v2", since)).toBe("4400 invalid_command");
      expect(await outcomeOf("classic", since)).toBe("classic");
    },
  );
});

test("chat.v2 is refused while the room's messages cannot be read", async () => {
  const room = await server.createRoom([alice]);
  await (await server.connectV2(room, alice)).say("hello");
  using database = new Database(server.config.database);
  database.run("ALTER TABLE messages RENAME TO hidden");
  try {
    const raw = await openRaw("chat.v2", server.host, room, await server.token(alice), 0);
    expect(await raw.close()).toEqual({ code: 1013, reason: "storage_unavailable" });
    raw.destroy();
  } finally {
    database.run("ALTER TABLE hidden RENAME TO messages");
  }
  expect((await connectV2(server.host, room, { token: await server.token(alice) })).known()).toHaveLength(1);
});

describe("a connection that is opened only to be closed", () => {
  test("counts as a refusal, never as a connection; what it sends is ignored and nobody hears of it", async () => {
    const room = await server.createRoom([bob]);
    const listener = await server.connectV2(room, bob);
    const counts = async () => ({
      connections: await server.metric("parley_connections"),
      refusals: await server.metric('parley_refusals_total{code="room_not_found"}'),
    });
    const before = await counts();
    const raws: RawConnection[] = [];
    for (let n = 0; n < 5; n++) {
      const raw = await openRaw("chat.v2", server.host, room, await server.token(alice));
      expect(await raw.close()).toEqual({ code: 4404, reason: "room_not_found" });
      raw.write(encodeText("chat.v2", "not a member"));
      raws.push(raw);
    }
    expect(await counts()).toEqual({ ...before, refusals: before.refusals + 5 });
    expect((await listener.say("first")).seq).toBe(1);
    expect(listener.texts.filter((text) => text.includes(alice))).toEqual([]);
    for (const raw of raws) raw.destroy();
  });

  test("ends even when its client never answers the close frame", async () => {
    const closes = () => server.metric('parley_closes_total{code="4401"}');
    const before = await closes();
    const raw = await openRaw("chat.v2", server.host, await server.createRoom([alice]), "x");
    expect(await raw.close()).toEqual({ code: 4401, reason: "unauthorized" });
    await raw.ended;
    await waitUntil("the server has closed it", async () => (await closes()) > before);
  });
});
