import { expect, test } from "bun:test";

import type { NoticeFrame, ServerFrame } from "../../src/protocol/frames.ts";
import { callApi } from "../support/api.ts";
import { connectV2, type V2Client } from "../support/client.ts";
import { useServer } from "../support/server.ts";

// Typing, read marks, members, names: what is told to whoever is there, and not again.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const owner = "olga@example.com";
let people = 0;
/** Nobody types in two tests: who has just typed is not told again. */
const somebody = () => `user-${++people}@example.com`;

const open = async (room: string, email: string) =>
  connectV2(server.host, room, { token: await token(email) });
const body = (email: string) => ({ id: `user|${email}`, email, name: null });

async function ownedRoom(...members: string[]): Promise<string> {
  const room = await createRoom([...members]);
  await server.asOperator((chat, operator) =>
    chat.rooms.setMember(operator, room, { email: owner }, "owner"),
  );
  return room;
}

async function api(email: string, request: string, asked?: unknown): Promise<Record<string, unknown>> {
  const answer = await callApi(server, request, { token: await token(email), body: asked });
  return { status: answer.status, ...answer.body };
}

/** What a client has heard but who came and went. A message is said first, behind which nothing is on its way. */
async function heard(client: V2Client, speaker: V2Client): Promise<NoticeFrame[]> {
  const { rev } = await speaker.say("so far");
  await client.reach(rev);
  return client.texts
    .map((text) => JSON.parse(text) as ServerFrame)
    .filter(
      (frame) =>
        frame.type === "typing" || frame.type === "read" || frame.type === "member" || frame.type === "room",
    );
}

test("of ten typings in a moment the others hear one, of each who types, and nothing of it is stored", async () => {
  const [alice, bob, carol] = [somebody(), somebody(), somebody()];
  const room = await createRoom([alice, bob, carol]);
  const clients = [await open(room, alice), await open(room, alice), await open(room, bob)] as const;
  const watcher = await open(room, carol);
  for (const client of clients) for (let n = 0; n < 10; n++) client.send({ type: "typing", id: `t-${n}` });
  // What follows was read after them.
  for (const client of clients)
    expect(await client.ack({ type: "read", seq: 0 })).toMatchObject({ seq: 0, rev: 0 });
  const told = await heard(watcher, clients[0]);
  expect(told).toHaveLength(2);
  expect(told).toContainEqual({ type: "typing", user: body(alice) });
  expect(told).toContainEqual({ type: "typing", user: body(bob) });
  for (const client of clients) expect(client.unread("ack", "error")).toEqual([]);
  const late = await connectV2(server.host, room, { token: await token(bob), since: 0 });
  expect(late.hello).toMatchObject({ rev: 1, messages: [{ seq: 1 }] });
  expect(late.unread("typing")).toEqual([]);
});

test("whoever has typed for long is told of again", async () => {
  const [alice, bob] = [somebody(), somebody()];
  const room = await createRoom([alice, bob]);
  const [client, watcher] = [await open(room, alice), await open(room, bob)];
  const begun = performance.now();
  const typing = setInterval(() => client.send({ type: "typing" }), 100);
  await watcher.next("typing");
  await watcher.next("typing");
  clearInterval(typing);
  expect(performance.now() - begun).toBeGreaterThan(2500);
}, 10_000);

test("a read mark moves forward only, up to the last message, and everyone hears when it moved", async () => {
  const [alice, bob] = [somebody(), somebody()];
  const room = await createRoom([alice, bob]);
  const [reader, tab, speaker] = [await open(room, alice), await open(room, alice), await open(room, bob)];
  for (let n = 1; n <= 5; n++) await speaker.say(`text ${n}`);
  const marks: number[] = [];
  for (const seq of [3, 2, 0, 3, 4, Number.MAX_SAFE_INTEGER, 1])
    marks.push((await reader.ack({ type: "read", seq })).seq);
  expect(marks).toEqual([3, 3, 3, 3, 4, 5, 5]);
  const moves = [3, 4, 5].map((seq) => ({ type: "read", user: body(alice), seq }));
  for (const client of [tab, speaker, reader])
    expect(await heard(client, speaker)).toEqual(moves as NoticeFrame[]);
  // No change of the room's.
  expect(speaker.cursor).toBe(8);
});

test("unread is what came after the mark, and one's own messages are read", async () => {
  const [alice, bob] = [somebody(), somebody()];
  const room = await createRoom([alice, bob]);
  const [reader, speaker] = [await open(room, alice), await open(room, bob)];
  const unread = async (email: string) => {
    const { rooms } = (await api(email, "GET /api/rooms")) as { rooms?: { id: string; unread: number }[] };
    return rooms?.find(({ id }) => id === room)?.unread;
  };
  for (let n = 1; n <= 5; n++) await speaker.say(`text ${n}`);
  expect([await unread(alice), await unread(bob)]).toEqual([5, 0]);
  await reader.ack({ type: "read", seq: 2 });
  expect(await unread(alice)).toBe(3);
  await reader.ack({ type: "read", seq: 1 });
  expect(await unread(alice)).toBe(3);
  await reader.say("an answer");
  expect([await unread(alice), await unread(bob)]).toEqual([0, 1]);
  // Nobody is told what he reads by speaking.
  expect(await heard(speaker, reader)).toEqual([{ type: "read", user: body(alice), seq: 2 }]);
});

test("a mark that is moved over HTTP is told to the room, and one that is not is not", async () => {
  const [alice, bob] = [somebody(), somebody()];
  const room = await createRoom([alice, bob]);
  const speaker = await open(room, bob);
  for (let n = 1; n <= 3; n++) await speaker.say(`text ${n}`);
  const put = (seq: number) => api(alice, `PUT /api/rooms/${room}/read`, { seq });
  expect(await put(2)).toEqual({ status: 200, seq: 2 });
  expect(await put(1)).toEqual({ status: 200, seq: 2 });
  expect(await put(99)).toEqual({ status: 200, seq: 3 });
  expect(await heard(speaker, speaker)).toEqual([
    { type: "read", user: body(alice), seq: 2 },
    { type: "read", user: body(alice), seq: 3 },
  ]);
});

test("everyone there hears who is made a member, has another role, and is one no more", async () => {
  const [alice, bob] = [somebody(), somebody()];
  const room = await ownedRoom(bob);
  const watcher = await open(room, bob);
  const path = `/api/rooms/${room}/members/${alice}`;
  expect(await api(owner, `PUT ${path}`)).toMatchObject({ status: 201 });
  const invited = { id: null, email: alice, name: null };
  expect(await watcher.next("member")).toStrictEqual({ type: "member", user: invited, role: "member" });
  // Now he is known.
  const client = await open(room, alice);
  expect(await api(owner, `PUT ${path}`, { role: "moderator" })).toMatchObject({ status: 200 });
  for (const each of [watcher, client])
    expect(await each.next("member")).toStrictEqual({ type: "member", user: body(alice), role: "moderator" });
  expect(await api(owner, `DELETE ${path}`)).toMatchObject({ status: 204 });
  expect(await watcher.next("member")).toStrictEqual({ type: "member", user: body(alice), role: null });
  // Nothing was changed, nothing is told.
  await api(owner, `DELETE ${path}`);
  expect(await api(bob, `PUT ${path}`)).toMatchObject({ status: 403 });
  expect((await heard(watcher, watcher)).filter(({ type }) => type === "member")).toHaveLength(3);
});

test("everyone there hears the room's new name, and who comes later finds it", async () => {
  const [alice, bob] = [somebody(), somebody()];
  const room = await ownedRoom(alice, bob);
  const [client, classic] = [await open(room, alice), await server.connectClassic(room, bob)];
  expect(client.hello.room.name).toBe(room);
  expect(await api(owner, `PATCH /api/rooms/${room}`, { name: " The parlour " })).toMatchObject({
    status: 200,
    name: "The parlour",
  });
  expect(await client.next("room")).toStrictEqual({ type: "room", room: { id: room, name: "The parlour" } });
  expect((await open(room, bob)).hello.room.name).toBe("The parlour");
  expect(await api(alice, `PATCH /api/rooms/${room}`, { name: "Mine" })).toMatchObject({ status: 403 });
  expect(await api(owner, `PATCH /api/rooms/${room}`, { name: " " })).toMatchObject({ status: 400 });
  expect(await heard(client, client)).toHaveLength(1);
  expect(await classic.next()).toEqual({ message: "so far" });
});

test("nobody outside of a room hears any of it", async () => {
  const [alice, bob, eve] = [somebody(), somebody(), somebody()];
  const [room, other] = [await ownedRoom(alice, bob), await ownedRoom(bob, eve)];
  const inside = await open(room, bob);
  const outside = [await open(other, bob), await open(other, eve)];
  const client = await open(room, alice);
  client.send({ type: "typing" });
  await client.say("text");
  await inside.ack({ type: "read", seq: 1 });
  await api(owner, `PUT /api/rooms/${room}/members/${somebody()}`);
  await api(owner, `PATCH /api/rooms/${room}`, { name: "Elsewhere" });
  const told = (await heard(inside, client)).map(({ type }) => type);
  expect(told).toEqual(["typing", "read", "member", "room"]);
  for (const each of outside) expect(await heard(each, each)).toEqual([]);
});
