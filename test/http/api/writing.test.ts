import { describe, expect, test } from "bun:test";

import { type ApiUser, createRoomWithRoles, createUser } from "../../support/api-users.ts";
import { expectProblem } from "../../support/api.ts";
import { storedMessages } from "../../support/messages.ts";
import { range } from "../../support/samples.ts";
import { unlimited, useServer } from "../../support/server.ts";

// What happens over HTTP reaches the sockets of both dialects, and the other way round.

const server = useServer({ env: unlimited });

const post = (user: ApiUser, room: string, body: unknown, headers: Record<string, string> = {}) =>
  user.call(`POST /api/rooms/${room}/messages`, { body, headers });

test("a message that is posted reaches sockets of both dialects and sessions", async () => {
  const [alice, bob] = [await createUser(server), await createUser(server)];
  const room = await server.createRoom([alice.email, bob.email]);
  const [classic, v2] = [
    await server.connectClassic(room, bob.email),
    await server.connectV2(room, bob.email),
  ];
  const session = await server.connectSession(bob.email);
  const { status, headers, body } = await post(alice, room, { text: "Hello!" });
  expect([status, headers.get("location")]).toEqual([201, `/api/rooms/${room}/messages/1`]);
  expect(body).toMatchObject({
    seq: 1,
    rev: 1,
    text: "Hello!",
    sender: { email: alice.email },
    reactions: [],
  });
  expect(await classic.next()).toEqual({ message: "Hello!" });
  expect(await v2.next("change")).toMatchObject({ kind: "created", message: body });
  expect(await session.next("activity")).toMatchObject({ room, seq: 1, last_message: body });
  expect((await alice.call(`GET ${headers.get("location") ?? ""}`)).body).toEqual(body);
});

test("a message is edited, reacted to and deleted, by sockets and by requests alike", async () => {
  const alice = await createUser(server);
  const room = await server.createRoom([alice.email]);
  const v2 = await server.connectV2(room, alice.email);
  await v2.say("one");
  const path = `/api/rooms/${room}/messages/1`;
  const edited = await alice.call(`PATCH ${path}`, { body: { text: "one, edited" } });
  expect([edited.status, edited.body["text"], edited.body["rev"]]).toEqual([200, "one, edited", 2]);
  const thumb = encodeURIComponent("👍");
  const reacted = await alice.call(`PUT ${path}/reactions/${thumb}`);
  const by = [`user|${alice.email}`];
  expect(reacted.body["reactions"]).toEqual([{ emoji: "👍", by }]);
  // As it is already.
  expect((await alice.call(`PUT ${path}/reactions/${thumb}`)).body["rev"]).toBe(3);
  expect((await alice.call(`DELETE ${path}/reactions/${thumb}`)).body["reactions"]).toEqual([]);
  const deleted = await alice.call(`DELETE ${path}`);
  expect([deleted.status, deleted.text]).toEqual([204, ""]);
  expect((await alice.call(`DELETE ${path}`)).status).toBe(204);
  await v2.reach(5);
  expect(v2.known()).toEqual([(await alice.call(`GET ${path}`)).body as never]);
  expectProblem(await alice.call(`PATCH ${path}`, { body: { text: "again" } }), 404, "message_not_found");
});

test("a message's metadata is stored and returned as it was sent", async () => {
  const alice = await createUser(server);
  const room = await server.createRoom([alice.email]);
  const meta = { kind: "card", items: [1, { b: null }], ключ: "😀" };
  const { body } = await post(alice, room, { text: "A card", meta });
  expect(body["meta"]).toEqual(meta);
  expect((await alice.call(`GET /api/rooms/${room}/messages/1`)).body["meta"]).toEqual(meta);
  expect((await server.connectV2(room, alice.email)).known()[0]?.meta).toEqual(meta);
  for (const wrong of [[], "x", 5]) {
    const answer = await post(alice, room, { text: "x", meta: wrong });
    expectProblem(answer, 400, "invalid_command");
  }
  const tooLarge = await post(alice, room, { text: "x", meta: { a: "x".repeat(4096) } });
  expectProblem(tooLarge, 413, "message_too_long");
});

describe("a message that is posted twice", () => {
  test("with the same key is stored once", async () => {
    const alice = await createUser(server);
    const room = await server.createRoom([alice.email]);
    const headers = { "idempotency-key": "k1" };
    const answers = [
      await post(alice, room, { text: "once", client_id: "k1" }),
      await post(alice, room, { text: "once" }, headers),
      await post(alice, room, { text: "once" }, headers),
    ];
    expect(answers.map(({ status, body }) => [status, body["seq"]])).toEqual(range(1, 3).map(() => [201, 1]));
    const other = await post(alice, room, { text: "another" }, headers);
    expect([other.status, other.body["code"], other.body["seq"]]).toEqual([409, "conflict", 1]);
  });

  test("without a key is stored twice", async () => {
    const alice = await createUser(server);
    const room = await server.createRoom([alice.email]);
    for (const seq of [1, 2]) expect((await post(alice, room, { text: "same" })).body["seq"]).toBe(seq);
  });
});

test.each<[body: unknown, status: number, code: string]>([
  [{}, 400, "invalid_command"],
  [{ text: 5 }, 400, "invalid_command"],
  [[], 400, "invalid_command"],
  ["{", 400, "invalid_command"],
  [{ text: "x", reply_to: 0 }, 400, "invalid_command"],
  [{ text: "x", client_id: "" }, 400, "invalid_command"],
  [{ text: "x", client_id: "x".repeat(65) }, 400, "invalid_command"],
  [{ text: "x", reply_to: 9 }, 404, "message_not_found"],
  [{ text: " " }, 400, "invalid_message"],
  [{ text: "x".repeat(16_385) }, 413, "message_too_long"],
])("the message %p is refused and changes nothing", async (body, status, code) => {
  const alice = await createUser(server);
  const room = await server.createRoom([alice.email]);
  expectProblem(await post(alice, room, body), status, code);
  expect((await alice.call(`GET /api/rooms/${room}`)).body["rev"]).toBe(0);
});

test("every route of messages answers alike for a room that does not exist and for one that is not the user's", async () => {
  const { room, stranger, owner } = await createRoomWithRoles(server);
  await post(owner, room, { text: "secret" });
  const routes: [request: string, body?: unknown][] = [
    ["GET /messages"],
    ["POST /messages", { text: "x" }],
    ["GET /messages/1"],
    ["PATCH /messages/1", { text: "x" }],
    ["DELETE /messages/1"],
    ["PUT /messages/1/reactions/x"],
    ["DELETE /messages/1/reactions/x"],
    ["GET /changes"],
    ["GET /reads"],
    ["PUT /read", { seq: 1 }],
    ["GET /members"],
    [`GET /members/${owner.email}`],
  ];
  for (const [request, body] of routes) {
    const [method, path] = request.split(" ");
    const answers = [room, "no-such-room"].map((id) =>
      stranger.call(`${method} /api/rooms/${id}${path}`, body === undefined ? {} : { body }),
    );
    const [foreign, unknown] = await Promise.all(answers);
    expect([request, foreign?.status, foreign?.text]).toEqual([request, 404, unknown?.text]);
    expect(foreign?.body["code"]).toBe("room_not_found");
  }
});

test("only the sender may edit, and only the sender, moderators and owners may delete", async () => {
  const { room, owner, moderator, member, admin } = await createRoomWithRoles(server);
  const say = async () => String((await post(owner, room, { text: "mine" })).body["seq"]);
  const path = `/api/rooms/${room}/messages/${await say()}`;
  for (const user of [moderator, member, admin])
    expectProblem(await user.call(`PATCH ${path}`, { body: { text: "x" } }), 403, "forbidden");
  expectProblem(await member.call(`DELETE ${path}`), 403, "forbidden");
  expect((await moderator.call(`DELETE ${path}`)).status).toBe(204);
  expect((await admin.call(`DELETE /api/rooms/${room}/messages/${await say()}`)).status).toBe(204);
});

describe("changes", () => {
  test("are read from a rev on, each message as it is now", async () => {
    const alice = await createUser(server);
    const room = await server.createRoom([alice.email]);
    const v2 = await server.connectV2(room, alice.email);
    for (const n of range(1, 60)) await v2.say(`text ${n}`);
    await v2.ack({ type: "edit", seq: 3, text: "edited" });
    await v2.ack({ type: "delete", seq: 60 });
    const seen = new Map<number, unknown>();
    let since = 0;
    for (;;) {
      const { status, body } = await alice.call(`GET /api/rooms/${room}/changes?since=${since}&limit=25`);
      expect(status).toBe(200);
      const messages = body["messages"] as { seq: number; rev: number }[];
      expect(messages.length).toBeLessThanOrEqual(25);
      expect(messages.map(({ rev }) => rev)).toEqual(
        messages.map(({ rev }) => rev).toSorted((a, b) => a - b),
      );
      for (const message of messages) seen.set(message.seq, message);
      expect(body["rev"]).toBeGreaterThan(since);
      since = Number(body["rev"]);
      if (!body["more"]) break;
    }
    expect(since).toBe(62);
    expect([...seen.entries()].toSorted(([a], [b]) => a - b).map(([, message]) => message)).toEqual(
      v2.known(),
    );
    const level = await alice.call(`GET /api/rooms/${room}/changes?since=62`);
    expect(level.body).toEqual({ rev: 62, messages: [], more: false });
    // As after a backup was restored.
    const ahead = await alice.call(`GET /api/rooms/${room}/changes?since=99`);
    expect(ahead.body).toEqual({ rev: 62, messages: [], more: false });
  });
});

test("changes that are read while others write are complete", async () => {
  const [alice, bob] = [await createUser(server), await createUser(server)];
  const room = await server.createRoom([alice.email, bob.email]);
  const path = `/api/rooms/${room}`;
  let done = false;
  const write = async () => {
    for (const n of range(1, 120)) {
      await post(alice, room, { text: `${n} ${"x".repeat(6000)}`, meta: { n } });
      const old = `${path}/messages/${1 + ((n * 7) % n)}`;
      if (n % 3 === 0) await alice.call(`PATCH ${old}`, { body: { text: `edited ${n}` } });
      if (n % 5 === 0) await bob.call(`PUT ${path}/messages/${n}/reactions/x`);
      if (n % 11 === 0) await alice.call(`DELETE ${path}/messages/${n - 1}`);
    }
    done = true;
  };
  const read = async (limit: number) => {
    const seen = new Map<number, unknown>();
    for (let since = 0, last = false; ;) {
      const { body } = await bob.call(`GET ${path}/changes?since=${since}&limit=${limit}`);
      for (const message of body["messages"] as { seq: number }[]) seen.set(message.seq, message);
      since = Number(body["rev"]);
      if (body["more"]) continue;
      if (last) return [...seen.entries()].toSorted(([a], [b]) => a - b).map(([, message]) => message);
      last = done;
    }
  };
  const [, ...seen] = await Promise.all([write(), read(1), read(7), read(100)]);
  const stored = await storedMessages(server, room);
  for (const messages of seen) expect(messages).toEqual(stored);
});

test("everyone's read marks can be read, and one's own moved", async () => {
  const [alice, bob] = [await createUser(server), await createUser(server)];
  const room = await server.createRoom([alice.email, bob.email]);
  await post(alice, room, { text: "one" });
  expect((await bob.call(`PUT /api/rooms/${room}/read`, { body: { seq: 1 } })).body).toEqual({ seq: 1 });
  const { body } = await alice.call(`GET /api/rooms/${room}/reads`);
  const marks = body["reads"] as { user: { email: string }; seq: number }[];
  expect(new Map(marks.map(({ user, seq }) => [user.email, seq]))).toEqual(
    new Map([
      [alice.email, 1],
      [bob.email, 1],
    ]),
  );
});

test("one member is read by email or id", async () => {
  const { room, owner, member } = await createRoomWithRoles(server);
  for (const who of [owner.email, encodeURIComponent(`sub:user|${owner.email}`)]) {
    const { body } = await member.call(`GET /api/rooms/${room}/members/${who}`);
    expect(body).toMatchObject({ email: owner.email, role: "owner" });
  }
  const missing = await owner.call(`GET /api/rooms/${room}/members/nobody@example.com`);
  expectProblem(missing, 404, "member_not_found");
});

test("an administrator creates a room under a chosen id as often as they like, and is not its owner", async () => {
  const [admin, user] = [await createUser(server, { scope: "chat:admin" }), await createUser(server)];
  const request = `PUT /api/rooms/support-${crypto.randomUUID()}`;
  const created = await admin.call(request, { body: { name: "Support" } });
  expect([created.status, created.body["name"], created.body["role"]]).toEqual([201, "Support", null]);
  expect(created.headers.get("location")).toBe(request.slice("PUT ".length));
  const again = await admin.call(request, { body: { name: "Another name" } });
  expect([again.status, again.body["name"]]).toEqual([200, "Support"]);
  expectProblem(await user.call(request, { body: { name: "x" } }), 403, "forbidden");
  const members = await admin.call(`GET ${request.slice("PUT ".length)}/members`);
  expect(members.body).toEqual({ members: [], next: null });
});
