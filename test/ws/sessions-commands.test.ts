import { describe, expect, test } from "bun:test";

import { createUser, newEmail } from "../support/api-users.ts";
import { encodeFrame } from "../support/raw.ts";
import { range } from "../support/samples.ts";
import { unlimited, useServer } from "../support/server.ts";
import { openRawSession } from "../support/session-rooms.ts";

// Commands in a session: acks, errors and their order, and sessions beside other connections.

const server = useServer({ env: unlimited });

async function twoMembers() {
  const [me, other] = [newEmail(), newEmail()];
  const room = await server.createRoom([me, other]);
  return { me, other, room, session: await server.connectSession(me) };
}

const changeTexts = (client: { texts: readonly string[] }) =>
  client.texts.filter((text) => text.startsWith('{"type":"change"'));

describe("the answer", () => {
  test("to a command about a room names the room, the id and where it was stored", async () => {
    const { room, session } = await twoMembers();
    for (const [command, seq, rev] of [
      [{ type: "send", room, text: "one" }, 1, 1],
      [{ type: "edit", room, seq: 1, text: "One" }, 1, 2],
      [{ type: "react", room, seq: 1, emoji: "👍", on: true }, 1, 3],
      [{ type: "read", room, seq: 1 }, 1, 3],
      [{ type: "delete", room, seq: 1 }, 1, 4],
    ] as const) {
      const id = session.issue(command);
      expect((await session.answer(id)) as unknown).toStrictEqual({ type: "ack", room, id, seq, rev });
    }
  });

  test("to ping has no room in a session, and the room on its URL", async () => {
    const { me, room, session } = await twoMembers();
    const id = session.issue({ type: "ping" });
    expect((await session.answer(id)) as unknown).toStrictEqual({ type: "ack", id });
    const url = await server.connectV2(room, me);
    await url.say("hello");
    expect((await url.command({ type: "ping", id: "p" })) as unknown).toStrictEqual({
      type: "ack",
      room,
      id: "p",
      seq: 1,
      rev: 1,
    });
  });

  test("to a refused command names its room and id, if they are valid", async () => {
    const { room, session } = await twoMembers();
    const errors = [];
    const raw = await openRawSession(server, session.hello.me.email ?? "");
    await raw.next();
    for (const frame of [
      { type: "send", id: "a", room, text: "" },
      { type: "send", id: "c", text: "x" },
      { type: "send", id: "d", room: "not a room", text: "x" },
      { type: "nonsense", id: "e", room },
      { type: "send", room, text: "x" },
      { type: "close", id: "f" },
      "not JSON",
    ]) {
      raw.write(encodeFrame(typeof frame === "string" ? frame : JSON.stringify(frame)));
      const { message: _, ...error } = (await raw.next()) as Record<string, unknown>;
      errors.push(error);
    }
    const invalid = { type: "error", code: "invalid_command" };
    expect(errors).toEqual([
      { ...invalid, code: "invalid_message", room, id: "a" },
      { ...invalid, id: "c" },
      { ...invalid, id: "d" },
      { ...invalid, room, id: "e" },
      { ...invalid, room },
      { ...invalid, id: "f" },
      invalid,
    ]);
    raw.destroy();
  });

  test("says that a message is not there or may not be changed", async () => {
    const { other, room, session } = await twoMembers();
    const writer = await server.connectSession(other);
    await writer.say(room, "mine");
    for (const [command, code] of [
      [{ type: "edit", room, seq: 1, text: "yours" }, "forbidden"],
      [{ type: "delete", room, seq: 1 }, "forbidden"],
      [{ type: "edit", room, seq: 2, text: "x" }, "message_not_found"],
      [{ type: "send", room, text: "x", reply_to: 9 }, "message_not_found"],
    ] as const)
      expect(await session.error(command)).toMatchObject({ room, code });
  });
});

test("on a room's URL a command may name that room, and no other", async () => {
  const { me, room } = await twoMembers();
  const url = await server.connectV2(room, me);
  expect(await url.ack({ type: "send", room, text: "here" })).toMatchObject({ room });
  const elsewhere = await server.createRoom([me]);
  expect(await url.error({ type: "send", room: elsewhere, text: "there" })).toMatchObject({
    code: "invalid_command",
    room: elsewhere,
  });
  for (const type of ["open", "close"] as const)
    expect(await url.error({ type, id: type, room })).toMatchObject({ code: "invalid_command" });
});

test("commands to rooms that are not open are stored in the order in which they were sent", async () => {
  const { me, room, session } = await twoMembers();
  const other = await server.createRoom([me]);
  await session.until(() => session.model.rooms.has(other));
  const rooms = range(1, 40).map((n) => (n % 3 === 0 ? other : room));
  await Promise.all(rooms.map((each, n) => session.say(each, String(n))));
  for (const each of [room, other]) {
    const { messages } = await session.open(each);
    const numbers = messages.map(({ text }) => Number(text));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  }
});

test("an administrator's commands to a room that they are not in keep their order, too", async () => {
  const { room, session } = await twoMembers();
  const admin = await createUser(server, { scope: "chat:admin" });
  const theirs = await server.connectSession(admin.email, { token: admin.token });
  const acks = await Promise.all(range(1, 20).map((n) => theirs.say(room, `text ${n}`)));
  expect(acks.map(({ seq }) => seq)).toEqual(range(1, 20));
  await session.until(() => session.room(room).unread === 20);
});

test("a client_id that was used before is answered as before, on any connection", async () => {
  const { me, room, session } = await twoMembers();
  const first = await session.ack({ type: "send", room, text: "once", client_id: "c1" });
  const url = await server.connectV2(room, me);
  expect(await url.ack({ type: "send", text: "once", client_id: "c1" })).toMatchObject({ seq: first.seq });
  expect(await session.error({ type: "send", room, text: "other", client_id: "c1" })).toMatchObject({
    code: "conflict",
    seq: 1,
  });
});

test("typing in one room does not keep a user from typing in another", async () => {
  const [me, other] = [newEmail(), newEmail()];
  const rooms = [await server.createRoom([me, other]), await server.createRoom([me, other])];
  const [session, watcher] = [await server.connectSession(me), await server.connectSession(other)];
  for (const room of rooms) await watcher.command({ type: "open", room });
  for (const room of rooms) session.send({ type: "typing", room });
  const told = [await watcher.next("typing"), await watcher.next("typing")];
  expect(told.map(({ room }) => room)).toEqual(rooms);
});

test("typing is told in open rooms only, and the room of who types need not be open", async () => {
  const { other, room, session } = await twoMembers();
  const [open, closed] = [await server.connectSession(other), await server.connectSession(other)];
  await open.open(room);
  session.send({ type: "typing", room });
  expect((await open.next("typing")) as unknown).toStrictEqual({
    type: "typing",
    room,
    user: session.hello.me,
  });
  await closed.ping();
  expect(closed.unread("typing")).toEqual([]);
});

test("a session, a room's URL and an old client stand side by side in one room", async () => {
  const { me, other, room, session } = await twoMembers();
  await session.open(room);
  const [url, classic] = [await server.connectV2(room, other), await server.connectClassic(room, other)];
  const quiet = await server.connectSession(other);
  await session.say(room, "from a session");
  await url.say("from a room's URL");
  classic.post("from an old client");
  const texts = ["from a session", "from a room's URL", "from an old client"];
  for (const client of [session, url, classic]) {
    const seen = [await client.nextText(), await client.nextText(), await client.nextText()];
    expect(seen.toSorted()).toEqual(texts.toSorted());
  }
  await quiet.until(() => quiet.room(room).seq === 3);
  expect(quiet.room(room).unread).toBe(0);
  await session.until(() => session.room(room).unread === 2);
  // A change is encoded once for everybody.
  expect(changeTexts(session)).toEqual(changeTexts(url));
  expect(url.hello.me.email).toBe(other);
  expect(session.hello.me.email).toBe(me);
});
