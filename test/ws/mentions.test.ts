import { expect, test } from "bun:test";

import { callApi } from "../support/api.ts";
import { unlimited, useServer } from "../support/server.ts";
import type { SessionClient } from "../support/session-client.ts";
import { waitUntil } from "../support/wait.ts";

// Mentions over sockets and HTTP, and the counts that every device keeps.

const server = useServer({ env: unlimited });

let users = 0;

/** A room with two members: one with two sessions, and one who writes over the room's URL. */
async function setUp() {
  const [ada, bob] = [1, 2].map(() => `mention-${++users}@example.com`) as [string, string];
  const room = await server.createRoom([ada, bob]);
  const [listening, open] = [await server.connectSession(ada), await server.connectSession(ada)];
  await open.open(room);
  const writer = await server.connectV2(room, bob);
  const devices = [listening, open];
  const counts = () => devices.map((device) => device.room(room).mentions);
  const level = (count: number) =>
    waitUntil(`both devices count ${count}`, async () => {
      await Promise.all(devices.map((device) => device.ping()));
      return counts().every((each) => each === count);
    });
  const stored = async () => {
    const { body } = await callApi(server, "GET /api/rooms", { token: await server.token(ada) });
    return (body["rooms"] as { mentions: number }[])[0]?.mentions;
  };
  return { ada, bob, room, listening, open, writer, level, stored };
}

const id = (email: string) => `user|${email}`;

test("mentions are counted on all devices: of new messages, edited and deleted ones, up to the mark", async () => {
  const { ada, room, listening, open, writer, level, stored } = await setUp();
  await writer.say(`hi @${ada}`);
  await writer.say("@room!");
  await writer.say("nobody");
  await level(2);
  await writer.ack({ type: "edit", seq: 3, text: `@${ada}` });
  await level(3);
  await writer.ack({ type: "edit", seq: 1, text: "nobody" });
  await writer.ack({ type: "delete", seq: 2 });
  await level(1);
  expect(await stored()).toBe(1);
  await writer.say("@room");
  await level(2);
  await listening.ack({ type: "read", room, seq: 3 });
  await level(1);
  await open.say(room, "I have seen it");
  await level(0);
  expect(await stored()).toBe(0);
});

test("messages, live changes and activity tell whom they mention, and whom they mentioned before", async () => {
  const { ada, bob, room, listening, open, writer } = await setUp();
  const mentions = { users: [id(ada), id(bob)] };
  await writer.say(`@${ada} @${bob}`);
  expect(await open.next("change")).toMatchObject({ kind: "created", message: { mentions } });
  expect(await listening.next("activity")).toMatchObject({
    last_message: { mentions },
    mentions: [{ seq: 1, rev: 1, now: mentions, before: null }],
  });
  await writer.ack({ type: "edit", seq: 1, text: "@room" });
  const room_mentions = { users: [], room: true };
  const edited = await open.next("change");
  expect(edited).toMatchObject({ message: { mentions: room_mentions }, mentions_before: mentions });
  await writer.ack({ type: "edit", seq: 1, text: "@room again" });
  expect(await open.next("change")).not.toContainKey("mentions_before");
  await writer.ack({ type: "delete", seq: 1 });
  const deleted = await open.next("change");
  expect(deleted).toMatchObject({ kind: "deleted", mentions_before: room_mentions });
  expect(deleted).not.toHaveProperty("message.mentions");
  // The edits and the deletion come together, or in two.
  const told: unknown[] = [];
  while (told.length < 2) {
    const frame = await listening.next("activity");
    told.push(...((frame as { mentions?: unknown[] }).mentions ?? []));
  }
  expect(told).toEqual([
    { seq: 1, rev: 2, now: room_mentions, before: mentions },
    { seq: 1, rev: 4, now: null, before: room_mentions },
  ]);
  const { body } = await callApi(server, `GET /api/rooms/${room}/messages/1`, {
    token: await server.token(ada),
  });
  expect(body).not.toContainKey("mentions");
});

test("a message over HTTP mentions members by name, and the classic protocol says nothing of it", async () => {
  const { ada, bob, room } = await setUp();
  const name = `Grace Hopper ${++users}`;
  const classic = await server.connectClassic(room, ada);
  const [named, sender] = [await server.token(ada, { claims: { name } }), await server.token(bob)];
  await callApi(server, "GET /api/me", { token: named });
  const text = `Ask @${name.toLowerCase()}, please`;
  const request = `POST /api/rooms/${room}/messages`;
  const { body } = await callApi(server, request, { token: sender, body: { text } });
  expect(body["mentions"]).toEqual({ users: [id(ada)] });
  expect(await classic.next()).toEqual({ message: text });
});

test("after more than 100 changes of mentions at once a client asks for the count, and gets it before the ack", async () => {
  const { room, listening, writer, level } = await setUp();
  await writer.say("first");
  await listening.next("activity");
  await Promise.all(Array.from({ length: 150 }, () => writer.say("@room")));
  const isTold = () => listening.room(room).rev === 151;
  while (!isTold()) await listening.next("activity");
  expect(listening.room(room).isUncertain).toBeTrue();
  await listening.ack({ type: "summary", room });
  expect(listening.room(room)).toMatchObject({ isUncertain: false, mentions: 150, unread: 151 });
  await level(150);
});

test("the summary is for members and for sessions", async () => {
  const { room, listening, writer } = await setUp();
  const other = await server.createRoom(["somebody-else@example.com"]);
  for (const each of [other, "no-such-room"])
    expect(await listening.error({ type: "summary", room: each })).toMatchObject({ code: "room_not_found" });
  expect(await writer.error({ type: "summary", room } as never)).toMatchObject({ code: "invalid_command" });
});

test("an invited user finds their mentions when they sign in", async () => {
  const { bob, room, writer } = await setUp();
  const invited = `mention-${++users}@example.com`;
  await server.asOperator((chat, operator) =>
    chat.rooms.setMember(operator, room, { email: invited }, "member"),
  );
  await writer.say(`welcome @${invited}, from @${bob}`);
  const session: SessionClient = await server.connectSession(invited);
  expect(session.room(room)).toMatchObject({ unread: 1, mentions: 1 });
  const { messages } = await session.open(room);
  expect(messages[0]?.mentions?.users.toSorted()).toEqual([id(bob), id(invited)].toSorted());
  await writer.ack({ type: "delete", seq: 1 });
  await session.until(() => session.room(room).mentions === 0);
});
