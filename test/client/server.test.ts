import { expect, setDefaultTimeout, test } from "bun:test";

import { type Api, api as createApi } from "../../src/client/api.ts";
import * as client from "../../src/client/index.ts";
import { WebSocket } from "../support/client.ts";
import { useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";
import { outcome } from "./support/fake-server.ts";
import { MemoryStorage } from "./support/storage.ts";

// The client with a real server.

setDefaultTimeout(20_000);

const alice = "alice@example.com";
const bob = "bob@example.com";
const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });

function connect(email: string, options: Partial<client.ConnectOptions> = {}): client.Chat {
  return client.connect({ url: server.url, token: () => server.token(email), ...options });
}

/** Opens a room over a connection of its own. */
function open(room: string, email: string, options: client.OpenOptions = {}): client.Room & Disposable {
  const chat = connect(email);
  return Object.assign(chat.open(room, options), { [Symbol.dispose]: () => chat.close() });
}

/** A room that Alice has created over HTTP, with Bob as a member. */
async function createRoom(): Promise<{ id: string; api: Api }> {
  const api = createApi({ url: server.url, token: () => server.token(alice) });
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
  const [alices, bobs] = [open(id, alice), open(id, bob)];
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
  await api.changeRoom(id, { name: "Hall" });
  await renamed;
  expect(bobs.name).toBe("Hall");
  await waitUntil("Bob sees both online", () => bobs.online.length === 2);
  expect(new Set(bobs.online.map(({ email }) => email))).toEqual(new Set([alice, bob]));
  for (const room of [alices, bobs]) room[Symbol.dispose]();
});

test("settings of a room show at once, in the list too, and a muted user is told until when", async () => {
  const { id, api } = await createRoom();
  const chat = connect(bob);
  const room = chat.open(id);
  await room.ready;
  const errors: unknown[] = [];
  chat.on("error", ({ error }) => errors.push(error));
  const settings = { access: "open", posting: "members", slow_mode: 3_600 } as const;
  const changed = next(room, "room");
  await api.changeRoom(id, settings);
  expect((await changed).room).toEqual({ id, name: "Lobby", ...settings });
  expect([room.access, room.posting, room.slowMode]).toEqual(["open", "members", 3_600]);
  expect(chat.room(id)).toMatchObject(settings);

  const { seq } = await room.send("one");
  const second = room.send("two");
  // It waits for an hour, and nothing waits for it.
  await room.react(seq, "👍");
  expect(room.pending.at(-1)).toMatchObject({ text: "two", status: "waiting" });
  await api.changeRoom(id, { slow_mode: 0 });
  expect((await second).seq).toBe(2);

  const until = "2100-01-01T00:00:00.000Z";
  await api.mute(id, bob, { until });
  room.typing();
  const refused = await outcome(room.send("three"));
  expect(refused).toMatchObject({ code: "forbidden", until });
  expect(room.pending).toMatchObject([{ text: "three", status: "failed", error: refused }]);
  expect(errors).toEqual([]);
  chat.close();
});

test("metadata is the same for the sender and everybody else, and in lists of rooms", async () => {
  const { id } = await createRoom();
  const [alices, bobs] = [open(id, alice), open(id, bob)];
  const list = connect(bob);
  await Promise.all([alices.ready, bobs.ready]);
  const meta = { card: ["order", { id: 1042 }], note: null };
  const sent = alices.send("card", { meta });
  expect(alices.pending).toMatchObject([{ text: "card", meta }]);
  await sent;
  await waitUntil("both have the message", () =>
    [alices, bobs].every(({ messages }) => messages.length === 1),
  );
  const received = bobs.messages[0]?.meta as Record<string, unknown>;
  expect([received, alices.messages[0]?.meta]).toEqual([meta, meta]);
  await waitUntil("the list has the message", () => list.room(id)?.last_message?.seq === 1);
  expect(list.room(id)?.last_message?.meta).toEqual(meta);
  await alices.send("large", { meta: { a: "x".repeat(505) } });
  await waitUntil("the list has the next one", () => list.room(id)?.last_message?.seq === 2);
  expect(list.room(id)?.last_message).not.toHaveProperty("meta");
  for (const room of [alices, bobs]) room[Symbol.dispose]();
  list.close();
});

test("older messages are loaded page by page, up to the first", async () => {
  const id = await server.createRoom([alice]);
  const room = open(id, alice);
  const texts = Array.from({ length: 130 }, (_, n) => `message ${n}`);
  await Promise.all(texts.map((text) => room.send(text)));
  const reader = open(id, alice);
  await reader.ready;
  expect(reader.messages).toHaveLength(50);
  while (!reader.complete) expect(await reader.older(30)).not.toEqual([]);
  expect(reader.messages.map(({ text }) => text)).toEqual(texts);
  for (const each of [room, reader]) each[Symbol.dispose]();
});

test("a client that resumes from a stored position gets exactly what it missed", async () => {
  const id = await server.createRoom([alice, bob]);
  const [alices, bobs] = [open(id, alice), open(id, bob)];
  await alices.send("one");
  const since = JSON.parse(JSON.stringify(alices.position)) as client.RoomPosition;
  alices[Symbol.dispose]();
  for (let n = 0; n < 199; n++) void bobs.send(`missed ${n}`);
  await bobs.send("missed 199");
  const resumed = open(id, alice, { since });
  const missed: string[] = [];
  for await (const event of resumed) {
    if (event.type === "change") missed.push(`${event.kind} ${event.message.text}`);
    if (missed.length === 200) break;
  }
  expect(missed).toEqual(Array.from({ length: 200 }, (_, n) => `created missed ${n}`));
  for (const room of [resumed, bobs]) room[Symbol.dispose]();
});

test("a token that expires is renewed without a new connection", async () => {
  const id = await server.createRoom([alice]);
  const exp = Math.floor(Date.now() / 1000) + 3;
  let renewals = 0;
  const chat = connect(alice, {
    token: ({ refresh }) =>
      server.issuer.sign(alice, { claims: refresh ? { jti: String(++renewals) } : { exp } }),
  });
  const room = chat.open(id);
  let disconnects = 0;
  chat.on("status", ({ status }) => void (status === "connecting" && disconnects++));
  await waitUntil("the token is renewed", () => renewals > 0);
  await waitUntil("the first token has expired", () => Date.now() > (exp + 1) * 1000);
  await room.send("still here");
  expect({ renewals, disconnects }).toEqual({ renewals: 1, disconnects: 0 });
  chat.close();
});

test("a removed member is told, and their commands are rejected", async () => {
  const { id, api } = await createRoom();
  const room = open(id, bob);
  await room.ready;
  const closed = next(room, "closed");
  await api.removeMember(id, bob);
  expect(await closed).toEqual({ type: "closed", reason: "removed" });
  expect(await outcome(room.send("hello?"))).toMatchObject({ code: "removed" });
  expect(room.status).toBe("closed");
  room[Symbol.dispose]();
});

test("a removed member who is added again can resume from their position", async () => {
  const { id, api } = await createRoom();
  const [alices, bobs] = [open(id, alice), open(id, bob)];
  await Promise.all([alices.ready, bobs.ready]);
  const { seq } = await alices.send("before");
  await waitUntil("Bob has the message", () => bobs.messages.length === 1);
  const closed = next(bobs, "closed");
  await api.removeMember(id, bob);
  expect(await closed).toMatchObject({ reason: "removed" });
  await alices.send("while Bob was away");
  await alices.edit(seq, "before, edited");
  await api.setMember(id, bob);
  const changes: string[] = [];
  const resumed = open(id, bob, { since: bobs.position });
  resumed.on("change", ({ kind, message: { text } }) => changes.push(`${kind} ${text}`));
  await resumed.ready;
  await alices.send("welcome back");
  await waitUntil("Bob has the last message", () => resumed.messages.at(-1)?.text === "welcome back");
  expect(changes).toEqual(["created while Bob was away", "edited before, edited", "created welcome back"]);
  for (const room of [alices, bobs, resumed]) room[Symbol.dispose]();
});

test("messages sent faster than the rate limit are all stored, in order", async () => {
  await using limited = await server.startAnother({ env: { PARLEY_MESSAGE_RATE: "20" } });
  await limited.createRoom([alice], { id: "lobby" });
  const chat = connect(alice, { url: limited.url });
  const room = chat.open("lobby");
  const texts = Array.from({ length: 70 }, (_, n) => `message ${n}`);
  const acks = await Promise.all(texts.map((text) => room.send(text)));
  expect(acks.map(({ seq }) => seq)).toEqual(texts.map((_, n) => n + 1));
  await waitUntil("all messages are received", () => room.messages.length === texts.length);
  expect(room.messages.map(({ text }) => text)).toEqual(texts);
  chat.close();
});

test("the HTTP API answers as the types of its client say", async () => {
  const { id, api } = await createRoom();
  expect(await api.me()).toEqual({ id: `user|${alice}`, email: alice, name: null, admin: false });
  const room = open(id, alice);
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
  expect(await closed).toEqual({ type: "closed", reason: "room_deleted" });
  expect(await outcome(api.room(id))).toMatchObject({ code: "room_not_found" });
  room[Symbol.dispose]();
});

test("the WebSocket class of another library can be used", async () => {
  const id = await server.createRoom([alice]);
  const chat = connect(alice, { WebSocket });
  const room = chat.open(id);
  expect(await room.send("over ws")).toEqual({ seq: 1, rev: 1 });
  await waitUntil("the message is received", () => room.messages.length === 1);
  expect(room.messages).toMatchObject([{ text: "over ws" }]);
  chat.close();
});

test("`ready` rejects with the reason if there is no such room", async () => {
  const room = open("none", alice);
  expect(await outcome(room.ready)).toMatchObject({ code: "room_not_found" });
  room[Symbol.dispose]();
});

test("one connection has all rooms: their unread messages, last messages, names, and the rooms to come", async () => {
  const { id, api } = await createRoom();
  await using chats = new AsyncDisposableStack();
  const [alices, bobs, bobsPhone] = [connect(alice), connect(bob), connect(bob)];
  for (const chat of [alices, bobs, bobsPhone]) chats.defer(() => chat.close());
  await Promise.all([alices.ready, bobs.ready, bobsPhone.ready]);
  await waitUntil("the list is complete", () => bobs.complete && bobsPhone.complete);
  const room = alices.open(id);
  for (const text of ["one", "two", "three"]) await room.send(text);
  await room.remove(3);
  const seen = () => [bobs, bobsPhone].map((chat) => chat.room(id));
  await waitUntil("both of Bob's devices count two", () => seen().every((each) => each?.unread === 2));
  await waitUntil("and have the last message", () =>
    seen().every((each) => each?.last_message?.text === "two"),
  );
  expect(bobs.rooms[0]?.id).toBe(id);
  const bobsRoom = bobs.open(id);
  await bobsRoom.ready;
  await bobsRoom.read();
  await waitUntil("the other device knows that they are read", () => bobsPhone.room(id)?.unread === 0);
  expect(bobsPhone.room(id)?.read).toBe(3);
  await api.changeRoom(id, { name: "Hall" });
  await waitUntil("both have the new name", () => seen().every((each) => each?.name === "Hall"));
  const { id: other } = await api.createRoom({ name: "Other" });
  await api.setMember(other, bob);
  await waitUntil("both have the new room", () => [bobs, bobsPhone].every((chat) => chat.room(other)));
  await api.removeMember(id, bob);
  await waitUntil("both have lost the first room", () => seen().every((each) => each === undefined));
  expect(bobsRoom.status).toBe("closed");
  expect(bobs.status).toBe("open");
});

test("read marks of others, members and typing users are live", async () => {
  const { id } = await createRoom();
  using alices = open(id, alice);
  using bobs = open(id, bob);
  await Promise.all([alices.ready, bobs.ready]);
  const { seq } = await alices.send("seen?");
  await waitUntil("Bob has it", () => bobs.messages.length === 1);
  await bobs.read();
  await waitUntil("Alice sees that", () => alices.seenBy(seq).length === 1);
  expect(alices.seenBy(seq)).toMatchObject([{ email: bob }]);
  bobs.typing();
  await waitUntil("Alice sees Bob typing", () => alices.typingUsers.length === 1);
  await bobs.send("here");
  await waitUntil("Bob has stopped typing", () => alices.typingUsers.length === 0);
  const members = await alices.loadMembers();
  expect(new Set(members.map(({ email }) => email))).toEqual(new Set([alice, bob]));
});

test("a hundred rooms are open at once, and the next one is refused", async () => {
  const ids = await Promise.all(Array.from({ length: 101 }, () => server.createRoom([alice])));
  const chat = connect(alice);
  const rooms = ids.map((id) => chat.open(id));
  await Promise.all(rooms.slice(0, 100).map(({ ready }) => ready));
  expect(await outcome(rooms[100]?.ready ?? Promise.resolve())).toMatchObject({ code: "forbidden" });
  expect(chat.status).toBe("open");
  chat.close();
}, 60_000);

test("what was not sent when the page was closed is sent by the next one", async () => {
  const id = await server.createRoom([alice]);
  const storage = new MemoryStorage();
  const offline = connect(alice, { storage, url: "http://127.0.0.1:9" });
  const first = offline.open(id).send("typed offline", { clientId: "mine" });
  await waitUntil("it is stored, with its user", () =>
    storage.entries.some(([, value]) => value.includes("user|")),
  );
  offline.close();
  expect(await outcome(first)).toMatchObject({ code: "closed" });
  // The same server at another address.
  const [[key, value] = ["", ""]] = storage.entries;
  storage.setItem(key.replace("http://127.0.0.1:9", server.url), value);
  const chat = connect(alice, { storage });
  const room = chat.open(id);
  await waitUntil("it is among the messages", () => room.messages.length === 1);
  expect(room.messages).toMatchObject([{ text: "typed offline", client_id: "mine" }]);
  chat.close();
});
