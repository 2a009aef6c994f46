import { expect, mock, test } from "bun:test";

import type { Budget } from "../../src/chat/budgets.ts";
import type { BusEvent } from "../../src/chat/bus.ts";
import { Chat } from "../../src/chat/chat.ts";
import { asChatError } from "../../src/chat/errors.ts";
import type { Actor } from "../../src/chat/model.ts";
import { createChat, noLimits } from "../support/chat-harness.ts";
import { actor, range, send, settle } from "../support/samples.ts";
import { openSqliteStore } from "../support/sqlite-store.ts";

const [bob, admin] = [actor(2), actor(3, true)];
const nothing = () => undefined;

test("typing is announced at most once in three seconds for each user", async () => {
  const { store, chat, room, alice, clock, notices } = createChat();
  store.roles.set(bob.key, "member");
  const type = async (user: Actor) => {
    const typing = chat.typing(user, room);
    await store.answerAll();
    await typing;
    return notices.splice(0);
  };
  expect(await type(alice)).toEqual([{ type: "typing", user: alice }]);
  clock.now += 2900;
  expect(await type(alice)).toEqual([]);
  expect(await type(bob)).toEqual([{ type: "typing", user: bob }]);
  clock.now += 200;
  expect(await type(alice)).toEqual([{ type: "typing", user: alice }]);
});

test("typing in a room that is lost is refused with the reason, and not announced", async () => {
  const { store, chat, room, alice, clock, notices } = createChat();
  const codeOf = async (user: Actor) => {
    const typing = chat.typing(user, room).then(
      () => "announced",
      (error: unknown) => asChatError(error).code,
    );
    await store.answerAll();
    return typing;
  };
  expect(await codeOf(admin)).toBe("announced");
  store.roles.clear();
  expect(await codeOf(alice)).toBe("removed");
  clock.now += 5000;
  store.exists = false;
  expect(await codeOf(alice)).toBe("room_deleted");
  expect(notices).toEqual([{ type: "typing", user: admin }]);
});

/** How many commands are accepted before one is refused, and when the next one would be accepted. */
function spend(chat: Chat, user: Actor, budget: Budget): { count: number; retryAfterMs: number | undefined } {
  for (let count = 0; count < 100_000; count++) {
    try {
      chat.budgets.charge(user, budget);
    } catch (error) {
      const { code, retryAfterMs } = asChatError(error);
      expect(code).toBe("rate_limited");
      return { count, retryAfterMs };
    }
  }
  return { count: Infinity, retryAfterMs: undefined };
}

test("a user has a budget of changes, and one of ten times as many reads", () => {
  const { chat, alice, clock } = createChat({ limits: { messageRate: 2, messageBurst: 5 } });
  expect(spend(chat, alice, "changes")).toEqual({ count: 5, retryAfterMs: 500 });
  expect(spend(chat, alice, "reads")).toEqual({ count: 50, retryAfterMs: 50 });
  expect(spend(chat, bob, "changes").count).toBe(5);
  clock.now += 1000;
  expect([spend(chat, alice, "changes").count, spend(chat, alice, "reads").count]).toEqual([2, 20]);
});

test("an administrator, and anybody where there is no limit, is never refused", () => {
  const { chat } = createChat({ limits: { messageRate: 2, messageBurst: 5 } });
  expect(spend(chat, admin, "changes").count).toBe(Infinity);
  const { chat: unlimited, alice } = createChat();
  for (const budget of ["changes", "reads"] as const)
    expect(spend(unlimited, alice, budget).count).toBe(Infinity);
});

test("a room's read marks are broadcast with up to 100 users online, and not with more", async () => {
  const { store, chat, room, connect } = createChat();
  const crowd = range(2, 101).map((key) => actor(key));
  for (const { key } of crowd) store.roles.set(key, "member");
  const connections = crowd.map((user) => connect({ user }));
  await store.answerAll();
  expect(chat.announcesReads(room)).toBe(true);
  connect();
  await store.answerAll();
  expect(chat.announcesReads(room)).toBe(false);
  connections[0]?.close();
  expect(chat.announcesReads(room)).toBe(true);
});

test("a read mark that moves is published with its user's unread messages, and one that stays is not", async () => {
  const { chat, bus, room, alice } = createChat({ messages: 9 });
  const marks: BusEvent[] = [];
  bus.subscribe((event) => void (event.kind === "read" && marks.push(event)));
  for (const seq of [4, 3]) await chat.execute(alice, room, { type: "read", seq });
  const mark = { seq: 4, unread: 5, mentions: 0, head: { seq: 9, rev: 9 } };
  expect(marks).toEqual([{ kind: "read", room, user: alice, mark, sent: false }]);
});

test("a read mark that moves by sending is not published for a user without a session", async () => {
  const { chat, bus, room, alice } = createChat();
  const kinds: string[] = [];
  bus.subscribe(({ kind }) => void kinds.push(kind));
  await chat.execute(alice, room, send("hello"));
  expect(kinds).toEqual(["changes"]);
});

test("a user is shown as their newest connection has them", async () => {
  const { store, chat, room, alice, connect } = createChat();
  connect();
  connect({ user: { ...alice, name: "Alice" } });
  await store.answerAll();
  expect(chat.listOnline(room, alice.key)).toMatchObject([{ key: alice.key, name: "Alice" }]);
  chat.updateUser({ ...alice, name: "Alison" }, [room]);
  expect(chat.listOnline(room, alice.key)).toMatchObject([{ name: "Alison" }]);
});

test("a history that was read for one connection is not kept when another process has written", async () => {
  const { store, bus, connect } = createChat({ messages: 1 });
  const reads = async () => {
    connect();
    const names: string[] = [];
    for (await settle(); store.waiting.length > 0; await settle()) {
      names.push(...store.waiting);
      store.answer();
    }
    return names;
  };
  expect(await reads()).toContain("history");
  expect(await reads()).not.toContain("history");
  bus.publish({ kind: "invalidate" });
  await store.answerAll();
  expect(await reads()).toContain("history");
});

/** A chat on a real store, with a user and the room "lobby" of theirs. */
async function openStoredChat() {
  const opened = openSqliteStore();
  const failures: unknown[] = [];
  const note = (error: unknown) => void failures.push(error);
  const chat = new Chat({
    store: opened.store,
    bus: { publish: nothing, subscribe: nothing, close: nothing },
    limits: noLimits,
    broadcaster: {
      publish: nothing,
      publishMissed: nothing,
      followers: () => 0,
      publishActivity: nothing,
    },
    observer: { historyFailed: note, commitFailed: note, syncFailed: note, recheckFailed: note },
    now: () => 0,
    monotonic: () => 0,
  });
  const profile = { sub: "alice", admin: false };
  const alice = await chat.signIn(profile);
  const room = await chat.rooms.create(alice, "lobby", "Lobby");
  const { client } = opened;
  return {
    chat,
    client,
    failures,
    profile,
    alice,
    room,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

test("a user who was admitted to a room that was deleted and created again does not get into the new one", async () => {
  await using at = await openStoredChat();
  const { chat, alice } = at;
  const admitted = await chat.rooms.enter(alice, "lobby");
  await chat.rooms.delete(alice, "lobby");
  const { key } = await chat.rooms.create(alice, "lobby", "Lobby");
  const participant = { user: alice, expel: nothing };
  const joined = chat.join(participant, admitted, { historyOptional: true });
  expect(await joined.catch((error: unknown) => asChatError(error).code)).toBe("room_deleted");
  expect([chat.participants(admitted.room.key), chat.participants(key)]).toEqual([[], []]);
});

test("the chat is healthy while its last write succeeded", async () => {
  await using at = await openStoredChat();
  const { chat, client, failures, profile, alice, room } = at;
  const writes: (() => Promise<unknown>)[] = [
    () => chat.execute(alice, room.key, send("hello")),
    () => chat.rooms.change(alice, "lobby", { name: "Hall" }),
    () => chat.signIn({ sub: "bob", admin: false }),
  ];
  for (const write of writes) {
    expect(chat.healthy).toBe(true);
    client.run("PRAGMA query_only = ON");
    expect(await write().catch((error: unknown) => asChatError(error).code)).toBe("storage_unavailable");
    expect(chat.healthy).toBe(false);
    await chat.probe();
    expect(chat.healthy).toBe(false);
    client.run("PRAGMA query_only = OFF");
    await chat.probe();
  }
  expect(failures).toHaveLength(1);
  client.run("PRAGMA query_only = ON");
  await chat.execute(alice, room.key, send("hello")).catch(() => undefined);
  // A token that was seen before needs no database.
  expect(await chat.signIn(profile)).toBe(alice);
  client.run("PRAGMA query_only = OFF");
  await chat.execute(alice, room.key, send("hello"));
  expect(chat.healthy).toBe(true);
});

test.each(["send", "edit"] as const)("the text of a %s is checked before it is stored", async (type) => {
  const { store, chat, room, alice } = createChat({ messages: 1, limits: { textBytes: 8 } });
  const codeOf = async (text: string) => {
    try {
      await chat.execute(alice, room, type === "send" ? send(text) : { type, seq: 1, text });
      return "stored";
    } catch (error) {
      return asChatError(error).code;
    }
  };
  expect(await codeOf("\u2800")).toBe("invalid_message");
  expect(await codeOf("123456789")).toBe("message_too_long");
  expect(store.rev).toBe(1);
  expect(await codeOf("12345678")).toBe("stored");
});

test("a change is published in order to the connections of the room, and acknowledged", async () => {
  const { store, chat, room, alice, connect } = createChat();
  const connection = connect();
  await store.answerAll();
  const acks = await Promise.all([
    chat.execute(alice, room, send("one")),
    chat.execute(alice, room, { type: "edit", seq: 1, text: "uno" }),
  ]);
  await settle();
  expect(acks).toEqual([
    { seq: 1, rev: 1 },
    { seq: 1, rev: 2 },
  ]);
  expect(connection.live.map(({ text }) => text)).toEqual(["one", "uno"]);
});

test("a new name that could not be stored at one sign-in is stored at the next one with the same token", async () => {
  const { store, chat } = createChat();
  const identity = { sub: "u", name: "New", admin: false };
  const names = ["Old", "New"];
  const signIn = mock(async () => ({ key: 1, id: "u", email: null, name: names.shift() ?? null }));
  Object.assign(store, { signIn });
  expect(await chat.signIn(identity)).toMatchObject({ name: "Old" });
  expect(await chat.signIn(identity)).toMatchObject({ name: "New" });
  // From now on the user is known by the token.
  expect(await chat.signIn(identity)).toMatchObject({ name: "New" });
  expect(signIn).toHaveBeenCalledTimes(2);
});
