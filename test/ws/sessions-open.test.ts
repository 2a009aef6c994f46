import { describe, expect, test } from "bun:test";

import type { SessionFrame } from "../../src/protocol/frames.ts";
import { createUser, newEmail } from "../support/api-users.ts";
import { fillRoom, storedMessages } from "../support/messages.ts";
import { range } from "../support/samples.ts";
import { newRoomId, unlimited, useServer } from "../support/server.ts";
import type { SessionClient } from "../support/session-client.ts";
import { createRooms } from "../support/session-rooms.ts";

// Opening, resuming and closing rooms in a session.

const server = useServer({ env: { ...unlimited, PARLEY_ROOMS_PER_USER: "0" } });

/** A room with a session of each of two members. */
async function twoMembers() {
  const [me, other] = [newEmail(), newEmail()];
  const room = await server.createRoom([me, other]);
  const [session, writer] = [await server.connectSession(me), await server.connectSession(other)];
  return { me, other, room, session, writer };
}

async function expectLevel(session: SessionClient, room: string): Promise<void> {
  const stored = await storedMessages(server, room);
  const known = [...session.opened(room).messages.values()].toSorted((a, b) => a.seq - b.seq);
  expect(known).toEqual(stored);
}

test("open answers with the room, its last 50 messages, who is online and the read marks", async () => {
  const { me, other, room, session, writer } = await twoMembers();
  fillRoom(server, room, 60);
  await writer.say(room, "the last");
  const opened = await session.open(room);
  const createdAt = session.hello.rooms[0]?.created_at;
  expect(opened.room as unknown).toStrictEqual({
    id: room,
    name: room,
    role: "member",
    access: "members",
    posting: "members",
    slow_mode: 0,
    seq: 61,
    rev: 61,
    created_at: createdAt,
  });
  expect(opened).toMatchObject({ rev: 61, resumed: false });
  expect(opened.messages.map(({ seq }) => seq)).toEqual(range(12, 61));
  const users = [me, other].map((email) => ({ id: `user|${email}`, email, name: null }));
  expect(opened.online).toHaveLength(2);
  for (const user of users) expect(opened.online).toContainEqual(user);
  const marks = Object.fromEntries(opened.reads.map(({ user: { email }, seq }) => [email ?? "", seq]));
  expect(marks).toEqual({ [me]: 0, [other]: 61 });
});

test("an open room gets every change in order; a closed one gets none", async () => {
  const { room, session, writer } = await twoMembers();
  await session.open(room);
  await writer.say(room, "one");
  await writer.ack({ type: "edit", room, seq: 1, text: "One" });
  await writer.ack({ type: "react", room, seq: 1, emoji: "👍", on: true });
  await writer.say(room, "two");
  const { rev } = await writer.ack({ type: "delete", room, seq: 2 });
  await session.reach(room, rev);
  const changes = session.unread("change") as Extract<SessionFrame, { type: "change" }>[];
  expect(changes.map(({ kind, message }) => [kind, message.rev])).toEqual([
    ["created", 1],
    ["edited", 2],
    ["reacted", 3],
    ["created", 4],
    ["deleted", 5],
  ]);
  await expectLevel(session, room);
  expect(await session.leave(room)).toMatchObject({ type: "ack", room });
  await writer.say(room, "three");
  await session.until(() => session.room(room).seq === 3);
  await session.ping();
  expect(session.opened(room).cursor).toBe(rev);
});

test("close is acknowledged for a room that is not open, too", async () => {
  const { room, session } = await twoMembers();
  const id = session.issue({ type: "close", room });
  expect((await session.answer(id)) as unknown).toStrictEqual({ type: "ack", room, id });
  expect(await session.leave("no-such-room")).toMatchObject({ type: "ack" });
});

describe("resume", () => {
  test("brings what changed since, in order and once", async () => {
    const { room, session, writer } = await twoMembers();
    await session.open(room);
    await writer.say(room, "one");
    await session.reach(room, 1);
    await session.leave(room);
    await writer.ack({ type: "edit", room, seq: 1, text: "One" });
    const { rev } = await writer.say(room, "two");
    const opened = await session.resume(room);
    expect(opened).toMatchObject({ resumed: true, rev });
    expect(opened.messages.map((each) => each.rev)).toEqual([2, 3]);
    await expectLevel(session, room);
  });

  test("of a long gap goes on in changes frames, while other rooms and commands go on", async () => {
    const { me, other, room, session, writer } = await twoMembers();
    await session.open(room);
    await session.leave(room);
    fillRoom(server, room, 20_000);
    const second = await server.createRoom([me, other]);
    await session.until(() => session.model.rooms.has(second));
    const opening = session.resume(room);
    await session.say(second, "meanwhile");
    expect(await opening).toMatchObject({ resumed: true });
    await session.reach(room, 20_000);
    const { rev } = await writer.say(room, "live");
    await session.reach(room, rev);
    await expectLevel(session, room);
  }, 20_000);

  test("from beyond the end begins anew", async () => {
    const { room, session, writer } = await twoMembers();
    await writer.say(room, "one");
    expect(await session.open(room, 2)).toMatchObject({ resumed: false, rev: 1, messages: [{ seq: 1 }] });
    expect(await session.open(room, 9_007_199_254_740_991)).toMatchObject({ resumed: false });
    expect(await session.open(room, 1)).toMatchObject({ resumed: true, messages: [] });
    expect(await session.open(room, 0)).toMatchObject({ resumed: true, messages: [{ seq: 1 }] });
  });

  test("from a deleted and remade room is told by when the room was created", async () => {
    const admin = await createUser(server, { scope: "chat:admin" });
    const { me, room, session, writer } = await twoMembers();
    await writer.say(room, "of the first room");
    const before = await session.open(room);
    await admin.call(`DELETE /api/rooms/${room}`);
    expect(await session.next("left")).toMatchObject({ reason: "room_deleted" });
    await Bun.sleep(2);
    await admin.call("POST /api/rooms", { body: { id: room, name: "the second" } });
    await admin.call(`PUT /api/rooms/${room}/members/${me}`, { body: {} });
    expect(await session.next("joined")).toMatchObject({ room: { id: room, seq: 0, rev: 0 } });
    expect(await session.open(room, before.rev)).toMatchObject({ resumed: false, messages: [] });
    await session.say(room, "of the second room");
    const after = await session.open(room, before.rev);
    expect(after.room.created_at).not.toBe(before.room.created_at);
  });
});

describe("opening an open room", () => {
  test("starts it over, without a gap or a change that comes twice", async () => {
    const { room, session, writer } = await twoMembers();
    await session.open(room);
    await writer.say(room, "one");
    await session.reach(room, 1);
    expect(await session.open(room)).toMatchObject({ resumed: false, messages: [{ seq: 1 }] });
    expect(await session.resume(room)).toMatchObject({ resumed: true, messages: [] });
    const { rev } = await writer.say(room, "two");
    await session.reach(room, rev);
    expect(session.unread("change")).toHaveLength(2);
    await expectLevel(session, room);
  });

  test("twice in one write is answered twice, in order, while changes are under way", async () => {
    const { room, session, writer } = await twoMembers();
    await session.open(room);
    const sending = range(1, 50).map((n) => writer.say(room, `text ${n}`));
    const ids: string[] = [];
    session.socket.pause();
    for (const since of [undefined, 0, undefined, 0])
      ids.push(session.issue({ type: "open", room, ...(since !== undefined && { since }) }));
    session.socket.resume();
    const answers: unknown[] = [];
    for (const id of ids) answers.push(await session.answer(id));
    expect(answers).toMatchObject([false, true, false, true].map((resumed) => ({ type: "opened", resumed })));
    const acks = await Promise.all(sending);
    await session.reach(room, Math.max(...acks.map(({ rev }) => rev)));
    await expectLevel(session, room);
  });

  test("and closing it are handled in the order in which they were sent", async () => {
    const { room, session, writer } = await twoMembers();
    const [first, second, third] = [
      session.issue({ type: "open", room }),
      session.issue({ type: "close", room }),
      session.issue({ type: "open", room }),
    ];
    const answers = await Promise.all([first, second, third].map((id) => session.answer(id)));
    expect(answers).toMatchObject([{ type: "opened" }, { type: "ack" }, { type: "opened" }]);
    const { rev } = await writer.say(room, "one");
    await session.reach(room, rev);
  });
});

test("100 rooms may be open at once; the 101st is refused until one is closed", async () => {
  const [me, other] = [newEmail(), newEmail()];
  const rooms = await createRooms(server, [me, other], 101);
  const [session, writer] = [await server.connectSession(me), await server.connectSession(other)];
  await session.until(() => session.model.isListed);
  const [first = "", ...rest] = rooms;
  await Promise.all(rest.map((room) => session.open(room)));
  expect(await session.error({ type: "open", room: first })).toMatchObject({
    code: "forbidden",
    room: first,
  });
  // An open one may be opened again.
  await session.resume(rest[0] ?? "");
  await Promise.all(rooms.map((room) => writer.say(room, "to all")));
  await Promise.all(rest.map((room) => session.reach(room, 1)));
  await session.until(() => session.room(first).unread === 1);
  await session.leave(rest[0] ?? "");
  expect(await session.open(first)).toMatchObject({ messages: [{ text: "to all" }] });
}, 20_000);

test("a room that there is not, or that the user is not in, is not found", async () => {
  const { session } = await twoMembers();
  const foreign = await server.createRoom([newEmail()]);
  for (const room of [newRoomId(), foreign])
    expect(await session.error({ type: "open", room })).toMatchObject({ code: "room_not_found", room });
  expect(await session.error({ type: "open", room: "no room" })).toMatchObject({ code: "invalid_command" });
  await session.ping();
});

test("an administrator may open a room that they are no member of, which does not put it in their list", async () => {
  const { me, room, session, writer } = await twoMembers();
  const email = newEmail();
  const token = await server.token(email, { claims: { scope: "chat:admin" } });
  const admin = await server.connectSession(email, { token });
  expect(await admin.open(room)).toMatchObject({ room: { role: null } });
  const { rev } = await writer.say(room, "hello");
  await admin.reach(room, rev);
  await admin.say(room, "hello too");
  await session.open(room);
  expect(session.opened(room).online).toContain(email);
  expect(admin.opened(room).online).toContain(me);
  expect(admin.model.rooms.size).toBe(0);
  await admin.leave(room);
  await session.until(() => !session.opened(room).online.has(email));
  await writer.say(room, "without them");
  await Bun.sleep(300);
  await admin.ping();
  expect(admin.unread("activity")).toEqual([]);
  // Deleting it tells them, if it is open.
  await admin.open(room);
  await server.asOperator((chat, operator) => chat.rooms.delete(operator, room));
  expect(await admin.next("left")).toMatchObject({ room, reason: "room_deleted" });
  await admin.ping();
});

test("a session that ends while rooms wait to be opened leaves nobody online", async () => {
  const [me, other] = [newEmail(), newEmail()];
  const rooms = await createRooms(server, [me, other], 60);
  for (const room of rooms) fillRoom(server, room, 50, "x".repeat(8000));
  const watcher = await server.connectSession(other);
  const [room = ""] = rooms;
  await watcher.open(room);
  const session = await server.connectSession(me);
  await watcher.until(() => watcher.opened(room).online.has(me));
  session.socket.pause();
  // 400 KB each: most of them wait for the reader.
  session.send(JSON.stringify({ type: "ping", id: "first" }));
  for (const each of rooms.toReversed()) session.issue({ type: "open", room: each });
  await watcher.say(room, "a while later");
  await Bun.sleep(200);
  session.socket.terminate();
  await watcher.until(() => !watcher.opened(room).online.has(me));
  for (const each of rooms)
    expect((await watcher.open(each)).online.map(({ email }) => email)).toEqual([other]);
}, 20_000);

test("what waits to be told when a room is opened is counted", async () => {
  const { room, session, writer } = await twoMembers();
  fillRoom(server, room, 100);
  await writer.say(room, "so that it is known");
  await session.until(() => session.room(room).seq === 101);
  expect(session.room(room).unread).toBe(101);
  const admin = await createUser(server, { scope: "chat:admin" });
  const moderator = await server.connectV2(room, admin.email, { token: admin.token });
  // The first change is told at once, the second waits, and its message is not among the last 50.
  await moderator.ack({ type: "delete", seq: 5 });
  await moderator.ack({ type: "delete", seq: 6 });
  await session.open(room);
  await moderator.say("goes on");
  await session.until(() => session.room(room).seq === 102);
  expect(session.room(room).unread).toBe(100);
});

test("commands of more than one frame in one write are all answered", async () => {
  const { room, session } = await twoMembers();
  const { socket } = session;
  socket.pause();
  const ids = range(1, 20).map((n) => session.issue({ type: "send", room, text: `text ${n}` }));
  socket.resume();
  const acks = await Promise.all(ids.map((id) => session.answer(id)));
  expect(acks).toMatchObject(range(1, 20).map((seq) => ({ type: "ack", room, seq })));
});
