import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { Role } from "../../../src/chat/model.ts";
import { type ApiRequest, callApi } from "../../support/api.ts";
import { connectClassic, refusal } from "../../support/client.ts";
import { type Issuer, startIssuer } from "../../support/issuer.ts";
import { startTestServer, type TestServer } from "../../support/server.ts";

let issuer: Issuer;
let parley: TestServer;
let made = 0;

beforeAll(async () => {
  issuer = await startIssuer();
  parley = await startTestServer({ issuer: issuer.issuer, env: { PARLEY_MESSAGE_RATE: "0" } });
});
afterAll(async () => {
  await parley[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
});

const fresh = (name: string) => `${name}-${++made}`;
const freshEmail = () => `${fresh("user")}@example.com`;

/** Somebody with a token of his own. */
async function person(email = freshEmail(), claims: Record<string, unknown> = {}) {
  const token = await issuer.sign(email, { claims });
  return {
    email,
    token,
    call: (request: string, asked?: ApiRequest) => callApi(parley, request, { token, ...asked }),
  };
}

/** A room with one member of each role, and a stranger. `admin` is not in it, but holds `chat:admin`. */
async function cast() {
  const room = fresh("room");
  const [owner, moderator, member, stranger] = await Promise.all([person(), person(), person(), person()]);
  const admin = await person(freshEmail(), { scope: "openid chat:admin" });
  await parley.createRoom([owner.email], { id: room, role: "owner" });
  await parley.asOperator(async (chat, operator) => {
    await chat.rooms.setMember(operator, room, { email: moderator.email }, "moderator");
    await chat.rooms.setMember(operator, room, { email: member.email }, "member");
  });
  return { room, owner, moderator, member, stranger, admin };
}
type Person = Exclude<keyof Awaited<ReturnType<typeof cast>>, "room">;
const people: Person[] = ["owner", "moderator", "member", "stranger", "admin"];

describe("who may do what in a room", () => {
  /** Each request, and what owner, moderator, member, stranger and administrator get for it. */
  const table: [request: string, ...statuses: [number, number, number, number, number]][] = [
    ["GET /api/rooms/ROOM", 200, 200, 200, 404, 200],
    ["GET /api/rooms/ROOM/messages", 200, 200, 200, 404, 200],
    ["GET /api/rooms/ROOM/members", 200, 200, 200, 404, 200],
    ["PUT /api/rooms/ROOM/members/NEW", 201, 201, 403, 404, 201],
    ["PUT /api/rooms/ROOM/members/NEW as member", 201, 201, 403, 404, 201],
    ["PUT /api/rooms/ROOM/members/NEW as moderator", 201, 403, 403, 404, 201],
    ["PUT /api/rooms/ROOM/members/NEW as owner", 201, 403, 403, 404, 201],
    ["PUT /api/rooms/ROOM/members/MEMBER as member", 200, 200, 403, 404, 200],
    ["PUT /api/rooms/ROOM/members/MEMBER as moderator", 200, 403, 403, 404, 200],
    ["PUT /api/rooms/ROOM/members/MODERATOR as member", 200, 403, 403, 404, 200],
    ["PUT /api/rooms/ROOM/members/OWNER as member", 409, 403, 403, 404, 409],
    ["PUT /api/rooms/ROOM/members/OWNER as owner", 200, 403, 403, 404, 200],
    ["DELETE /api/rooms/ROOM/members/NEW", 204, 204, 403, 404, 204],
    ["DELETE /api/rooms/ROOM/members/MEMBER", 204, 204, 204, 404, 204],
    ["DELETE /api/rooms/ROOM/members/MODERATOR", 204, 204, 403, 404, 204],
    ["DELETE /api/rooms/ROOM/members/OWNER", 409, 403, 403, 404, 409],
    ["DELETE /api/rooms/ROOM", 204, 403, 403, 404, 204],
  ];
  const cases = table.flatMap(([request, ...statuses]) =>
    people.map((who, index) => ({ who, request, status: statuses[index] ?? 0 })),
  );

  test.each(cases)("$who: $request is $status", async ({ who, request, status }) => {
    const actors = await cast();
    const [path = "", role] = request
      .replace("ROOM", actors.room)
      .replace("NEW", freshEmail())
      .replace("MEMBER", actors.member.email)
      .replace("MODERATOR", actors.moderator.email)
      .replace("OWNER", actors.owner.email)
      .split(" as ");
    const rolesNow = () =>
      parley.asOperator(async (chat, operator) =>
        (await chat.rooms.members(operator, actors.room)).map((member) => [member.user.email, member.role]),
      );
    const before = await rolesNow();
    const answer = await actors[who].call(path, role === undefined ? {} : { body: { role } });
    expect(answer.status).toBe(status);
    if (status >= 400 || request.startsWith("GET")) expect(await rolesNow()).toEqual(before);
  });
});

describe("what somebody may not know", () => {
  test.each([
    "GET /api/rooms/ROOM",
    "DELETE /api/rooms/ROOM",
    "GET /api/rooms/ROOM/members",
    "PUT /api/rooms/ROOM/members/carol@example.com",
    "DELETE /api/rooms/ROOM/members/carol@example.com",
    "GET /api/rooms/ROOM/messages",
  ])("%s: a room that he is not in looks like one that is not there", async (request) => {
    const { room, stranger, member } = await cast();
    const answers = [room, fresh("no-room")].map((id) => stranger.call(request.replace("ROOM", id)));
    const [hidden, missing] = await Promise.all(answers);
    const seen = (answer: typeof hidden) => {
      const headers = Object.fromEntries(answer?.headers ?? []);
      return { ...answer, headers: { ...headers, date: "" } };
    };
    expect(hidden?.status).toBe(404);
    expect(seen(hidden)).toEqual(seen(missing));
    expect((await member.call(`GET /api/rooms/${room}`)).status).toBe(200);
  });
});

describe("rooms", () => {
  test("whoever makes a room is its owner, and finds it in his list", async () => {
    const alice = await person();
    const id = fresh("room");
    const answer = await alice.call("POST /api/rooms", { body: { id, name: "  The office  " } });
    expect(answer.status).toBe(201);
    expect(answer.headers.get("location")).toBe(`/api/rooms/${id}`);
    const room = { id, name: "The office", role: "owner", seq: 0, rev: 0, created_at: expect.any(String) };
    expect(answer.body).toEqual(room);
    expect((await alice.call(`GET /api/rooms/${id}`)).body).toEqual(room);
    const listed = { rooms: [{ ...room, unread: 0, last_message: null }] };
    expect((await alice.call("GET /api/rooms")).body).toEqual(listed);
    expect(new Date(String(answer.body["created_at"])).toISOString()).toBe(String(answer.body["created_at"]));
  });

  test("a room without an id is given one", async () => {
    const alice = await person();
    const { status, body } = await alice.call("POST /api/rooms", { body: { name: "x" } });
    expect(status).toBe(201);
    expect(body["id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect((await alice.call(`GET /api/rooms/${String(body["id"])}`)).status).toBe(200);
  });

  test("an id that is taken is a conflict, also when the room is another's", async () => {
    const [alice, bob] = await Promise.all([person(), person()]);
    const id = fresh("room");
    expect((await alice.call("POST /api/rooms", { body: { id, name: "x" } })).status).toBe(201);
    for (const who of [alice, bob]) {
      const again = await who.call("POST /api/rooms", { body: { id, name: "y" } });
      expect([again.status, again.body["code"]]).toEqual([409, "conflict"]);
    }
    expect((await bob.call("GET /api/rooms")).body).toEqual({ rooms: [] });
  });

  test("a list shows what was said last, and what is unread", async () => {
    const { room, owner, member } = await cast();
    const socket = await connectClassic(parley.host, room, { token: owner.token });
    for (const message of ["one", "two"]) {
      socket.send({ message });
      await socket.next();
    }
    await socket.close();
    const listed = { id: room, seq: 2, rev: 2, last_message: { seq: 2, text: "two" } };
    for (const [who, role, unread] of [
      [member, "member", 2],
      // Whoever says something has read what was there.
      [owner, "owner", 0],
    ] as const) {
      const { body } = await who.call("GET /api/rooms");
      expect(body["rooms"]).toMatchObject([{ ...listed, role, unread }]);
    }
    // The read mark goes forward only, and not past the last message.
    for (const [seq, now] of [
      [1, 1],
      [0, 1],
      [99, 2],
      [1, 2],
    ]) {
      const marked = await member.call(`PUT /api/rooms/${room}/read`, { body: { seq } });
      expect([marked.status, marked.body]).toEqual([200, { seq: now }]);
      const { body } = await member.call("GET /api/rooms");
      expect(body["rooms"]).toMatchObject([{ unread: 2 - (now ?? 0) }]);
    }
    for (const seq of [-1, 1.5, 2 ** 53, "1", null]) {
      expect((await member.call(`PUT /api/rooms/${room}/read`, { body: { seq } })).status).toBe(400);
    }
  });

  test("a room that is deleted is gone for all, and its id is free", async () => {
    const { room, owner, member } = await cast();
    const socket = await connectClassic(parley.host, room, { token: member.token });
    expect((await owner.call(`DELETE /api/rooms/${room}`)).status).toBe(204);
    expect(await socket.closed).toEqual({ code: 4404, reason: "room_deleted" });
    expect((await owner.call(`GET /api/rooms/${room}`)).status).toBe(404);
    expect((await owner.call("GET /api/rooms")).body).toEqual({ rooms: [] });
    expect(await refusal(connectClassic(parley.host, room, { token: member.token }))).toMatchObject({
      status: 404,
    });
    const again = await member.call("POST /api/rooms", { body: { id: room, name: "again" } });
    expect([again.status, again.body["role"]]).toEqual([201, "owner"]);
    expect((await owner.call(`GET /api/rooms/${room}`)).status).toBe(404);
  });

  test("a user may make so many rooms, an administrator any number", async () => {
    await using small = await startTestServer({ issuer: issuer.issuer, env: { PARLEY_ROOMS_PER_USER: "2" } });
    const token = await issuer.sign(freshEmail());
    const other = await issuer.sign(freshEmail());
    const admin = await issuer.sign(freshEmail(), { claims: { permissions: ["chat:admin"] } });
    const make = async (who: string) =>
      (await callApi(small, "POST /api/rooms", { token: who, body: { id: fresh("r"), name: "x" } })).status;
    expect([await make(token), await make(token), await make(token)]).toEqual([201, 201, 403]);
    expect(await make(other)).toBe(201);
    expect([await make(admin), await make(admin), await make(admin)]).toEqual([201, 201, 201]);
    // Deleting one makes room for another.
    const { body } = await callApi(small, "GET /api/rooms", { token });
    const [first] = body["rooms"] as { id: string }[];
    expect((await callApi(small, `DELETE /api/rooms/${first?.id}`, { token })).status).toBe(204);
    expect([await make(token), await make(token)]).toEqual([201, 403]);
  });
});

describe("members", () => {
  test("somebody who was invited by email is a member from his first token on", async () => {
    const { room, owner } = await cast();
    const carol = await person();
    expect((await carol.call(`GET /api/rooms/${room}`)).status).toBe(404);
    const invited = freshEmail();
    const put = await owner.call(`PUT /api/rooms/${room}/members/${invited.toUpperCase()}`);
    expect(put.status).toBe(201);
    const shown = { id: null, email: invited, name: null, role: "member", joined_at: expect.any(String) };
    expect(put.body).toEqual(shown);
    expect((await owner.call(`PUT /api/rooms/${room}/members/${invited}`)).status).toBe(200);
    const dave = await person(invited, { name: "Dave" });
    expect((await dave.call(`GET /api/rooms/${room}`)).body["role"]).toBe("member");
    const { body } = await dave.call(`GET /api/rooms/${room}/members`);
    expect(body["members"]).toContainEqual({ ...shown, id: `user|${invited}`, name: "Dave" });
  });

  test("somebody whose token has no email is a member by his id", async () => {
    const { room, owner } = await cast();
    const sub = fresh("auth0|machine");
    const token = await issuer.sign("", { claims: { sub, email: undefined } });
    const path = `/api/rooms/${room}/members/${encodeURIComponent(sub)}`;
    expect((await owner.call(`PUT ${path}`)).status).toBe(201);
    expect((await callApi(parley, "GET /api/me", { token })).body).toMatchObject({ id: sub, email: null });
    expect((await callApi(parley, `GET /api/rooms/${room}`, { token })).status).toBe(200);
    expect((await owner.call(`DELETE ${path}`)).status).toBe(204);
    expect((await callApi(parley, `GET /api/rooms/${room}`, { token })).status).toBe(404);
  });

  test("whoever is removed is disconnected at once, and finds no room any more", async () => {
    const { room, moderator, member } = await cast();
    const [out, stays] = await Promise.all(
      [member, moderator].map(({ token }) => connectClassic(parley.host, room, { token })),
    );
    expect((await moderator.call(`DELETE /api/rooms/${room}/members/${member.email}`)).status).toBe(204);
    expect(await out?.closed).toEqual({ code: 4403, reason: "removed" });
    expect((await member.call(`GET /api/rooms/${room}`)).status).toBe(404);
    stays?.send({ message: "still here" });
    expect(await stays?.next()).toEqual({ message: "still here" });
  });

  test("an owner may leave once there is another", async () => {
    const { room, owner, member } = await cast();
    const leave = () => owner.call(`DELETE /api/rooms/${room}/members/${owner.email}`);
    const refused = await leave();
    expect([refused.status, refused.body["code"]]).toEqual([409, "conflict"]);
    await owner.call(`PUT /api/rooms/${room}/members/${member.email}`, { body: { role: "owner" } });
    expect((await leave()).status).toBe(204);
    expect((await owner.call(`GET /api/rooms/${room}`)).status).toBe(404);
    expect((await member.call(`GET /api/rooms/${room}`)).body["role"]).toBe("owner" satisfies Role);
  });

  test("a room takes so many members, invited ones included", async () => {
    await using small = await startTestServer({
      issuer: issuer.issuer,
      env: { PARLEY_MEMBERS_PER_ROOM: "2" },
    });
    const email = freshEmail();
    const token = await issuer.sign(email);
    await small.createRoom([email], { id: "room", role: "owner" });
    const put = async (who: string) =>
      (await callApi(small, `PUT /api/rooms/room/members/${who}`, { token })).status;
    const first = freshEmail();
    expect([await put(first), await put(freshEmail()), await put(first)]).toEqual([201, 403, 200]);
  });

  test.each(["%20", "sub%3A", "a".repeat(256), "%00"])("%s is nobody's name", async (who) => {
    const { room, owner } = await cast();
    const answer = await owner.call(`PUT /api/rooms/${room}/members/${who}`);
    expect([answer.status, answer.body["code"]]).toEqual([400, "invalid_command"]);
  });
});

test("me is who the token says, and whether he is an administrator", async () => {
  const alice = await person(undefined, { name: "Alice" });
  const me = { id: `user|${alice.email}`, email: alice.email, name: "Alice", admin: false };
  expect((await alice.call("GET /api/me")).body).toEqual(me);
  const admin = await person(alice.email, { name: "Alice", scope: "chat:admin" });
  expect((await admin.call("GET /api/me")).body).toEqual({ ...me, admin: true });
  const almost = await person(alice.email, { name: "Alice", scope: "chat:administrator xchat:admin" });
  expect((await almost.call("GET /api/me")).body).toEqual(me);
});
