import { expect, test } from "bun:test";

import * as client from "../../src/client/index.ts";
import { WebSocket } from "../support/client.ts";
import { useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";
import { outcome } from "./support/fake-server.ts";

// The client with a real server.

const alice = "alice@example.com";
const bob = "bob@example.com";
const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });

function connect(room: string, email: string, options: Partial<client.ConnectOptions> = {}): client.Room {
  return client.connect({ url: server.url, room, token: () => server.token(email), ...options });
}

/** A room that Alice has created over HTTP, with Bob as a member. */
async function createRoom(): Promise<{ id: string; api: client.Api }> {
  const api = client.api({ url: server.url, token: () => server.token(alice) });
  const { id } = await api.createRoom({ name: "Lobby" });
  expect(await api.setMember(id, bob)).toMatchObject({ email: bob, role: "member" });
  return { id, api };
}

/** Resolves with the next event of a type. */
function next<T extends client.RoomEvent["type"]>(
  room: client.Room,
  type: T,
): Promise<client.RoomEventOf<T>> {
  return new Promise((resolve) => {
    const remove = room.on(type, (event) => {
      remove();
      resolve(event);
    });
  });
}

test("edits, deletions, reactions, read marks, typing and names reach the other members", async () => {
  const { id, api } = await createRoom();
  const [alices, bobs] = [connect(id, alice), connect(id, bob)];
  await Promise.all([alices.ready, bobs.ready]);
  const { seq } = await alices.send("one");
  await alices.edit(seq, "uno");
  await bobs.react(seq, "👍");
  const second = await bobs.send("two", { replyTo: seq });
  await bobs.remove(second.seq);
  await alices.send("three");
  await waitUntil("both have all messages", () =>
    [alices, bobs].every(({ messages }) => messages.length === 3),
  );
  expect(bobs.messages).toMatchObject([
    { text: "uno", reactions: [{ emoji: "👍", by: [`user|${bob}`] }] },
    { text: "", reply_to: seq, deleted_at: expect.any(String) },
    { text: "three" },
  ]);
  expect(alices.messages).toEqual(bobs.messages);
  const read = next(alices, "read");
  await bobs.read();
  expect(await read).toMatchObject({ user: { email: bob }, seq: 3 });
  const typing = next(alices, "typing");
  bobs.typing();
  expect(await typing).toMatchObject({ user: { email: bob } });
  const renamed = next(bobs, "room");
  await api.renameRoom(id, "Hall");
  await renamed;
  expect(bobs.name).toBe("Hall");
  await waitUntil("Bob sees both online", () => bobs.online.length === 2);
  expect(new Set(bobs.online.map(({ email }) => email))).toEqual(new Set([alice, bob]));
  alices.close();
  bobs.close();
});

test("older messages are loaded page by page, up to the first", async () => {
  const id = await server.createRoom([alice]);
  const room = connect(id, alice);
  const texts = Array.from({ length: 130 }, (_, n) => `message ${n}`);
  await Promise.all(texts.map((text) => room.send(text)));
  const reader = connect(id, alice);
  await reader.ready;
  expect(reader.messages).toHaveLength(50);
  while (!reader.complete) expect(await reader.older(30)).not.toEqual([]);
  expect(reader.messages.map(({ text }) => text)).toEqual(texts);
  room.close();
  reader.close();
});

test("a client that resumes from a stored position gets exactly what it missed", async () => {
  const id = await server.createRoom([alice, bob]);
  const [alices, bobs] = [connect(id, alice), connect(id, bob)];
  await alices.send("one");
  const since = JSON.parse(JSON.stringify(alices.position)) as client.RoomPosition;
  alices.close();
  for (let n = 0; n < 199; n++) void bobs.send(`missed ${n}`);
  await bobs.send("missed 199");
  const resumed = connect(id, alice, { since });
  const missed: string[] = [];
  for await (const event of resumed) {
    if (event.type === "change") missed.push(`${event.kind} ${event.message.text}`);
    if (missed.length === 200) break;
  }
  expect(missed).toEqual(Array.from({ length: 200 }, (_, n) => `created missed ${n}`));
  resumed.close();
  bobs.close();
});

test("a token that expires is renewed without a new connection", async () => {
  const id = await server.createRoom([alice]);
  const exp = Math.floor(Date.now() / 1000) + 3;
  let renewals = 0;
  const room = connect(id, alice, {
    token: ({ refresh }) =>
      server.issuer.sign(alice, { claims: refresh ? { jti: String(++renewals) } : { exp } }),
  });
  let disconnects = 0;
  room.on("status", ({ status }) => void (status === "connecting" && disconnects++));
  await waitUntil("the token is renewed", () => renewals > 0);
  await waitUntil("the first token has expired", () => Date.now() > (exp + 1) * 1000);
  await room.send("still here");
  expect({ renewals, disconnects }).toEqual({ renewals: 1, disconnects: 0 });
  room.close();
});

test("a removed member is told, and their commands are rejected", async () => {
  const { id, api } = await createRoom();
  const room = connect(id, bob);
  await room.ready;
  const closed = next(room, "closed");
  await api.removeMember(id, bob);
  expect(await closed).toEqual({ type: "closed", code: 4403, reason: "removed" });
  expect(await outcome(room.send("hello?"))).toMatchObject({ code: "removed" });
  expect(room.status).toBe("closed");
});

test("a removed member who is added again can resume from their position", async () => {
  const { id, api } = await createRoom();
  const [alices, bobs] = [connect(id, alice), connect(id, bob)];
  await Promise.all([alices.ready, bobs.ready]);
  const { seq } = await alices.send("before");
  await waitUntil("Bob has the message", () => bobs.messages.length === 1);
  const closed = next(bobs, "closed");
  await api.removeMember(id, bob);
  expect(await closed).toMatchObject({ code: 4403 });
  await alices.send("while Bob was away");
  await alices.edit(seq, "before, edited");
  await api.setMember(id, bob);
  const changes: string[] = [];
  const resumed = connect(id, bob, { since: bobs.position });
  resumed.on("change", ({ kind, message: { text } }) => changes.push(`${kind} ${text}`));
  await resumed.ready;
  await alices.send("welcome back");
  await waitUntil("Bob has the last message", () => resumed.messages.at(-1)?.text === "welcome back");
  expect(changes).toEqual(["created while Bob was away", "edited before, edited", "created welcome back"]);
  for (const room of [alices, resumed]) room.close();
});

test("messages sent faster than the rate limit are all stored, in order", async () => {
  await using limited = await server.startAnother({ env: { PARLEY_MESSAGE_RATE: "20" } });
  await limited.createRoom([alice], { id: "lobby" });
  const room = connect("lobby", alice, { url: limited.url });
  const texts = Array.from({ length: 70 }, (_, n) => `message ${n}`);
  const acks = await Promise.all(texts.map((text) => room.send(text)));
  expect(acks.map(({ seq }) => seq)).toEqual(texts.map((_, n) => n + 1));
  expect(room.messages.map(({ text }) => text)).toEqual(texts);
  room.close();
});

test("the HTTP API answers as the types of its client say", async () => {
  const { id, api } = await createRoom();
  expect(await api.me()).toEqual({ id: `user|${alice}`, email: alice, name: null, admin: false });
  const room = connect(id, alice);
  const { seq } = await room.send("one");
  expect(await api.room(id)).toMatchObject({ id, name: "Lobby", role: "owner", seq, rev: seq });
  const rooms = await api.rooms();
  expect(rooms.find((each) => each.id === id)).toMatchObject({ last_message: { text: "one" } });
  expect((await api.members(id)).map(({ email, role }) => [email, role])).toEqual([
    [alice, "owner"],
    [bob, "member"],
  ]);
  expect(await api.messages(id, { after: 0, limit: 1 })).toMatchObject([{ text: "one" }]);
  expect(await api.markRead(id, seq)).toBe(seq);
  const conflict = await outcome(api.createRoom({ id, name: "Again" }));
  expect(conflict).toMatchObject({ code: "conflict", status: 409 });
  const closed = next(room, "closed");
  await api.deleteRoom(id);
  expect(await closed).toEqual({ type: "closed", code: 4404, reason: "room_deleted" });
  expect(await outcome(api.room(id))).toMatchObject({ code: "room_not_found" });
});

test("the WebSocket class of another library can be used", async () => {
  const id = await server.createRoom([alice]);
  const room = connect(id, alice, { WebSocket });
  expect(await room.send("over ws")).toEqual({ seq: 1, rev: 1 });
  expect(room.messages).toMatchObject([{ text: "over ws" }]);
  room.close();
});

test("`ready` rejects with the reason if there is no such room", async () => {
  const room = connect("none", alice);
  expect(await outcome(room.ready)).toMatchObject({ code: "room_not_found" });
});
