import { describe, expect, test } from "bun:test";

import { type ApiUser, createRoomWithRoles, createUser, newEmail } from "../../support/api-users.ts";
import { callApi, expectProblem } from "../../support/api.ts";
import { refusal } from "../../support/client.ts";
import { defaultSettingsBody, range } from "../../support/samples.ts";
import { newRoomId, unlimited, useServer } from "../../support/server.ts";

const server = useServer({ env: unlimited });

interface Summary {
  id: string;
  read: number;
  unread: number;
  last_message: { seq: number; text: string } | null;
}

/** The only room in a user's list. */
async function onlyRoom(user: ApiUser): Promise<Summary> {
  const { body } = await user.call("GET /api/rooms");
  const [room, ...others] = body["rooms"] as Summary[];
  expect(others).toEqual([]);
  if (!room) throw new Error("the list is empty");
  return room;
}

describe("creating", () => {
  test("a user who creates a room is its owner, and finds it in their list", async () => {
    const alice = await createUser(server);
    const id = newRoomId();
    const answer = await alice.call("POST /api/rooms", { body: { id, name: "  The office  " } });
    expect(answer.status).toBe(201);
    expect(answer.headers.get("location")).toBe(`/api/rooms/${id}`);
    const createdAt = String(answer.body["created_at"]);
    expect(new Date(createdAt).toISOString()).toBe(createdAt);
    const room = {
      id,
      name: "The office",
      role: "owner",
      ...defaultSettingsBody,
      seq: 0,
      rev: 0,
      created_at: createdAt,
    };
    expect(answer.body).toEqual(room);
    expect((await alice.call(`GET /api/rooms/${id}`)).body).toEqual(room);
    const listed = { rooms: [{ ...room, read: 0, unread: 0, mentions: 0, last_message: null }], next: null };
    const list = await alice.call("GET /api/rooms");
    expect(list.body).toEqual(listed);
    expect(list.headers.get("content-type")).toBe("application/json");
  });

  test("a room without an id is given one", async () => {
    const alice = await createUser(server);
    const { status, body } = await alice.call("POST /api/rooms", { body: { name: "x" } });
    expect(status).toBe(201);
    expect(body["id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect((await alice.call(`GET /api/rooms/${String(body["id"])}`)).status).toBe(200);
  });

  test("an id that is taken is a conflict, even when the room is another user's", async () => {
    const [alice, bob] = [await createUser(server), await createUser(server)];
    const id = newRoomId();
    expect((await alice.call("POST /api/rooms", { body: { id, name: "x" } })).status).toBe(201);
    for (const user of [alice, bob]) {
      const { status, body } = await user.call("POST /api/rooms", { body: { id, name: "y" } });
      expect([status, body["code"]]).toEqual([409, "conflict"]);
    }
    expect((await bob.call("GET /api/rooms")).body).toEqual({ rooms: [], next: null });
  });

  test("a user may create PARLEY_ROOMS_PER_USER rooms, an administrator any number", async () => {
    await using small = await server.startAnother({ env: { PARLEY_ROOMS_PER_USER: "2" } });
    const create = async (token: string) =>
      (await callApi(small, "POST /api/rooms", { token, body: { id: newRoomId(), name: "x" } })).status;
    const token = await server.token(newEmail());
    const other = await server.token(newEmail());
    const admin = await server.token(newEmail(), { claims: { permissions: ["chat:admin"] } });
    expect([await create(token), await create(token), await create(token)]).toEqual([201, 201, 403]);
    expect(await create(other)).toBe(201);
    expect([await create(admin), await create(admin), await create(admin)]).toEqual([201, 201, 201]);
    // A room that is deleted does not count any more.
    const { body } = await callApi(small, "GET /api/rooms", { token });
    const [first] = body["rooms"] as { id: string }[];
    expect((await callApi(small, `DELETE /api/rooms/${first?.id}`, { token })).status).toBe(204);
    expect([await create(token), await create(token)]).toEqual([201, 403]);
  });
});

test("a deleted room is gone for everybody, and its id is free", async () => {
  const { room, owner, member } = await createRoomWithRoles(server);
  const client = await server.connectClassic(room, member.email);
  expect((await owner.call(`DELETE /api/rooms/${room}`)).status).toBe(204);
  expect(await client.closed).toEqual({ code: 4404, reason: "room_deleted" });
  expect((await owner.call(`GET /api/rooms/${room}`)).status).toBe(404);
  expect((await owner.call("GET /api/rooms")).body).toEqual({ rooms: [], next: null });
  expect((await refusal(server.connectClassic(room, member.email))).status).toBe(404);
  const again = await member.call("POST /api/rooms", { body: { id: room, name: "again" } });
  expect([again.status, again.body["role"]]).toEqual([201, "owner"]);
  expect((await owner.call(`GET /api/rooms/${room}`)).status).toBe(404);
});

describe("names", () => {
  test("are stored in NFC", async () => {
    const alice = await createUser(server);
    const id = newRoomId();
    const name = "Zoe\u0308's cafe\u0301";
    const { body } = await alice.call("POST /api/rooms", { body: { id, name } });
    expect(body["name"]).toBe("Zoë's café");
    const patched = await alice.call(`PATCH /api/rooms/${id}`, { body: { name: "A\u030angstro\u0308m" } });
    expect(patched.body["name"]).toBe("Ångström");
    expect(await onlyRoom(alice)).toMatchObject({ id, name: "Ångström" });
  });

  test.each([
    "\u200b",
    "\u3164",
    "\u2800",
    "\u115f",
    "\u034f",
    "\ufe0f",
    "\u202e",
    "\u00ad\u2060",
    "safe\u202etxt.exe",
    "a\u200bb",
    "a\u0007b",
    "a\nb",
  ])("that show nothing, or hide something, are refused: %j", async (name) => {
    const alice = await createUser(server);
    const id = newRoomId();
    const refused = await alice.call("POST /api/rooms", { body: { id, name } });
    expect([refused.status, refused.body["code"]]).toEqual([400, "invalid_command"]);
    await alice.call("POST /api/rooms", { body: { id, name: "fine" } });
    expect((await alice.call(`PATCH /api/rooms/${id}`, { body: { name } })).status).toBe(400);
    expect(await onlyRoom(alice)).toMatchObject({ id, name: "fine" });
  });
});

describe("unread", () => {
  test("counts what others said after the read mark, and the mark only moves forward", async () => {
    const { room, owner, member } = await createRoomWithRoles(server);
    const speaker = await server.connectV2(room, owner.email);
    for (const text of ["one", "two"]) await speaker.say(text);
    expect(await onlyRoom(member)).toMatchObject({ role: "member", seq: 2, rev: 2, unread: 2 });
    // Sending a message marks the room as read.
    expect(await onlyRoom(owner)).toMatchObject({ role: "owner", unread: 0 });
    const mark = (seq: unknown) => member.call(`PUT /api/rooms/${room}/read`, { body: { seq } });
    for (const [seq, marked] of [
      [1, 1],
      [0, 1],
      [99, 2],
      [1, 2],
    ] as const) {
      expect(await mark(seq)).toMatchObject({ status: 200, body: { seq: marked } });
      expect(await onlyRoom(member)).toMatchObject({ read: marked, unread: 2 - marked });
    }
    for (const seq of [-1, 1.5, 2 ** 53, "1", null]) expect((await mark(seq)).status).toBe(400);
  });

  test("leaves out deleted messages, read or not", async () => {
    const { room, owner, member } = await createRoomWithRoles(server);
    const speaker = await server.connectV2(room, owner.email);
    for (const text of ["one", "two", "three", "four"]) await speaker.say(text);
    await member.call(`PUT /api/rooms/${room}/read`, { body: { seq: 2 } });
    const counts: number[] = [];
    for (const seq of [1, 3, 4]) {
      await speaker.ack({ type: "delete", seq });
      counts.push((await onlyRoom(member)).unread);
    }
    expect(counts).toEqual([2, 1, 0]);
    await speaker.say("five");
    expect((await onlyRoom(member)).unread).toBe(1);
  });

  test("leaves out what was there before the user joined, however they were invited", async () => {
    const { room, owner } = await createRoomWithRoles(server);
    const speaker = await server.connectV2(room, owner.email);
    for (const text of ["one", "two"]) await speaker.say(text);
    const [known, invited] = [await createUser(server), newEmail()];
    // One has signed in before, the other has not.
    await known.call("GET /api/me");
    for (const email of [known.email, invited]) await owner.call(`PUT /api/rooms/${room}/members/${email}`);
    await speaker.say("three");
    const users = [known, await createUser(server, {}, invited)];
    for (const user of users) expect(await onlyRoom(user)).toMatchObject({ seq: 3, unread: 1 });
  });
});

test("the rooms of a list come with the most recent activity first", async () => {
  const alice = await createUser(server);
  const ids = [newRoomId(), newRoomId(), newRoomId()];
  for (const id of ids) await alice.call("POST /api/rooms", { body: { id, name: "x" } });
  const order = async () => {
    const { body } = await alice.call("GET /api/rooms");
    return (body["rooms"] as Summary[]).map(({ id }) => ids.indexOf(id));
  };
  for (const room of [2, 0, 1]) {
    const speaker = await server.connectV2(ids[room] ?? "", alice.email);
    await speaker.say("hello");
    // Another millisecond.
    await Bun.sleep(2);
    expect((await order())[0]).toBe(room);
  }
  expect(await order()).toEqual([1, 0, 2]);
});

describe("last_message", () => {
  test("is the newest message that is not deleted", async () => {
    const { room, owner, member } = await createRoomWithRoles(server);
    const speaker = await server.connectV2(room, owner.email);
    for (const text of ["one", "two", "three"]) await speaker.say(text);
    const lastSeqs: (number | undefined)[] = [];
    for (const seq of [3, 1, 2]) {
      await speaker.ack({ type: "delete", seq });
      lastSeqs.push((await onlyRoom(member)).last_message?.seq);
    }
    expect(lastSeqs).toEqual([2, 2, undefined]);
    expect((await onlyRoom(member)).last_message).toBeNull();
  });

  test("has up to 200 characters of the text, and no half of a surrogate pair", async () => {
    const { room, owner, member } = await createRoomWithRoles(server);
    const speaker = await server.connectV2(room, owner.email);
    for (const [text, shown] of [
      ["x".repeat(200), "x".repeat(200)],
      ["x".repeat(201), "x".repeat(200)],
      [`${"x".repeat(199)}😀`, "x".repeat(199)],
      [`${"x".repeat(198)}😀y`, `${"x".repeat(198)}😀`],
    ] as const) {
      await speaker.say(text);
      expect((await onlyRoom(member)).last_message?.text).toBe(shown);
    }
  });
});

test("a long list comes in pages, most recent activity first", async () => {
  const user = await createUser(server, { scope: "chat:admin" });
  const ids = range(1, 25).map((n) => `paged-${n}`);
  for (const id of ids) await user.call("POST /api/rooms", { body: { id, name: id } });
  await user.call("POST /api/rooms/paged-7/messages", { body: { text: "newest" } });
  const seen: string[] = [];
  let query = "limit=10";
  for (;;) {
    const { body } = await user.call(`GET /api/rooms?${query}`);
    const { rooms, next } = body as { rooms: { id: string }[]; next: string | null };
    seen.push(...rooms.map(({ id }) => id));
    if (next === null) break;
    query = `limit=10&cursor=${next}`;
  }
  const others = ids.filter((id) => id !== "paged-7");
  expect(seen[0]).toBe("paged-7");
  // Rooms of one millisecond are in the order of their ids.
  expect(seen.slice(1).toSorted()).toEqual(others.toSorted());
  for (const bad of ["limit=0", "limit=1001", "cursor=x", "cursor=5", "page=1"])
    expectProblem(await user.call(`GET /api/rooms?${bad}`), 400, "invalid_command");
});

const put = (user: ApiUser, id: string, name = "Room") =>
  user.call(`PUT /api/rooms/${id}`, { body: { name } });

describe("PUT of a room", () => {
  test("by an administrator creates it once, without an owner, and leaves it as it is afterwards", async () => {
    const admin = await createUser(server, { scope: "openid chat:admin" });
    const id = newRoomId();
    const answers = await Promise.all(range(1, 8).map(() => put(admin, id)));
    const [created, ...others] = answers.toSorted((a, b) => b.status - a.status);
    expect([created?.status, ...others.map(({ status }) => status)]).toEqual([
      201,
      ...range(1, 7).map(() => 200),
    ]);
    expect(created?.headers.get("location")).toBe(`/api/rooms/${id}`);
    const again = await put(admin, id, "Another name");
    expect([again.status, again.body]).toEqual([200, created?.body ?? {}]);
    expect((await admin.call(`GET /api/rooms/${id}/members`)).body).toEqual({ members: [], next: null });
  });

  test("by anybody else is refused, whether it exists or not", async () => {
    const { room, owner, member, stranger } = await createRoomWithRoles(server);
    for (const user of [owner, member, stranger]) {
      const [there, nowhere] = [await put(user, room), await put(user, newRoomId())];
      expectProblem(there, 403, "forbidden");
      expect(there.body["detail"]).toBe("Only administrators may do this.");
      expect([nowhere.status, nowhere.text]).toEqual([403, there.text]);
    }
  });
});
