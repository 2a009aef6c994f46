import { expect, test } from "bun:test";

import type { RoomsFrame } from "../../src/protocol/frames.ts";
import { createUser, newEmail } from "../support/api-users.ts";
import { callApi } from "../support/api.ts";
import { refusal } from "../support/client.ts";
import { fillRoom } from "../support/messages.ts";
import { encodeFrame, handshake, RawConnection } from "../support/raw.ts";
import { defaultSettingsBody, range } from "../support/samples.ts";
import { newRoomId, unlimited, useServer } from "../support/server.ts";
import { connectSession } from "../support/session-client.ts";
import { createRooms, openRawSession, RawSession } from "../support/session-rooms.ts";

// How a session begins: its hello, and the list of rooms in pages.

const server = useServer({ env: { ...unlimited, PARLEY_ROOMS_PER_USER: "0", PARLEY_MEMBERS_PER_ROOM: "0" } });

test("hello tells who the user is, the limits, and their rooms, but no room", async () => {
  const [me, other] = [newEmail(), newEmail()];
  const room = await server.createRoom([me, other]);
  const session = await server.connectSession(me);
  expect(session.protocol).toBe("chat.v2");
  const { hello } = session;
  expect(hello).not.toContainKey("room");
  expect(hello.me).toEqual({ id: `user|${me}`, email: me, name: null });
  expect(Date.parse(hello.token_expires_at)).toBeGreaterThan(Date.now());
  expect(hello.limits).toMatchObject({ open_rooms: 100, frame_bytes: 65_536 });
  expect(hello.more).toBeFalse();
  const createdAt = expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/);
  expect(hello.rooms).toStrictEqual([
    {
      id: room,
      name: room,
      role: "member",
      ...defaultSettingsBody,
      seq: 0,
      rev: 0,
      created_at: createdAt,
      read: 0,
      unread: 0,
      mentions: 0,
      last_message: null,
    },
  ]);
  await session.close();
});

test("the URL may end with a slash or not; without chat.v2 it is refused", async () => {
  const me = newEmail();
  const authorization = `Bearer ${await server.token(me)}`;
  for (const [path, protocol, status] of [
    ["/ws", "chat.v2", 101],
    ["/ws/", "chat.v2", 101],
    ["/ws/?since=3", "chat.v2", 101],
    ["/ws/", "classic", 400],
    ["/ws/", undefined, 400],
  ] as const) {
    const raw = await RawConnection.open(server.host);
    raw.write(handshake(server.host, path, { authorization, "sec-websocket-protocol": protocol }));
    expect([path, protocol, (await raw.answer()).status]).toEqual([path, protocol, status]);
    raw.destroy();
  }
});

test("a token that is missing or wrong is refused as on a room's URL", async () => {
  expect((await refusal(connectSession(server.host, { protocols: ["classic"] }))).status).toBe(400);
  for (const token of [undefined, "nonsense"]) {
    const connecting = connectSession(server.host, token === undefined ? {} : { token });
    const error = await connecting.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 4401, reason: "unauthorized" });
  }
});

test("a user without rooms gets an empty list", async () => {
  const { hello } = await server.connectSession(newEmail());
  expect(hello).toMatchObject({ rooms: [], more: false });
});

test("rooms come by their last message, or by when they were created, newest first", async () => {
  const me = newEmail();
  const [old, busy, empty] = [
    await server.createRoom([me]),
    await server.createRoom([me]),
    await server.createRoom([me]),
  ];
  const writer = await server.connectSession(me);
  await writer.say(old, "first");
  await Bun.sleep(2);
  const newest = await server.createRoom([me]);
  await Bun.sleep(2);
  await writer.say(busy, "later");
  const { hello, model } = await server.connectSession(me);
  expect(hello.rooms.map(({ id }) => id)).toEqual([busy, newest, old, empty]);
  expect(model.order).toEqual([busy, newest, old, empty]);
  // A deleted message does not count any more.
  await writer.ack({ type: "delete", room: busy, seq: 1 });
  const again = await server.connectSession(me);
  expect(again.hello.rooms.map(({ id }) => id)).toEqual([newest, old, empty, busy]);
});

test("a summary counts what is unread and shows the newest message that is not deleted, cut to 200 units", async () => {
  const [me, other] = [newEmail(), newEmail()];
  const room = await server.createRoom([me, other]);
  const writer = await server.connectSession(other);
  const long = `${"x".repeat(199)}😀 and more`;
  for (const text of ["one", "two", long, "four"]) await writer.say(room, text);
  for (const seq of [1, 4]) await writer.ack({ type: "delete", room, seq });
  const { hello } = await server.connectSession(me);
  expect(hello.rooms).toMatchObject([{ seq: 4, rev: 6, read: 0, unread: 2 }]);
  // A surrogate pair is not cut in half.
  expect(hello.rooms[0]?.last_message).toMatchObject({ seq: 3, text: "x".repeat(199) });
});

test("a user of 1,000 rooms gets them in pages of 100, each once, and hears of all of them", async () => {
  const [me, other] = [newEmail(), newEmail()];
  const rooms = await createRooms(server, [me, other], 1000);
  const session = await server.connectSession(me);
  await session.until(() => session.model.isListed);
  expect(session.hello.more).toBeTrue();
  const pages = session.unread("rooms") as RoomsFrame[];
  expect([session.hello, ...pages].map((page) => page.rooms.length)).toEqual(range(1, 10).map(() => 100));
  expect(pages.map(({ more }) => more)).toEqual(range(1, 9).map((page) => page < 9));
  expect(session.model.order.toSorted()).toEqual(rooms.toSorted());
  const listed = [session.hello, ...pages].flatMap((page) => page.rooms.map(({ id }) => id));
  expect(listed).toEqual(session.model.order);
  const writer = await server.connectSession(other);
  for (const room of [rooms[0], rooms[999]]) {
    await writer.say(room ?? "", "hello");
    await session.until(() => session.room(room ?? "").unread === 1);
  }
}, 20_000);

test("commands that are sent before hello has come are handled after it", async () => {
  const me = newEmail();
  const room = await server.createRoom([me]);
  const session = new RawSession(await openRawSession(server, me));
  const commands = [
    { type: "send", id: "1", room, text: "early" },
    { type: "open", id: "2", room },
  ].map((each) => encodeFrame(JSON.stringify(each)));
  session.raw.write(...commands);
  await session.until(() => session.model.isOpen(room) && session.frames.some(({ type }) => type === "ack"));
  expect(session.frames[0]?.type).toBe("hello");
  session.raw.destroy();
});

test("a slow reader of the list gets it page by page, and nothing that happens meanwhile is lost", async () => {
  const [me, other] = [newEmail(), newEmail()];
  // More than the kernel's buffers take.
  const rooms = await createRooms(server, [me, other], 12_000, "€".repeat(200));
  const session = new RawSession(await openRawSession(server, me));
  const { raw, model } = session;
  await session.next();
  raw.socket.pause();
  const writer = await server.connectSession(other);
  await writer.until(() => writer.model.isListed);
  // Rooms that are listed last.
  const [told = "", lost = "", renamed = "", promoted = ""] = rooms;
  await writer.say(told, "while the list is being read");
  const admin = await createUser(server, { scope: "chat:admin" });
  await admin.call(`DELETE /api/rooms/${lost}/members/${me}`);
  await admin.call(`PATCH /api/rooms/${renamed}`, { body: { name: "another name" } });
  await admin.call(`PUT /api/rooms/${promoted}/members/${me}`, { body: { role: "moderator" } });
  const created = newRoomId();
  await admin.call("POST /api/rooms", { body: { id: created, name: "new" } });
  await admin.call(`PUT /api/rooms/${created}/members/${me}`, { body: {} });
  raw.socket.resume();
  await session.until(() => model.isListed);
  expect(model.rooms.has(lost)).toBeFalse();
  // What has changed since the list was read comes again.
  const isCurrent = () =>
    model.rooms.has(created) &&
    model.rooms.get(told)?.unread === 1 &&
    model.rooms.get(renamed)?.name === "another name" &&
    model.rooms.get(promoted)?.role === "moderator";
  await session.until(isCurrent);
  expect(model.rooms.size).toBe(rooms.length);
  raw.destroy();
}, 20_000);

test("the list is as current as GET /api/rooms", async () => {
  const [me, other] = [newEmail(), newEmail()];
  const room = await server.createRoom([me, other]);
  fillRoom(server, room, 60);
  const { hello } = await server.connectSession(me);
  const { body } = await callApi(server, "GET /api/rooms", { token: await server.token(me) });
  expect(hello.rooms).toEqual(body["rooms"] as typeof hello.rooms);
});
