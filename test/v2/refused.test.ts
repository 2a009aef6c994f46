import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";

import { connectClassic, connectV2, refusedWith, V2Client } from "../support/client.ts";
import { encodeFrame, handshake, opcodes, RawConnection } from "../support/raw.ts";
import { newRoomId, startTestServer, type TestServer, useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

// Whoever offers `chat.v2` is refused after the 101, with a code that a browser can read.

const server = useServer({ env: { PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

interface Request {
  path?: string;
  headers?: Record<string, string | undefined>;
}

/** How a handshake by hand ends: a status and code over HTTP, a close code and reason after the 101, or as what it opened. */
async function outcome(
  { host }: Pick<TestServer, "host">,
  room: string,
  request: Request = {},
): Promise<string> {
  const { path = `/ws/chat/${room}/`, headers } = request;
  const raw = await RawConnection.open(host);
  const authorization = `Bearer ${await token(alice)}`;
  raw.write(handshake(host, path, { authorization, "sec-websocket-protocol": "chat.v2", ...headers }));
  const answer = await raw.answer();
  try {
    if (answer.status !== 101) {
      const { code } = JSON.parse(await raw.body(answer)) as { code: string };
      return `${answer.status} ${code}`;
    }
    expect(answer.headers.get("sec-websocket-protocol")).toBe("chat.v2");
    const { opcode, payload } = await raw.frame();
    if (opcode === opcodes.text) return (JSON.parse(String(payload)) as { type: string }).type;
    expect(opcode).toBe(opcodes.close);
    expect(payload.length).toBeLessThan(125);
    return `101, then ${payload.readUInt16BE()} ${String(payload.subarray(2))}`;
  } finally {
    raw.destroy();
  }
}

test("a room's id that is malformed is closed with 4400", async () => {
  for (const path of ["/ws/chat/a%20b/", "/ws/chat/.hidden/", `/ws/chat/${"a".repeat(101)}/`])
    expect(await outcome(server, "", { path })).toBe("101, then 4400 invalid_command");
});

test.each(["", "-1", "1.5", "1e3", "abc", "%00", " 1", "1 ", "0x10", "null", "1,2", "１"])(
  "a since of %p is closed with 4400",
  async (since) => {
    const room = await createRoom([alice]);
    const path = `/ws/chat/${room}/?since=${encodeURIComponent(since)}`;
    expect(await outcome(server, room, { path })).toBe("101, then 4400 invalid_command");
  },
);

test("no token, two of them, and one that does not verify are closed with 4401, without a word why", async () => {
  const room = await createRoom([alice]);
  const good = await token(alice);
  const bearers: Request[] = [
    { headers: { authorization: undefined } },
    { headers: { authorization: "" } },
    { headers: { authorization: "Bearer a.b.c" } },
    { headers: { authorization: `Bearer ${good.slice(0, -8)}AAAAAAAA` } },
    { headers: { "sec-websocket-protocol": `chat.v2, bearer.${good}` } },
    { headers: { "sec-websocket-protocol": `bearer.${good}, chat.v2` } },
    { headers: { authorization: undefined, "sec-websocket-protocol": "chat.v2, bearer." } },
    {
      headers: {
        authorization: undefined,
        "sec-websocket-protocol": `chat.v2, bearer.${good}, bearer.${good}`,
      },
    },
    { headers: { authorization: undefined }, path: `/ws/chat/${room}/?token=${good}` },
  ];
  for (const request of bearers)
    expect(await outcome(server, room, request)).toBe("101, then 4401 unauthorized");
});

test("a token that has expired is closed with 4401, and says so", async () => {
  const room = await createRoom([alice]);
  const expired = await server.issuer.sign(alice, { claims: { exp: Math.floor(Date.now() / 1000) - 60 } });
  const headers = { authorization: `Bearer ${expired}` };
  expect(await outcome(server, room, { headers })).toBe("101, then 4401 token_expired");
});

test("a room that does not exist and one that the user is not in are closed alike, with 4404", async () => {
  expect(await outcome(server, newRoomId())).toBe("101, then 4404 room_not_found");
  expect(await outcome(server, await createRoom([bob]))).toBe("101, then 4404 room_not_found");
});

test("a foreign page gets 403 before any 101, whatever it offers and whatever else is wrong", async () => {
  const room = await createRoom([alice]);
  const origin = "https://evil.example";
  for (const offer of ["chat.v2", "chat.v2, classic", "classic", undefined]) {
    const headers = { origin, "sec-websocket-protocol": offer };
    expect(await outcome(server, room, { headers })).toBe("403 forbidden");
    expect(await outcome(server, room, { headers: { ...headers, authorization: "Bearer x" } })).toBe(
      "403 forbidden",
    );
    expect(await outcome(server, newRoomId(), { headers })).toBe("403 forbidden");
  }
  // A page of the server's own is told.
  const own = { origin: server.url, authorization: undefined };
  expect(await outcome(server, room, { headers: own })).toBe("101, then 4401 unauthorized");
});

test("what is no handshake is refused over HTTP, though it offers chat.v2", async () => {
  const room = await createRoom([alice]);
  expect(await outcome(server, room, { headers: { upgrade: undefined } })).toBe("426 invalid_command");
  expect(await outcome(server, room, { headers: { "sec-websocket-key": "short" } })).toBe(
    "400 invalid_command",
  );
});

test("too many connections are closed with 4429, and one more is let in when one has gone", async () => {
  await using parley = await server.startAnother({ env: { PARLEY_CONNECTIONS_PER_USER: "2" } });
  const room = newRoomId();
  await parley.createRoom([alice, bob], { id: room });
  const open = async (email: string) => connectV2(parley.host, room, { token: await token(email) });
  const first = await open(alice);
  // One limit for both dialects.
  const classic = await connectClassic(parley.host, room, { token: await token(alice) });
  expect(await refusedWith(open(alice))).toBe("4429 too_many_connections");
  await open(bob);
  await classic.close();
  await waitUntil("there is a place", async () => (await parley.metric("parley_connections")) === 2);
  await open(alice);
  await first.close();
});

test("too many attempts are closed with 4429", async () => {
  await using parley = await server.startAnother({ env: { PARLEY_CONNECTIONS_PER_USER: "1" } });
  const room = newRoomId();
  await parley.createRoom([alice], { id: room });
  const bearer = await token(alice);
  const size = () => parley.metric("parley_connections");
  const attempt = async () => {
    const client = await connectV2(parley.host, room, { token: bearer }).catch((error: unknown) => error);
    if (!(client instanceof V2Client)) return client;
    await client.close();
    await waitUntil("his place is free", async () => (await size()) === 0);
    return undefined;
  };
  let refusal: unknown;
  await waitUntil("he connects too often", async () => (refusal = await attempt()) !== undefined);
  expect(refusal).toMatchObject({ code: 4429, reason: "too_many_connections" });
});

test("a full server closes with 4429", async () => {
  await using parley = await server.startAnother({ env: { PARLEY_MAX_CONNECTIONS: "1" } });
  const room = newRoomId();
  await parley.createRoom([alice, bob], { id: room });
  await connectV2(parley.host, room, { token: await token(bob) });
  expect(await outcome(parley, room)).toBe("101, then 4429 too_many_connections");
});

test("while the keys can't be had it is closed with 1013", async () => {
  await using parley = await startTestServer({ issuer: "http://127.0.0.1:1" });
  const room = newRoomId();
  await parley.createRoom([alice], { id: room });
  const bearer = await server.issuer.sign(alice, { claims: { iss: "http://127.0.0.1:1" } });
  const headers = { authorization: `Bearer ${bearer}` };
  expect(await outcome(parley, room, { headers })).toBe("101, then 1013 keys_unavailable");
});

test.each(["rooms", "messages"])(
  "while the storage's %s can't be read it is closed with 1013",
  async (table) => {
    await using parley = await server.startAnother();
    const room = newRoomId();
    await parley.createRoom([alice], { id: room });
    await (await connectV2(parley.host, room, { token: await token(alice) })).say("hello");
    using database = new Database(parley.config.database);
    database.run(`ALTER TABLE ${table} RENAME TO hidden`);
    // A history that somebody else was just sent is not read again.
    const path = `/ws/chat/${room}/?since=0`;
    expect(await outcome(parley, room, { path })).toBe("101, then 1013 storage_unavailable");
    database.run(`ALTER TABLE hidden RENAME TO ${table}`);
    expect(await outcome(parley, room, { path })).toBe("hello");
  },
);

test("a server that shuts down closes whoever still comes with 1012", async () => {
  const env = { PARLEY_DRAIN: "3" };
  await using parley = await server.startAnother({ env });
  const room = newRoomId();
  await parley.createRoom([alice, bob], { id: room });
  const clients = [];
  for (const email of [alice, bob])
    clients.push(await connectV2(parley.host, room, { token: await token(email) }));
  const stopping = parley.stop();
  await waitUntil("it shuts down", async () => !(await fetch(`${parley.url}/readyz`)).ok);
  expect(await outcome(parley, room)).toBe("101, then 1012 restarting");
  expect(await outcome(parley, room, { headers: { "sec-websocket-protocol": undefined } })).toBe(
    "503 restarting",
  );
  await stopping;
});

test("the checks come in their order: the first that fails is the answer", async () => {
  await using parley = await server.startAnother({ env: { PARLEY_CONNECTIONS_PER_USER: "1" } });
  const [mine, others] = [newRoomId(), newRoomId()];
  await parley.createRoom([alice], { id: mine });
  await parley.createRoom([bob], { id: others });
  const first = await connectV2(parley.host, mine, { token: await token(alice) });
  // Each step mends one thing more.
  const steps: [expected: string, mended: Request][] = [
    ["426 invalid_command", { headers: { upgrade: undefined } }],
    ["400 invalid_command", { headers: { upgrade: "websocket" } }],
    ["403 forbidden", { path: `/ws/chat/${others}/?since=x` }],
    ["101, then 4400 invalid_command", { headers: { origin: parley.url } }],
    ["101, then 4401 unauthorized", { path: `/ws/chat/${others}/` }],
    ["101, then 4404 room_not_found", { headers: { authorization: `Bearer ${await token(alice)}` } }],
    ["101, then 4429 too_many_connections", { path: `/ws/chat/${mine}/` }],
  ];
  const request = {
    path: "/ws/chat/a%20b/",
    headers: { origin: "https://evil.example", authorization: "Bearer x" },
  };
  for (const [expected, { path = request.path, headers }] of steps) {
    request.path = path;
    Object.assign(request.headers, headers);
    expect(await outcome(parley, mine, request)).toBe(expected);
  }
  await first.close();
  await waitUntil("its place is free", async () => (await outcome(parley, mine, request)) === "hello");
});

test("a refused socket is counted as a refusal and never as a connection, and nobody hears of it", async () => {
  const room = await createRoom([bob]);
  const listener = await connectV2(server.host, room, { token: await token(bob) });
  const count = async () => ({
    connections: await server.metric("parley_connections"),
    refusals: await server.metric('parley_refusals_total{code="room_not_found"}'),
  });
  const before = await count();
  const raws = [];
  for (let n = 0; n < 5; n++) {
    const raw = await RawConnection.open(server.host);
    const authorization = `Bearer ${await token(alice)}`;
    raw.write(
      handshake(server.host, `/ws/chat/${room}/`, { authorization, "sec-websocket-protocol": "chat.v2" }),
    );
    expect((await raw.answer()).status).toBe(101);
    expect(await raw.close()).toEqual({ code: 4404, reason: "room_not_found" });
    // Whatever it still says is not heard.
    raw.write(encodeFrame('{"type":"send","id":"1","text":"let me in"}'));
    raws.push(raw);
  }
  expect(await count()).toEqual({ ...before, refusals: before.refusals + 5 });
  expect((await listener.say("first")).seq).toBe(1);
  expect(listener.unread("presence").filter((seen) => "user" in seen && seen.user.email === alice)).toEqual(
    [],
  );
  for (const raw of raws) raw.destroy();
  await listener.close();
});

test("a refused socket goes away even if its client never answers the close", async () => {
  const ends = () => server.metric('parley_closes_total{code="4401"}');
  const before = await ends();
  const raw = await RawConnection.open(server.host);
  const headers = { "sec-websocket-protocol": "chat.v2" };
  raw.write(handshake(server.host, `/ws/chat/${await createRoom([alice])}/`, headers));
  expect((await raw.answer()).status).toBe(101);
  expect(await raw.close()).toEqual({ code: 4401, reason: "unauthorized" });
  await raw.ended;
  await waitUntil("the server has let go of it", async () => (await ends()) > before);
});
