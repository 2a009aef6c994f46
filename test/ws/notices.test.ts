import { expect, test } from "bun:test";

import type { NoticeFrame } from "../../src/protocol/frames.ts";
import { callApi } from "../support/api.ts";
import type { V2Client, V2Frame } from "../support/client.ts";
import { defaultSettingsBody } from "../support/samples.ts";
import { unlimited, useServer } from "../support/server.ts";

// What is told to everyone in a room and not stored: typing, read marks, members and the room's name.

const server = useServer({ env: unlimited });

const owner = "olga@example.com";
let users = 0;
/** Each test has users of its own, because typing is announced at most every few seconds. */
const newUser = () => `user-${++users}@example.com`;

const body = (email: string) => ({ id: `user|${email}`, email, name: null });

/** A mark at `seq` in a room of so many messages, none of which has been changed. */
const readFrame = (room: string, email: string, seq: number, newest: number): NoticeFrame => ({
  type: "read",
  room,
  user: body(email),
  seq,
  mentions: 0,
  unread: newest - seq,
  room_seq: newest,
  room_rev: newest,
});

async function roomOwnedByOlga(...members: string[]): Promise<string> {
  const room = await server.createRoom(members);
  await server.asOperator((chat, operator) =>
    chat.rooms.setMember(operator, room, { email: owner }, "owner"),
  );
  return room;
}

async function api(email: string, request: string, input?: unknown): Promise<Record<string, unknown>> {
  const answer = await callApi(server, request, { token: await server.token(email), body: input });
  return { status: answer.status, ...answer.body };
}

const isNotice = (frame: V2Frame): frame is NoticeFrame =>
  frame.type === "typing" || frame.type === "read" || frame.type === "member" || frame.type === "room";

/** All notices that a client has received, presence aside. A message is sent first, so that none is still under way. */
async function noticesOf(client: V2Client, writer: V2Client): Promise<NoticeFrame[]> {
  const { rev } = await writer.say("fence");
  await client.reach(rev);
  return client.texts.map((text) => JSON.parse(text) as V2Frame).filter(isNotice);
}

test("typing is announced once for each user who types, and is not stored", async () => {
  const [alice, bob, carol] = [newUser(), newUser(), newUser()];
  const room = await server.createRoom([alice, bob, carol]);
  const typists = await Promise.all([alice, alice, bob].map((email) => server.connectV2(room, email)));
  const watcher = await server.connectV2(room, carol);
  for (const client of typists) for (let n = 0; n < 10; n++) client.send({ type: "typing", id: `t-${n}` });
  // Its ack shows that the commands before it were handled.
  for (const client of typists) await client.ack({ type: "read", seq: 0 });
  const [writer] = typists;
  if (!writer) throw new Error("not connected");
  const notices = await noticesOf(watcher, writer);
  expect(notices).toHaveLength(2);
  for (const email of [alice, bob])
    expect(notices).toContainEqual({ type: "typing", room, user: body(email) });
  for (const client of typists) expect(client.unread("ack", "error")).toEqual([]);
  const late = await server.connectV2(room, bob, { since: 0 });
  expect(late.hello).toMatchObject({ rev: 1, messages: [{ seq: 1 }] });
});

test("typing that goes on is announced again every three seconds", async () => {
  const [alice, bob] = [newUser(), newUser()];
  const room = await server.createRoom([alice, bob]);
  const [client, watcher] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
  const start = performance.now();
  const typing = setInterval(() => client.send({ type: "typing" }), 100);
  await watcher.next("typing");
  await watcher.next("typing");
  clearInterval(typing);
  expect(performance.now() - start).toBeGreaterThan(2500);
}, 10_000);

test("a read mark moves forward only, up to the newest message, and everyone is told when it moves", async () => {
  const [alice, bob] = [newUser(), newUser()];
  const room = await server.createRoom([alice, bob]);
  const [reader, tab, writer] = [
    await server.connectV2(room, alice),
    await server.connectV2(room, alice),
    await server.connectV2(room, bob),
  ];
  for (let n = 1; n <= 5; n++) await writer.say(`text ${n}`);
  const marks: number[] = [];
  for (const seq of [3, 2, 0, 3, 4, Number.MAX_SAFE_INTEGER, 1])
    marks.push((await reader.ack({ type: "read", seq })).seq);
  expect(marks).toEqual([3, 3, 3, 3, 4, 5, 5]);
  for (const client of [tab, writer, reader])
    expect(await noticesOf(client, writer)).toEqual([3, 4, 5].map((seq) => readFrame(room, alice, seq, 5)));
  // It is no change of the room: five messages and three fences.
  expect(writer.cursor).toBe(8);
});

test("sending a message moves the sender's read mark to it, and nobody is told", async () => {
  const [alice, bob] = [newUser(), newUser()];
  const room = await server.createRoom([alice, bob]);
  const [client, other] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
  const unread = async (email: string) => {
    const { body: list } = await callApi(server, "GET /api/rooms", { token: await server.token(email) });
    return (list["rooms"] as { id: string; unread: number }[]).find(({ id }) => id === room)?.unread;
  };
  for (let n = 1; n <= 5; n++) await other.say(`text ${n}`);
  expect([await unread(alice), await unread(bob)]).toEqual([5, 0]);
  await client.ack({ type: "read", seq: 2 });
  expect(await unread(alice)).toBe(3);
  await client.say("an answer");
  expect([await unread(alice), await unread(bob)]).toEqual([0, 1]);
  expect(await noticesOf(other, client)).toEqual([readFrame(room, alice, 2, 5)]);
});

test("a read mark that is moved over HTTP is announced, too", async () => {
  const [alice, bob] = [newUser(), newUser()];
  const room = await server.createRoom([alice, bob]);
  const writer = await server.connectV2(room, bob);
  for (let n = 1; n <= 3; n++) await writer.say(`text ${n}`);
  for (const [seq, mark] of [
    [2, 2],
    [1, 2],
    [99, 3],
  ] as const)
    expect(await api(alice, `PUT /api/rooms/${room}/read`, { seq })).toEqual({ status: 200, seq: mark });
  expect(await noticesOf(writer, writer)).toEqual([2, 3].map((seq) => readFrame(room, alice, seq, 3)));
});

test("new members, new roles and removals are announced", async () => {
  const [alice, bob] = [newUser(), newUser()];
  const room = await roomOwnedByOlga(bob);
  const watcher = await server.connectV2(room, bob);
  const path = `/api/rooms/${room}/members/${alice}`;
  expect(await api(owner, `PUT ${path}`)).toMatchObject({ status: 201 });
  const invited = { id: null, email: alice, name: null };
  expect(await watcher.next("member")).toStrictEqual({ type: "member", room, user: invited, role: "member" });
  // By connecting she presents her id.
  const client = await server.connectV2(room, alice);
  expect(await api(owner, `PUT ${path}`, { role: "moderator" })).toMatchObject({ status: 200 });
  for (const each of [watcher, client])
    expect(await each.next("member")).toStrictEqual({
      type: "member",
      room,
      user: body(alice),
      role: "moderator",
    });
  expect(await api(owner, `DELETE ${path}`)).toMatchObject({ status: 204 });
  expect(await watcher.next("member")).toStrictEqual({ type: "member", room, user: body(alice), role: null });
  // These change nothing.
  await api(owner, `DELETE ${path}`);
  expect(await api(bob, `PUT ${path}`)).toMatchObject({ status: 403 });
  expect(await noticesOf(watcher, watcher)).toHaveLength(3);
});

test("a new name of the room is announced, and shown to new connections", async () => {
  const [alice, bob] = [newUser(), newUser()];
  const room = await roomOwnedByOlga(alice, bob);
  const client = await server.connectV2(room, alice);
  expect(client.hello.room.name).toBe(room);
  const rename = (email: string, name: string) => api(email, `PATCH /api/rooms/${room}`, { name });
  expect(await rename(owner, " The office ")).toMatchObject({ status: 200, name: "The office" });
  expect(await client.next("room")).toStrictEqual({
    type: "room",
    room: { id: room, name: "The office", ...defaultSettingsBody },
  });
  expect((await server.connectV2(room, bob)).hello.room.name).toBe("The office");
  expect(await rename(alice, "Mine")).toMatchObject({ status: 403 });
  expect(await rename(owner, " ")).toMatchObject({ status: 400 });
  expect(await noticesOf(client, client)).toHaveLength(1);
});

test("other rooms are told nothing", async () => {
  const [alice, bob, eve] = [newUser(), newUser(), newUser()];
  const [room, other] = [await roomOwnedByOlga(alice, bob), await roomOwnedByOlga(bob, eve)];
  const [client, inside] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
  const outside = await Promise.all([bob, eve].map((email) => server.connectV2(other, email)));
  client.send({ type: "typing" });
  await client.say("text");
  await inside.ack({ type: "read", seq: 1 });
  await api(owner, `PUT /api/rooms/${room}/members/${newUser()}`);
  await api(owner, `PATCH /api/rooms/${room}`, { name: "Elsewhere" });
  const types = (await noticesOf(inside, client)).map(({ type }) => type);
  expect(types).toEqual(["typing", "read", "member", "room"]);
  for (const each of outside) expect(await noticesOf(each, each)).toEqual([]);
});
