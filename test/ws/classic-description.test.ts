import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { type ClassicFrame, Client, openSocket, refused, refusedWith } from "../support/client.ts";
import type { ConnectOptions } from "../support/client.ts";
import { unlimited, useServer } from "../support/server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { waitUntil } from "../support/wait.ts";

// A server as a classic.json describes it: where and how its clients connect, and what they get.

const folder = temporaryFolder();
const description = {
  paths: ["/ws/chat/:room/", "/chat/:room/", "/ws/chat/?room_id=:room", "/ws/?room=:room"],
  token: [
    { query: "token" },
    { query: "token" },
    { pair: "Bearer" },
    { pair: "access_token" },
    { scheme: "JWT" },
    { frame: { type: "auth", token: "$token" } },
  ],
  history: { limit: 3, order: "newest", frame: { type: "history", room: "$room_name", items: "$items" } },
  item: { id: "$seq", text: "$text", by: "$sender_name" },
  message: { type: "message", id: "$seq", text: "$text", room: "$room_name" },
  edited: { type: "edited", id: "$seq", text: "$text" },
  deleted: { type: "deleted", id: "$seq" },
  error: { type: "error", code: "$code" },
  accept: [
    { command: "edit", frame: { action: "edit", id: "$seq", text: "$text" } },
    { command: "delete", frame: { action: "delete", id: "$seq" } },
    { command: "read", frame: { action: "read" } },
    { command: "ignore", frame: { action: "typing" } },
  ],
  close: { unauthorized: 4001, room_not_found: 4004, removed: 4100 },
};
const file = join(folder.path, "classic.json");
writeFileSync(file, JSON.stringify(description));
const server = useServer({ env: { ...unlimited, PARLEY_CLASSIC: file } });

const alice = "alice@example.com";
const bob = "bob@example.com";

class OldClient extends Client<ClassicFrame> {
  /** The next frame, as its text. */
  async nextFrame(): Promise<string> {
    return JSON.stringify(await this.next());
  }
}

function open(path: string, options: ConnectOptions = {}, host = server.host): OldClient {
  return new OldClient(openSocket(`ws://${host}${path}`, options));
}

/** Resolves with the client once the first frame has come. */
async function connect(path: string, options: ConnectOptions = {}): Promise<OldClient> {
  const client = open(path, options);
  await Promise.race([client.next(), refused(client.socket)]);
  return client;
}

const connectAs = async (room: string, email: string) =>
  connect(`/ws/chat/${room}/`, { token: await server.token(email) });

describe("clients connect", () => {
  test.each([
    "/ws/chat/ROOM/",
    "/ws/chat/ROOM",
    "/chat/ROOM/",
    "/chat/ROOM",
    "/ws/chat/?room_id=ROOM",
    "/ws/chat?room_id=ROOM",
    "/ws/?room=ROOM",
  ])("to %s", async (path) => {
    const room = await server.createRoom([alice]);
    const client = await connect(path.replace("ROOM", room), { token: await server.token(alice) });
    expect(client.texts).toEqual([JSON.stringify({ type: "history", room, items: [] })]);
  });

  test("to these paths with chat.v2 too, and sessions keep their URL", async () => {
    const room = await server.createRoom([alice]);
    const options = { token: await server.token(alice), protocols: ["chat.v2"] };
    const first = async (path: string) => JSON.parse((await connect(path, options)).texts[0] ?? "");
    expect(await first(`/chat/${room}/`)).toMatchObject({ type: "hello", room: { id: room } });
    expect(await first("/ws/")).toMatchObject({ type: "hello", more: false });
  });

  test.each(["/ws/chat/?room=ROOM", "/chat/?room_id=ROOM", "/other/ROOM/", "/ws/chat/ROOM/more/"])(
    "not to %s",
    async (path) => {
      const room = await server.createRoom([alice]);
      const connecting = connect(path.replace("ROOM", room), { token: await server.token(alice) });
      expect(await refusedWith(connecting)).toStartWith("404 ");
    },
  );
});

describe("a token is accepted", () => {
  const carriers: Record<string, (token: string) => { query?: string; options?: ConnectOptions }> = {
    "in the Authorization header": (token) => ({ options: { token } }),
    "with another scheme": (token) => ({ options: { headers: { authorization: `JWT ${token}` } } }),
    "as bearer.<jwt>": (token) => ({ options: { protocols: ["classic", `bearer.${token}`] } }),
    "after the word of a pair": (token) => ({ options: { protocols: ["Bearer", token] } }),
    "in the query": (token) => ({ query: `?token=${token}` }),
    "in the query, with a protocol of the client's own": (token) => ({
      query: `?token=${token}`,
      options: { headers: { "sec-websocket-protocol": "mine" } },
    }),
  };
  test.each(Object.entries(carriers))("%s", async (_, carry) => {
    const room = await server.createRoom([alice]);
    const { query = "", options } = carry(await server.token(alice));
    const client = await connect(`/ws/chat/${room}/${query}`, options);
    client.send({ message: "hi" });
    expect(await client.nextFrame()).toBe(JSON.stringify({ type: "message", id: 1, text: "hi", room }));
    const [word] = options?.protocols ?? [""];
    expect(client.protocol).toBe(word ?? "");
  });

  test.each(Object.entries(carriers))("%s, and not when it is false", async (_, carry) => {
    const room = await server.createRoom([alice]);
    const { query = "", options } = carry("not.a.token");
    expect(await refusedWith(connect(`/ws/chat/${room}/${query}`, options))).toBe("4001 unauthorized");
  });

  test("once only", async () => {
    const room = await server.createRoom([alice]);
    const token = await server.token(alice);
    const path = `/ws/chat/${room}/`;
    for (const [query, options] of [
      [`?token=${token}`, { token }],
      [`?token=${token}&token=${token}`, {}],
      ["", { token, protocols: ["Bearer", token] }],
      ["", { protocols: ["Bearer", token, "access_token", await server.token(bob)] }],
    ] as const)
      expect(
        await refusedWith(
          connect(path + query, {
            ...options,
            protocols: [...(("protocols" in options && options.protocols) || [])],
          }),
        ),
      ).toBe("4001 unauthorized");
  });

  test("in the query for classic alone: chat.v2 and the HTTP API do not look there", async () => {
    const room = await server.createRoom([alice]);
    const token = await server.token(alice);
    const v2 = connect(`/ws/chat/${room}/?token=${token}`, { protocols: ["chat.v2"] });
    expect(await refusedWith(v2)).toBe("4401 unauthorized");
    expect((await fetch(`${server.url}/api/me?token=${token}`)).status).toBe(401);
    const headers = { authorization: `JWT ${token}` };
    expect((await fetch(`${server.url}/api/me`, { headers })).status).toBe(401);
  });

  test("from pages of an allowed origin alone, unless it is in a header that no page can set", async () => {
    const room = await server.createRoom([alice]);
    const token = await server.token(alice);
    const headers = { origin: "https://evil.example" };
    const path = `/ws/chat/${room}/`;
    for (const [query, options] of [
      [`?token=${token}`, { headers }],
      ["", { headers, protocols: ["Bearer", token] }],
      ["", { headers }],
    ] as const)
      expect(
        await refusedWith(
          connect(path + query, {
            ...options,
            protocols: [...(("protocols" in options && options.protocols) || [])],
          }),
        ),
      ).toBe("403 forbidden");
    await connect(path, { headers: { ...headers, authorization: `JWT ${token}` } });
  });

  test("and never appears in the log, in the metrics or in an answer", async () => {
    const room = await server.createRoom([alice]);
    const token = await server.token(alice);
    const [, payload = ""] = token.split(".");
    await connect(`/ws/chat/${room}/?token=${token}`);
    const answers = await Promise.all(
      [`/ws/chat/${room}/?token=${token}`, `/ws/?token=${token}`, `/nowhere?token=${token}`, "/metrics"].map(
        async (path) => {
          const answer = await fetch(server.url + path);
          return JSON.stringify([...answer.headers]) + (await answer.text());
        },
      ),
    );
    expect(await refusedWith(connect(`/ws/chat/none/?token=${token}`))).toBe("4004 room_not_found");
    const seen = JSON.stringify([server.logs, answers]);
    expect(seen).not.toContain(payload);
    expect(server.logs).toContainEqual(
      expect.objectContaining({ level: 40, msg: expect.stringContaining("allows tokens in URLs") }),
    );
    const plain = await fetch(`${server.url}/ws/chat/${room}/?token=${token}`);
    expect(plain.headers.get("referrer-policy")).toBe("no-referrer");
  });
});

const auth = (token: string) => ({ type: "auth", token });

describe("a token in the first frame", () => {
  test("is accepted, and what follows it at once is handled after the history", async () => {
    const room = await server.createRoom([alice]);
    const client = open(`/ws/chat/${room}/`);
    await new Promise((resolve) => client.socket.once("open", resolve));
    client.send(auth(await server.token(alice)));
    for (const text of ["one", "two"]) client.send({ message: text });
    expect(await client.nextFrame()).toBe(JSON.stringify({ type: "history", room, items: [] }));
    for (const [index, text] of ["one", "two"].entries())
      expect(await client.nextFrame()).toBe(JSON.stringify({ type: "message", id: index + 1, text, room }));
  });

  test.each<[name: string, frame: unknown, room: string | undefined, closed: string]>([
    ["a false token", auth("x.y.z"), undefined, "4001 unauthorized"],
    ["a frame without a token", { message: "hi" }, undefined, "4001 unauthorized"],
    ["text that is not JSON", "{", undefined, "4001 unauthorized"],
    ["a binary frame", Buffer.from("{}"), undefined, "4001 unauthorized"],
    ["a room that does not exist", "token", "none", "4004 room_not_found"],
  ])("%s closes the connection", async (_, frame, room, closed) => {
    const client = open(`/ws/chat/${room ?? (await server.createRoom([alice]))}/`);
    await new Promise((resolve) => client.socket.once("open", resolve));
    client.send(frame === "token" ? auth(await server.token(alice)) : frame);
    const { code, reason } = await client.closed;
    expect([`${code} ${reason}`, client.texts]).toEqual([closed, []]);
  });

  test("is waited for only as long as the server has room for one more connection", async () => {
    const env = { PARLEY_CLASSIC: file, PARLEY_MAX_CONNECTIONS: "1" };
    await using another = await server.startAnother({ env });
    const client = open("/ws/chat/none/", {}, another.host);
    await new Promise((resolve) => client.socket.once("open", resolve));
    const refusal = refused(open("/ws/chat/none/", {}, another.host).socket);
    expect(await refusedWith(refusal)).toBe("429 too_many_connections");
  });

  test("is waited for until the server shuts down, and connections without one are no connections", async () => {
    await using another = await server.startAnother({ env: { PARLEY_CLASSIC: file } });
    const client = open("/ws/chat/none/", {}, another.host);
    await new Promise((resolve) => client.socket.once("open", resolve));
    expect(await another.metric("parley_connections")).toBe(0);
    await another.stop();
    const { code, reason } = await client.closed;
    expect(`${code} ${reason}`).toBe("1012 restarting");
  });
});

/** The next frames, sorted: those of different senders may come in any order. */
async function takeSorted(client: OldClient, count: number): Promise<string[]> {
  const frames = [];
  while (frames.length < count) frames.push(await client.nextFrame());
  return frames.toSorted();
}

test("the session cookie is for all paths, and the one for /ws from before is removed", async () => {
  const room = await server.createRoom([alice]);
  const authorization = `Bearer ${await server.token(alice)}`;
  const session = await fetch(`${server.url}/api/session`, { method: "POST", headers: { authorization } });
  const [removed = "", set = ""] = session.headers.getSetCookie();
  expect(removed).toMatch(/^parley_session=; Max-Age=0; Path=\/ws;/);
  expect(set).toMatch(/; Path=\/;/);
  const cookie = set.split(";")[0] ?? "";
  await connect(`/chat/${room}/`, { headers: { cookie, origin: server.url } });
});

describe("clients get", () => {
  test("the last messages, the newest first, in the frame of the description", async () => {
    const room = await server.createRoom([alice]);
    const client = await connectAs(room, alice);
    for (const text of ["one", "two", "three", "four"]) client.send({ message: text });
    for (let n = 0; n < 4; n++) await client.next();
    const items = ["four", "three", "two"].map((text, index) => ({ id: 4 - index, text, by: alice }));
    const late = await connectAs(room, alice);
    expect(late.texts).toEqual([JSON.stringify({ type: "history", room, items })]);
  });

  test("edits and deletions, made by old clients and by new ones", async () => {
    const room = await server.createRoom([alice, bob]);
    const [old, other] = [await connectAs(room, alice), await connectAs(room, bob)];
    const v2 = await server.connectV2(room, alice);
    await v2.say("first");
    old.send({ message: "second" });
    await v2.ack({ type: "edit", seq: 1, text: "first, edited" });
    await v2.ack({ type: "react", seq: 1, emoji: "👍", on: true });
    await waitUntil("the second message is there", () => v2.messages.has(2));
    old.send({ action: "edit", id: "2", text: "second, edited" });
    await v2.ack({ type: "delete", seq: 1 });
    old.send({ action: "typing" });
    old.send({ action: "delete", id: 2 });
    await v2.reach(7);
    const expected = [
      { type: "message", id: 1, text: "first", room },
      { type: "message", id: 2, text: "second", room },
      { type: "edited", id: 1, text: "first, edited" },
      { type: "edited", id: 2, text: "second, edited" },
      { type: "deleted", id: 1 },
      { type: "deleted", id: 2 },
    ];
    const sorted = expected.map((frame) => JSON.stringify(frame)).toSorted();
    expect([await takeSorted(old, 6), await takeSorted(other, 6)]).toEqual([sorted, sorted]);
  });

  test("errors in the shape of the description, for what they may not do", async () => {
    const room = await server.createRoom([alice, bob]);
    const [client, other] = [await connectAs(room, alice), await connectAs(room, bob)];
    other.send({ message: "bob's" });
    await client.next();
    for (const [frame, code] of [
      [{ action: "edit", id: 1, text: "mine" }, "forbidden"],
      [{ action: "delete", id: 1 }, "forbidden"],
      [{ action: "delete", id: 2 }, "message_not_found"],
      [{ action: "edit", id: 1, text: " " }, "invalid_message"],
      [{ action: "edit", id: 1 }, "invalid_message"],
      [{ text: "x" }, "invalid_message"],
    ] as const) {
      client.send(frame);
      expect(await client.nextFrame()).toBe(JSON.stringify({ type: "error", code }));
    }
    const [message] = (await server.connectV2(room, bob)).known();
    expect(message).toMatchObject({ text: "bob's", rev: 1 });
  });

  test("their read mark moved to the newest message", async () => {
    const room = await server.createRoom([alice, bob]);
    const [old, v2] = [await connectAs(room, alice), await server.connectV2(room, bob)];
    for (const text of ["one", "two"]) await v2.say(text);
    old.send({ action: "read" });
    expect(await v2.next("read")).toMatchObject({ user: { email: alice }, seq: 2 });
  });

  test("the room's new name, once it has one", async () => {
    const room = await server.createRoom([alice], { role: "owner" });
    const client = await connectAs(room, alice);
    const headers = {
      authorization: `Bearer ${await server.token(alice)}`,
      "content-type": "application/json",
    };
    const body = JSON.stringify({ name: "Another name" });
    await fetch(`${server.url}/api/rooms/${room}`, { method: "PATCH", headers, body });
    client.send({ message: "hi" });
    expect(await client.next()).toEqual({
      type: "message",
      id: 1,
      text: "hi",
      room: "Another name",
    } as never);
  });

  test("the close code that they look for, when they are removed", async () => {
    const room = await server.createRoom([alice]);
    const client = await connectAs(room, alice);
    await server.asOperator((chat, operator) => chat.rooms.removeMember(operator, room, { email: alice }));
    const { code, reason } = await client.closed;
    expect(`${code} ${reason}`).toBe("4100 removed");
  });

  test("refusals that are not listed as an HTTP status", async () => {
    const connecting = connect("/ws/chat/a%20b/", { token: await server.token(alice) });
    expect(await refusedWith(connecting)).toBe("400 invalid_command");
  });
});

test("nothing that was not described: no history, and no errors", async () => {
  const quiet = join(folder.path, "quiet.json");
  writeFileSync(quiet, JSON.stringify({ history: { limit: 0 }, error: null }));
  await using another = await server.startAnother({ env: { PARLEY_CLASSIC: quiet } });
  const room = await another.createRoom([alice]);
  const client = open(`/ws/chat/${room}/`, { token: await another.token(alice) }, another.host);
  await new Promise((resolve) => client.socket.once("open", resolve));
  client.send("nonsense");
  client.send({ message: "one" });
  expect(await client.next()).toEqual({ message: "one" });
  expect(client.texts).toEqual(['{"message":"one"}']);
});

/** Why a server did not start with this classic.json. */
const startWith = (path: string) =>
  server.startAnother({ env: { PARLEY_CLASSIC: path } }).then(() => "started", String);

test("the server does not start with a file that is wrong, and says why", async () => {
  const wrong = join(folder.path, "wrong.json");
  writeFileSync(wrong, '{"message":{"text":"$txt"}}');
  expect(await startWith(wrong)).toContain(`${wrong}: message.text: unknown variable "$txt"`);
  writeFileSync(wrong, "{");
  expect(await startWith(wrong)).toContain(`${wrong}: is not JSON`);
  expect(await startWith(join(folder.path, "none.json"))).toContain("none.json: cannot be read");
});
