import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";

import { type ApiUser, createRoomWithRoles, createUser, newEmail } from "../../support/api-users.ts";
import { expectProblem } from "../../support/api.ts";
import { closeOf } from "../../support/room-changes.ts";
import { newRoomId, unlimited, useServer } from "../../support/server.ts";

// What joining, bans, mutes, slow mode and the audit list do. Who may ask for them is in roles.test.ts.

const server = useServer({ env: unlimited });
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

async function bodyOf(user: ApiUser) {
  const { id, email, name } = (await user.call("GET /api/me")).body;
  return { id, email, name };
}

/** A user who is known to the server, with the body by which others see them. */
async function knownUser(email = newEmail()) {
  const user = await createUser(server, {}, email);
  return { ...user, body: await bodyOf(user) };
}

async function createRoom(owner: ApiUser, settings: object = {}) {
  const id = newRoomId();
  await owner.call("POST /api/rooms", { body: { id, name: id, ...settings } });
  return { id, path: `/api/rooms/${id}` };
}

describe("a room's settings", () => {
  test("are those of its creation, and those that were changed, and are told to everyone in it", async () => {
    const [owner, member] = [await knownUser(), await knownUser()];
    const settings = { access: "open", posting: "moderators", slow_mode: 21_600 };
    const { id, path } = await createRoom(owner, settings);
    expect((await owner.call(`GET ${path}`)).body).toMatchObject({ ...settings, role: "owner" });
    await member.call(`POST ${path}/join`);
    const client = await server.connectV2(id, member.email, { token: member.token });
    const session = await server.connectSession(member.email, { token: member.token });
    expect([client.hello.room, session.room(id)]).toMatchObject([settings, settings]);
    const changed = { access: "members", posting: "members", slow_mode: 0 };
    expect((await owner.call(`PATCH ${path}`, { body: changed })).body).toMatchObject({
      name: id,
      ...changed,
    });
    const notice = { type: "room", room: { id, name: id, ...changed } };
    expect([await client.next("room"), await session.next("room")]).toMatchObject([notice, notice]);
    expect((await member.call("GET /api/rooms")).body["rooms"]).toMatchObject([{ id, ...changed }]);
    await Promise.all([client.close(), session.close()]);
  });

  test.each<object>([
    {},
    { name: "x", access: "closed" },
    { name: "x", posting: "owners" },
    { name: "x", slow_mode: -1 },
    { name: "x", slow_mode: 21_601 },
    { name: "x", slow_mode: 1.5 },
    { name: "x", slow_mode: "10" },
    { name: "x", access: null },
  ])("cannot be %p", async (body) => {
    const owner = await knownUser();
    const { path } = await createRoom(owner);
    for (const request of [`PATCH ${path}`, "POST /api/rooms"])
      expectProblem(await owner.call(request, { body }), 400, "invalid_command");
  });
});

describe("joining", () => {
  test("is told to the user's sessions and to the room, once", async () => {
    const [owner, bob] = [await knownUser(), await knownUser()];
    const { id, path } = await createRoom(owner, { access: "open" });
    const listener = await server.connectV2(id, owner.email, { token: owner.token });
    const session = await server.connectSession(bob.email, { token: bob.token });
    const answers = await Promise.all([1, 2, 3].map(() => bob.call(`POST ${path}/join`)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 201]);
    expect(answers[0]?.body).toMatchObject({ id, role: "member" });
    expect((await session.next("joined")).room).toMatchObject({ id, role: "member", unread: 0 });
    expect(await listener.next("member")).toMatchObject({ user: bob.body, role: "member" });
    await listener.say("next");
    expect(listener.unread("member")).toEqual([]);
    await Promise.all([listener.close(), session.close()]);
  });

  test("open rooms are listed by id, in pages", async () => {
    const owner = await knownUser();
    const prefix = newRoomId();
    for (const letter of ["b", "a", "c"])
      await owner.call("POST /api/rooms", { body: { id: `${prefix}.${letter}`, name: "x", access: "open" } });
    await owner.call("POST /api/rooms", { body: { id: `${prefix}.d`, name: "x" } });
    const stranger = await knownUser();
    const ids: string[] = [];
    for (let cursor: string | null = `0-${prefix}`; cursor !== null;) {
      const { body, status } = await stranger.call(`GET /api/rooms?open=true&limit=2&cursor=${cursor}`);
      expect(status).toBe(200);
      const rooms = body["rooms"] as { id: string; role: null }[];
      expect(new Set(rooms.map(({ role }) => role))).toEqual(new Set([null]));
      ids.push(...rooms.map((room) => room.id));
      cursor = body["next"] as string | null;
    }
    expect(ids.filter((id) => id.startsWith(`${prefix}.`))).toEqual(
      ["a", "b", "c"].map((each) => `${prefix}.${each}`),
    );
    expectProblem(await stranger.call("GET /api/rooms?open=yes"), 400, "invalid_command");
  });
});

describe.each(["bans", "mutes"])("%s", (kind) => {
  test("are imposed, replaced, listed and lifted", async () => {
    const { room, owner, member } = await createRoomWithRoles(server);
    const path = `/api/rooms/${room}/${kind}`;
    const [by, user] = [await bodyOf(owner), await bodyOf(member)];
    const until = inAnHour();
    const imposed = await owner.call(`PUT ${path}/${member.email}`, { body: { until, reason: " Spam " } });
    expect(imposed.status).toBe(201);
    expect(imposed.body).toEqual({ user, by, at: time, until, reason: "Spam" });
    expect((await owner.call(`GET ${path}`)).body).toEqual({ [kind]: [imposed.body], next: null });
    const replaced = await owner.call(`PUT ${path}/sub:${String(user.id)}`);
    expect([replaced.status, replaced.body]).toEqual([
      200,
      { user, by, at: time, until: null, reason: null },
    ]);
    const lifted = await owner.call(`DELETE ${path}/${member.email}`);
    expect([lifted.status, lifted.text]).toEqual([204, ""]);
    expect((await owner.call(`GET ${path}`)).body).toEqual({ [kind]: [], next: null });
  });

  test("are listed in pages, newest first", async () => {
    const owner = await knownUser();
    const { path } = await createRoom(owner);
    const emails = Array.from({ length: 5 }, newEmail);
    for (const email of emails) await owner.call(`PUT ${path}/${kind}/${email}`, { body: {} });
    const listed: string[] = [];
    for (let cursor = ""; ;) {
      const { body } = await owner.call(`GET ${path}/${kind}?limit=2${cursor}`);
      listed.push(...(body[kind] as { user: { email: string } }[]).map(({ user }) => user.email));
      if (body["next"] === null) break;
      cursor = `&cursor=${body["next"] as string}`;
    }
    // Those of the same millisecond are in any order.
    expect(listed.toSorted()).toEqual(emails.toSorted());
    for (const query of ["limit=0", "limit=1001", "cursor=x", "cursor=1", "cursor=1-1-1", "before=1"])
      expectProblem(await owner.call(`GET ${path}/${kind}?${query}`), 400, "invalid_command");
  });

  test.each<object>([
    { until: "tomorrow" },
    { until: "2030-13-01T00:00:00Z" },
    { until: "2030-02-30T00:00:00Z" },
    { until: "2030-01-01T24:00:00Z" },
    { until: "2030-06-30T23:59:60Z" },
    { until: "9999-12-31T23:59:59-01:00" },
    { until: "2001-01-01T00:00:00Z" },
    { until: 1_900_000_000 },
    { reason: "" },
    { reason: "  " },
    { reason: "x".repeat(501) },
    { reason: "\u0000" },
    { reason: 5 },
  ])("with %p are refused", async (body) => {
    const owner = await knownUser();
    const { path } = await createRoom(owner);
    expectProblem(await owner.call(`PUT ${path}/${kind}/${newEmail()}`, { body }), 400, "invalid_command");
    expect((await owner.call(`GET ${path}/${kind}`)).body[kind]).toEqual([]);
  });

  test("are not for oneself, nor for an id that no token could have", async () => {
    const owner = await knownUser();
    const { path } = await createRoom(owner);
    expectProblem(await owner.call(`PUT ${path}/${kind}/${owner.email}`, { body: {} }), 403, "forbidden");
    expectProblem(await owner.call(`PUT ${path}/${kind}/a@b@c`, { body: {} }), 400, "invalid_command");
  });
});

test("a ban closes the user's connections, and is told to their sessions and to the room", async () => {
  const { room, owner, member } = await createRoomWithRoles(server);
  const connect = (user: ApiUser) => server.connectV2(room, user.email, { token: user.token });
  const [listener, client] = [await connect(owner), await connect(member)];
  const classic = await server.connectClassic(room, member.email, { token: member.token });
  const session = await server.connectSession(member.email, { token: member.token });
  await session.open(room);
  await owner.call(`PUT /api/rooms/${room}/bans/${member.email}`, { body: {} });
  expect([await closeOf(client), await closeOf(classic)]).toEqual(["4403 removed", "4403 removed"]);
  expect(await session.next("left")).toEqual({ type: "left", room, reason: "removed" });
  const notice = await listener.next("member");
  expect(notice).toMatchObject({ user: { email: member.email }, role: null });
  expect((await session.error({ type: "open", room })).code).toBe("room_not_found");
  await Promise.all([listener.close(), session.close()]);
});

test("a mute tells when it ends, and lets a message be repeated that was sent before", async () => {
  const { room, owner, member } = await createRoomWithRoles(server);
  const body = { text: "before", client_id: "c" };
  const path = `/api/rooms/${room}`;
  expect((await member.call(`POST ${path}/messages`, { body })).status).toBe(201);
  const until = inAnHour();
  await owner.call(`PUT ${path}/mutes/${member.email}`, { body: { until } });
  const refused = await member.call(`POST ${path}/messages`, { body: { text: "x" } });
  expect([refused.status, refused.body]).toMatchObject([
    403,
    { code: "forbidden", detail: "You are muted in this room.", until },
  ]);
  const client = await server.connectV2(room, member.email, { token: member.token });
  expect(await client.error({ type: "send", text: "x" })).toMatchObject({ code: "forbidden", until });
  expect(await client.ack({ type: "send", ...body })).toMatchObject({ seq: 1 });
  expect((await member.call(`POST ${path}/messages`, { body })).status).toBe(201);
  await owner.call(`DELETE ${path}/mutes/${member.email}`);
  await client.say("lifted");
  await client.close();
});

test("a mute is told to the muted user alone, where they have the room open", async () => {
  const { room, owner, member } = await createRoomWithRoles(server);
  const path = `/api/rooms/${room}/mutes/${member.email}`;
  const connect = (user: ApiUser) => server.connectV2(room, user.email, { token: user.token });
  const [watcher, client] = [await connect(owner), await connect(member)];
  const classic = await server.connectClassic(room, member.email, { token: member.token });
  const sessions = [
    await server.connectSession(member.email, { token: member.token }),
    await server.connectSession(member.email, { token: member.token }),
  ] as const;
  expect((await sessions[0].open(room)).mute).toBeUndefined();
  const until = inAnHour();
  await owner.call(`PUT ${path}`, { body: { until } });
  const muted = { type: "mute" as const, room, mute: { until } };
  expect([await client.next("mute"), await sessions[0].next("mute")]).toEqual([muted, muted]);
  expect((await sessions[1].open(room)).mute).toEqual({ until });
  await owner.call(`PUT ${path}`, { body: {} });
  expect(await client.next("mute")).toMatchObject({ mute: { until: null } });
  await owner.call(`DELETE ${path}`);
  expect(await client.next("mute")).toMatchObject({ mute: null });
  expect(await sessions[1].until(() => sessions[1].texts.some((text) => text.includes('"mute":null')))).toBe(
    undefined,
  );
  await watcher.say("fence");
  expect(await classic.nextText()).toBe("fence");
  for (const { texts } of [watcher, classic])
    expect(texts.filter((text) => text.includes('"mute"'))).toEqual([]);
  await Promise.all([watcher, client, classic, ...sessions].map((each) => each.close()));
});

test("slow mode tells members when they may send again", async () => {
  const { room, owner, member, moderator, admin } = await createRoomWithRoles(server);
  const path = `/api/rooms/${room}`;
  await owner.call(`PATCH ${path}`, { body: { slow_mode: 100 } });
  const send = (user: ApiUser) => user.call(`POST ${path}/messages`, { body: { text: "x" } });
  for (const user of [owner, moderator, admin])
    for (let each = 0; each < 2; each++) expect((await send(user)).status).toBe(201);
  expect((await send(member)).status).toBe(201);
  const refused = await send(member);
  expectProblem(refused, 429, "rate_limited");
  expect(Number(refused.headers.get("retry-after"))).toBeWithin(90, 101);
  const client = await server.connectV2(room, member.email, { token: member.token });
  const error = await client.error({ type: "send", text: "x" });
  expect(error).toMatchObject({ code: "rate_limited", message: String(refused.body["detail"]) });
  expect(error.retry_after_ms).toBeWithin(90_000, 100_001);
  // Other commands are not slowed down.
  await client.ack({ type: "edit", seq: 7, text: "edited" });
  await owner.call(`PATCH ${path}`, { body: { slow_mode: 0 } });
  await client.say("off");
  await client.close();
});

test("owners read what was done, and by whom", async () => {
  const { room, owner, moderator, member } = await createRoomWithRoles(server);
  const path = `/api/rooms/${room}`;
  const [byOwner, byModerator, user] = await Promise.all([owner, moderator, member].map(bodyOf));
  await member.call(`POST ${path}/messages`, { body: { text: "x" } });
  await moderator.call(`DELETE ${path}/messages/1`);
  await moderator.call(`PUT ${path}/mutes/${member.email}`, { body: { reason: "Spam" } });
  await owner.call(`PATCH ${path}`, { body: { name: "New", slow_mode: 5 } });
  await server.asOperator((chat, operator) =>
    chat.rooms.removeMember(operator, room, { email: member.email }),
  );
  const { body } = await owner.call(`GET ${path}/audit`);
  const entries = body["entries"] as { n: number }[];
  expect(entries.map((entry) => ({ ...entry, at: time, n: 0 }))).toMatchObject([
    { actor: null, action: "member_removed", user },
    { actor: byOwner, action: "room_changed", changes: { name: "New", slow_mode: 5 } },
    { actor: byModerator, action: "muted", user, until: null, reason: "Spam" },
    { actor: byModerator, action: "message_deleted", user, seq: 1 },
    { actor: byOwner, action: "role_changed", role: "moderator", before: null },
  ]);
  expect(body["next"]).toBeNull();
  const paged: unknown[] = [];
  for (let cursor = ""; ;) {
    const page = await owner.call(`GET ${path}/audit?limit=2${cursor}`);
    paged.push(...(page.body["entries"] as unknown[]));
    if (page.body["next"] === null) break;
    cursor = `&cursor=${page.body["next"] as string}`;
  }
  expect(paged).toEqual(entries);
});

test("a page of the audit list has at most 200 entries, because each may be long", async () => {
  const owner = await knownUser();
  const { id, path } = await createRoom(owner);
  const entry = JSON.stringify({ at: 1, actor: null, action: "room_changed", changes: { slowMode: 1 } });
  using database = new Database(server.config.database);
  database.run(
    `WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 250)
      INSERT INTO audit (room_pk, n, entry) SELECT pk, n, ? FROM n, rooms WHERE id = ?`,
    [entry, id],
  );
  const pages: number[][] = [];
  for (let cursor: string | null = "251"; cursor !== null;) {
    const { body } = await owner.call(`GET ${path}/audit?limit=1000&cursor=${cursor}`);
    pages.push((body["entries"] as { n: number }[]).map(({ n }) => n));
    cursor = body["next"] as string | null;
  }
  expect(pages.map(({ length }) => length)).toEqual([200, 50]);
  expect(pages.flat()).toEqual(Array.from({ length: 250 }, (_, index) => 250 - index));
});

describe("at the same time", () => {
  test("of the owners who leave and demote each other, one remains", async () => {
    const admin = await createUser(server, { scope: "openid chat:admin" });
    for (let round = 0; round < 4; round++) {
      const owners = await Promise.all(Array.from({ length: 4 }, () => knownUser()));
      const { path } = await createRoom(owners[0] as ApiUser);
      const members = owners.map(({ email }) => ({ who: email, role: "owner" }));
      await admin.call(`POST ${path}/members`, { body: { members } });
      const attempts = owners.flatMap(({ call, email }, index) => {
        const other = owners[(index + 1) % owners.length]?.email;
        return [
          call(`DELETE ${path}/members/${email}`),
          call(`PUT ${path}/members/${other}`, { body: { role: "member" } }),
          call(`PUT ${path}/bans/${other}`, { body: {} }),
        ];
      });
      const statuses = (await Promise.all(attempts)).map(({ status }) => status);
      expect(statuses.filter((status) => ![200, 201, 204, 403, 404, 409].includes(status))).toEqual([]);
      const { body } = await admin.call(`GET ${path}/members`);
      const roles = (body["members"] as { role: string }[]).map(({ role }) => role);
      expect(roles.filter((role) => role === "owner")).toHaveLength(1);
    }
  });

  test("a ban wins over joining and being added, whatever comes first", async () => {
    const owner = await knownUser();
    const { path } = await createRoom(owner, { access: "open" });
    const users = await Promise.all(Array.from({ length: 12 }, () => knownUser()));
    await Promise.all(
      users.flatMap(({ call, email }, index) => {
        const join = () => call(`POST ${path}/join`);
        const add = () => owner.call(`PUT ${path}/members/${email}`, { body: {} });
        const ban = () => owner.call(`PUT ${path}/bans/${email}`, { body: {} });
        const attempts = [join, ban, add, join];
        return [...attempts.slice(index % 4), ...attempts.slice(0, index % 4)].map((attempt) => attempt());
      }),
    );
    const { body } = await owner.call(`GET ${path}/members`);
    expect((body["members"] as unknown[]).length).toBe(1);
    expect(((await owner.call(`GET ${path}/bans`)).body["bans"] as unknown[]).length).toBe(12);
  });

  test("a ban wins over an invitation, whenever the user signs in with their email", async () => {
    const owner = await knownUser();
    const { id, path } = await createRoom(owner);
    for (let round = 0; round < 8; round++) {
      const email = newEmail();
      await owner.call(`PUT ${path}/members/${email}`, { body: {} });
      const signIn = async () => (await createUser(server, {}, email)).call("GET /api/me");
      const ban = () => owner.call(`PUT ${path}/bans/${email}`, { body: {} });
      await Promise.all(round % 2 === 0 ? [signIn(), ban()] : [ban(), signIn()]);
      const user = await createUser(server, {}, email);
      expect((await user.call(`GET ${path}`)).status).toBe(404);
    }
    const { body } = await owner.call(`GET /api/rooms/${id}/members`);
    expect(body["members"]).toHaveLength(1);
  });

  test("of a muted member's messages exactly those before the mute are stored", async () => {
    const { room, owner, member } = await createRoomWithRoles(server);
    const client = await server.connectV2(room, member.email, { token: member.token });
    const acked: number[] = [];
    let isMuted = false;
    const writing = (async () => {
      while (!isMuted) {
        const some = [0, 1, 2, 3].map((part) => client.command({ type: "send", text: `${part}` }));
        for (const answer of await Promise.all(some)) {
          if (answer.type === "ack") acked.push(answer.seq);
          else expect(answer).toMatchObject({ code: "forbidden", message: "You are muted in this room." });
          isMuted ||= answer.type === "error";
        }
      }
    })();
    await owner.call(`PUT /api/rooms/${room}/mutes/${member.email}`, { body: {} });
    const { body } = await owner.call(`GET /api/rooms/${room}`);
    await writing;
    expect(acked.length).toBe(Number(body["seq"]));
    expect((await owner.call(`GET /api/rooms/${room}`)).body["seq"]).toBe(body["seq"]);
    await client.close();
  });
});

test("a user who signs in with the email of a banned invitation loses their membership at once", async () => {
  const owner = await knownUser();
  const bob = await knownUser();
  const { id, path } = await createRoom(owner);
  await owner.call(`PUT ${path}/members/${bob.email}`, { body: {} });
  const email = newEmail();
  await owner.call(`PUT ${path}/bans/${email}`, { body: {} });
  const client = await server.connectV2(id, bob.email, { token: bob.token });
  const session = await server.connectSession(bob.email, { token: bob.token });
  const listener = await server.connectV2(id, owner.email, { token: owner.token });
  const sub = String(bob.body.id);
  const token = await server.token(email, { claims: { sub } });
  const renewed = await createUser(server, { sub }, email);
  expect((await renewed.call(`GET ${path}`, { token })).status).toBe(404);
  expect(await closeOf(client)).toBe("4403 removed");
  expect(await session.next("left")).toEqual({ type: "left", room: id, reason: "removed" });
  expect(await listener.next("member")).toMatchObject({ user: { id: sub }, role: null });
  await Promise.all([session.close(), listener.close()]);
});
