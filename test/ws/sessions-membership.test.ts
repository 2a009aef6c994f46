import { describe, expect, test } from "bun:test";

import { type ApiUser, createUser, newEmail } from "../support/api-users.ts";
import { newRoomId, unlimited, useServer } from "../support/server.ts";
import type { SessionClient } from "../support/session-client.ts";
import { waitUntil } from "../support/wait.ts";

// What sessions are told of the rooms that their users enter and leave, of names and of roles.

const server = useServer({ env: { ...unlimited, PARLEY_ROOMS_PER_USER: "0" } });

/** A room of an owner and a member, each with an HTTP client, and sessions of both. */
async function setUp() {
  const [owner, member] = [await createUser(server), await createUser(server)];
  const room = newRoomId();
  await owner.call("POST /api/rooms", { body: { id: room, name: "Team" } });
  await owner.call(`PUT /api/rooms/${room}/members/${member.email}`, { body: {} });
  const [boss, session] = [await connect(owner), await connect(member)];
  return { owner, member, room, boss, session };
}

const connect = ({ email, token }: ApiUser) => server.connectSession(email, { token });

/** Nothing about the room has come by the time that the server has told of something later. */
async function expectSilence(session: SessionClient, room: string): Promise<void> {
  const seen = session.texts.length;
  await Bun.sleep(350);
  await session.ping();
  expect(session.texts.slice(seen).filter((text) => text.includes(`"${room}"`))).toEqual([]);
}

describe("joined", () => {
  test("comes to the sessions of a user who makes a room elsewhere, and it is listed", async () => {
    const me = await createUser(server);
    const [first, second] = [await connect(me), await connect(me)];
    const id = newRoomId();
    await me.call("POST /api/rooms", { body: { id, name: "New" } });
    for (const session of [first, second]) {
      const summary = {
        id,
        name: "New",
        role: "owner",
        seq: 0,
        rev: 0,
        read: 0,
        unread: 0,
        mentions: 0,
        last_message: null,
      };
      expect(await session.next("joined")).toMatchObject({ room: summary });
      expect(session.model.order).toEqual([id]);
    }
    await first.say(id, "the first");
    await second.until(() => second.room(id).last_message?.text === "the first");
  });

  test("comes to a user whom another one adds, who has nothing unread", async () => {
    const { owner, room, boss } = await setUp();
    await boss.say(room, "before");
    const added = await createUser(server);
    const session = await connect(added);
    await owner.call(`PUT /api/rooms/${room}/members/${added.email}`, { body: { role: "moderator" } });
    expect(await session.next("joined")).toMatchObject({
      room: { id: room, role: "moderator", seq: 1, read: 1, unread: 0, last_message: { text: "before" } },
    });
    await boss.say(room, "after");
    await session.until(() => session.room(room).unread === 1);
    // Adding them again changes nothing, and nothing is told.
    await owner.call(`PUT /api/rooms/${room}/members/${added.email}`, { body: {} });
    await session.ping();
    expect(session.unread("joined", "member")).toEqual([]);
  });

  test("comes with invitations by email that a sign-in has claimed", async () => {
    const sub = `user-${newEmail()}`;
    const token = await server.token("unused@example.com", { claims: { sub, email: undefined } });
    const session = await server.connectSession("unused@example.com", { token });
    expect(session.hello.rooms).toEqual([]);
    const email = newEmail();
    const room = await server.createRoom([email]);
    await session.ack({ type: "auth", token: await server.token(email, { claims: { sub } }) });
    expect(await session.next("joined")).toMatchObject({ room: { id: room } });
  });

  test("comes when the command line adds the user", async () => {
    const me = await createUser(server);
    const session = await connect(me);
    const room = await server.createRoom([me.email]);
    expect(await session.next("joined")).toMatchObject({ room: { id: room } });
  });
});

describe("left", () => {
  test.each(["open", "not open"])(
    "ends a room that is %s for a removed member, whose connection lives",
    async (state) => {
      const { owner, member, room, boss, session } = await setUp();
      const other = await server.createRoom([member.email]);
      await session.until(() => session.model.rooms.has(other));
      if (state === "open") await session.open(room);
      await owner.call(`DELETE /api/rooms/${room}/members/${member.email}`);
      expect((await session.next("left")) as unknown).toStrictEqual({
        type: "left",
        room,
        reason: "removed",
      });
      await boss.say(room, "without them");
      await owner.call(`PATCH /api/rooms/${room}`, { body: { name: "Secret" } });
      await expectSilence(session, room);
      expect(session.model.rooms.has(room)).toBeFalse();
      for (const command of [
        { type: "send", room, text: "still here?" },
        { type: "read", room, seq: 1 },
        { type: "open", room },
      ] as const)
        expect(await session.error(command)).toMatchObject({ code: "room_not_found", room });
      await session.say(other, "still here");
    },
  );

  test("comes to the user's own request, too, on all of their sessions", async () => {
    const { member, room, session } = await setUp();
    const second = await connect(member);
    await second.open(room);
    await member.call(`DELETE /api/rooms/${room}/members/${member.email}`);
    for (const each of [session, second])
      expect(await each.next("left")).toMatchObject({ room, reason: "left" });
  });

  test("comes to everybody when a room is deleted", async () => {
    const { owner, room, boss, session } = await setUp();
    await session.open(room);
    await owner.call(`DELETE /api/rooms/${room}`);
    for (const each of [boss, session]) {
      expect(await each.next("left")).toMatchObject({ room, reason: "room_deleted" });
      await each.ping();
    }
  });

  test("comes when the command line removes the user or deletes the room", async () => {
    const me = newEmail();
    const [first, second] = [await server.createRoom([me]), await server.createRoom([me])];
    const session = await server.connectSession(me);
    await session.open(first);
    await server.asOperator((chat, operator) => chat.rooms.removeMember(operator, first, { email: me }));
    expect(await session.next("left")).toMatchObject({ room: first, reason: "removed" });
    await server.asOperator((chat, operator) => chat.rooms.delete(operator, second));
    expect(await session.next("left")).toMatchObject({ room: second, reason: "room_deleted" });
  });

  test("and joined come in order when the command line deletes a room and makes it again", async () => {
    const me = newEmail();
    const room = await server.createRoom([me]);
    const session = await server.connectSession(me);
    await server.asOperator(async (chat, operator) => {
      await chat.rooms.delete(operator, room);
      await chat.rooms.create(operator, room, "Again");
      await chat.rooms.setMember(operator, room, { email: me });
    });
    await session.next("joined");
    expect(session.room(room).name).toBe("Again");
  });

  test("of a member who is added again at once is followed by joined", async () => {
    const { owner, member, room, boss, session } = await setUp();
    await session.open(room);
    const path = `/api/rooms/${room}/members/${member.email}`;
    await Promise.all([owner.call(`DELETE ${path}`), owner.call(`PUT ${path}`, { body: {} })]);
    await boss.say(room, "hello");
    const { body } = await member.call("GET /api/rooms");
    const rooms = body["rooms"] as { id: string }[];
    await waitUntil("the session knows", () => session.model.rooms.has(room) === rooms.length > 0);
    await session.ping();
  });
});

describe("while a room is being opened", () => {
  test.each(["removed", "room_deleted"] as const)("the open of a user ends with %s", async (reason) => {
    const { owner, member, room, session } = await setUp();
    const path = reason === "removed" ? `/api/rooms/${room}/members/${member.email}` : `/api/rooms/${room}`;
    const leaving = owner.call(`DELETE ${path}`);
    // Of many opens, one is under way.
    const codes = new Set<string>();
    for (let times = 0; times < 200 && session.model.rooms.has(room); times++) {
      const answer = await session.command({ type: "open", room });
      codes.add(answer.type === "error" ? answer.code : answer.type);
    }
    await leaving;
    expect(await session.next("left")).toMatchObject({ room, reason });
    expect(await session.error({ type: "open", room })).toMatchObject({ code: "room_not_found" });
    const allowed = new Set(["opened", reason, "room_not_found"]);
    expect([...codes].filter((code) => !allowed.has(code))).toEqual([]);
    expect(session.model.isOpen(room)).toBeFalse();
  });
});

describe("a new name", () => {
  test.each(["open", "not open"])("is told once for a room that is %s", async (state) => {
    const { owner, room, session } = await setUp();
    if (state === "open") await session.open(room);
    await owner.call(`PATCH /api/rooms/${room}`, { body: { name: "Renamed" } });
    expect((await session.next("room")) as unknown).toStrictEqual({
      type: "room",
      room: { id: room, name: "Renamed", access: "members", posting: "members", slow_mode: 0 },
    });
    await session.ping();
    expect(session.unread("room")).toEqual([]);
    expect(session.room(room).name).toBe("Renamed");
  });

  test("is told when the command line gives it", async () => {
    const { room, session } = await setUp();
    await server.asOperator((chat, operator) =>
      chat.rooms.change(operator, room, { name: "By the operator" }),
    );
    await session.until(() => session.room(room).name === "By the operator");
  });
});

describe("a new role", () => {
  test("is told to the user for every room, and to the others for rooms that are open", async () => {
    const { owner, member, room, boss, session } = await setUp();
    const third = await createUser(server);
    await owner.call(`PUT /api/rooms/${room}/members/${third.email}`, { body: {} });
    const elsewhere = await connect(third);
    await boss.open(room);
    await owner.call(`PUT /api/rooms/${room}/members/${member.email}`, { body: { role: "moderator" } });
    for (const each of [boss, session]) {
      expect((await each.next("member")) as unknown).toStrictEqual({
        type: "member",
        room,
        user: { id: `user|${member.email}`, email: member.email, name: null },
        role: "moderator",
      });
    }
    expect(session.room(room).role).toBe("moderator");
    await boss.say(room, "a fence");
    await elsewhere.until(() => elsewhere.room(room).seq === 1);
    expect(elsewhere.unread("member")).toEqual([]);
    // In an open room it is told once.
    await session.open(room);
    await owner.call(`PUT /api/rooms/${room}/members/${member.email}`, { body: { role: "member" } });
    await session.next("member");
    await session.ping();
    expect(session.unread("member")).toEqual([]);
  });

  test("is told when the command line gives it", async () => {
    const { member, room, session } = await setUp();
    await server.asOperator((chat, operator) =>
      chat.rooms.setMember(operator, room, { email: member.email }, "owner"),
    );
    await session.until(() => session.room(room).role === "owner");
  });
});

test("an open room tells of members who come and go", async () => {
  const { owner, member, room, boss, session } = await setUp();
  await boss.open(room);
  await owner.call(`DELETE /api/rooms/${room}/members/${member.email}`);
  await session.next("left");
  expect(await boss.next("member")).toMatchObject({ user: { email: member.email }, role: null });
  await owner.call(`PUT /api/rooms/${room}/members/${member.email}`, { body: {} });
  expect(await boss.next("member")).toMatchObject({ user: { email: member.email }, role: "member" });
});
