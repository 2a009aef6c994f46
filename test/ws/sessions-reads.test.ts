import { describe, expect, test } from "bun:test";

import { createUser, newEmail } from "../support/api-users.ts";
import { range } from "../support/samples.ts";
import { unlimited, useServer } from "../support/server.ts";
import type { SessionClient } from "../support/session-client.ts";

// Read marks and counts of unread messages, on all devices of a user.

const server = useServer({ env: unlimited });

/** A room with five messages, and two sessions of a member who has read none. */
async function twoDevices() {
  const [me, other] = [await createUser(server), newEmail()];
  const room = await server.createRoom([me.email, other]);
  const writer = await server.connectSession(other);
  for (const n of range(1, 5)) await writer.say(room, `text ${n}`);
  const [phone, laptop] = [await server.connectSession(me.email), await server.connectSession(me.email)];
  return { me, other, room, writer, phone, laptop };
}

/** The marks of a user that a session was told of. */
const marksOf = (session: SessionClient, email: string) =>
  session
    .unread("read")
    .flatMap((frame) => (frame.type === "read" && frame.user.email === email ? [frame.seq] : []));

test("a mark that moves on one device is told to all of them, with the counts", async () => {
  const { me, room, phone, laptop } = await twoDevices();
  expect(laptop.room(room)).toMatchObject({ read: 0, unread: 5 });
  await phone.ack({ type: "read", room, seq: 3 });
  for (const device of [phone, laptop]) {
    expect((await device.next("read")) as unknown).toStrictEqual({
      type: "read",
      room,
      user: { id: `user|${me.email}`, email: me.email, name: null },
      seq: 3,
      unread: 2,
      mentions: 0,
      room_seq: 5,
      room_rev: 5,
    });
    expect(device.room(room)).toMatchObject({ read: 3, unread: 2 });
  }
});

test.each(["the phone", "both", "neither"])(
  "it is told once to each device, if %s has the room open",
  async (who) => {
    const { room, phone, laptop } = await twoDevices();
    if (who !== "neither") await phone.open(room);
    if (who === "both") await laptop.open(room);
    await laptop.ack({ type: "read", room, seq: 2 });
    await Promise.all([phone, laptop].map((device) => device.until(() => device.room(room).unread === 3)));
    for (const device of [phone, laptop]) {
      await device.ping();
      expect(device.unread("read")).toHaveLength(1);
    }
  },
);

test("it is told however it was moved: over HTTP, on a room's URL, in a session", async () => {
  const { me, room, phone, laptop } = await twoDevices();
  const classic = await server.connectV2(room, me.email);
  await me.call(`PUT /api/rooms/${room}/read`, { body: { seq: 1 } });
  await phone.until(() => phone.room(room).read === 1);
  await classic.ack({ type: "read", seq: 2 });
  await phone.until(() => phone.room(room).read === 2);
  await laptop.ack({ type: "read", room, seq: 4 });
  await phone.until(() => phone.room(room).unread === 1);
  const seqs = [];
  for (let n = 0; n < 3; n++) seqs.push((await classic.next("read")).seq);
  expect(seqs).toEqual([1, 2, 4]);
});

test("a mark goes forward only, to the newest message at most, and one that stays is not told", async () => {
  const { room, phone, laptop } = await twoDevices();
  expect(await phone.ack({ type: "read", room, seq: 99 })).toMatchObject({ seq: 5 });
  expect(await phone.ack({ type: "read", room, seq: 2 })).toMatchObject({ seq: 5 });
  await laptop.until(() => laptop.room(room).unread === 0);
  await laptop.ping();
  expect(laptop.unread("read")).toHaveLength(1);
});

test("sending moves the mark: the other devices are told, and nothing is unread", async () => {
  const { me, room, phone, laptop, writer } = await twoDevices();
  await phone.say(room, "my own");
  for (const device of [phone, laptop]) {
    await device.until(() => device.room(room).seq === 6);
    expect(device.room(room)).toMatchObject({ read: 6, unread: 0 });
  }
  // The others learn it from the message.
  await writer.open(room);
  await phone.say(room, "another");
  await writer.reach(room, 7);
  await writer.ping();
  expect(marksOf(writer, me.email)).toEqual([]);
  expect(writer.opened(room).reads.get(phone.hello.me.email)).toBe(7);
});

test("sending from a room's URL or in the dialect classic moves it as well", async () => {
  const { me, room, phone } = await twoDevices();
  const v2 = await server.connectV2(room, me.email);
  await v2.say("from a room's URL");
  await phone.until(() => phone.room(room).seq === 6);
  expect(phone.room(room)).toMatchObject({ read: 6, unread: 0 });
  const classic = await server.connectClassic(room, me.email);
  classic.post("from an old client");
  await phone.until(() => phone.room(room).seq === 7);
  expect(phone.room(room)).toMatchObject({ read: 7, unread: 0 });
});

test("deleted messages are not unread, wherever the mark is", async () => {
  const { me, room, writer, phone, laptop } = await twoDevices();
  await laptop.open(room);
  for (const seq of [2, 4]) await writer.ack({ type: "delete", room, seq });
  for (const device of [phone, laptop]) await device.until(() => device.room(room).unread === 3);
  await phone.ack({ type: "read", room, seq: 3 });
  for (const device of [phone, laptop]) await device.until(() => device.room(room).unread === 1);
  // What is deleted before the mark changes nothing.
  await writer.ack({ type: "delete", room, seq: 1 });
  await writer.ack({ type: "delete", room, seq: 5 });
  for (const device of [phone, laptop]) {
    await device.until(() => device.room(room).rev === 9);
    expect(device.room(room)).toMatchObject({ unread: 0, last_message: { seq: 3 } });
  }
  const { body } = await me.call("GET /api/rooms");
  expect(body["rooms"]).toMatchObject([{ unread: 0, read: 3, seq: 5 }]);
});

test("a mark that moves among messages and deletions of the same moment counts exactly", async () => {
  const { me, room, writer, phone, laptop } = await twoDevices();
  await laptop.open(room);
  await Promise.all(
    range(6, 60).flatMap((seq) => [
      writer.say(room, `text ${seq}`),
      phone.ack({ type: "read", room, seq: seq - 3 }),
      writer.command({ type: "delete", room, seq: seq - (seq % 4) }),
    ]),
  );
  const { body } = await me.call("GET /api/rooms");
  const [stored] = body["rooms"] as { unread: number; rev: number; read: number }[];
  for (const device of [phone, laptop]) {
    await device.until(() => device.room(room).rev === stored?.rev);
    expect(device.room(room)).toMatchObject({ read: stored?.read, unread: stored?.unread });
  }
});

describe("the others", () => {
  test("see marks in rooms that they have open only", async () => {
    const { me, room, writer, phone } = await twoDevices();
    await phone.ack({ type: "read", room, seq: 1 });
    await writer.open(room);
    expect(writer.opened(room).reads.get(me.email)).toBe(1);
    await phone.ack({ type: "read", room, seq: 2 });
    await writer.until(() => writer.opened(room).reads.get(me.email) === 2);
    await writer.leave(room);
    await phone.ack({ type: "read", room, seq: 3 });
    await writer.ping();
    expect(marksOf(writer, me.email)).toEqual([2]);
  });

  test("see none in a room where more than 100 users are online, but the user's own devices do", async () => {
    const [me, watcher] = [newEmail(), newEmail()];
    const crowd = range(1, 100).map(() => newEmail());
    const room = await server.createRoom([me, watcher, ...crowd]);
    const writer = await server.connectSession(watcher);
    for (const n of range(1, 5)) await writer.say(room, `text ${n}`);
    // A connection keeps the room occupied; sessions count as online without opening it.
    const sessions = await Promise.all(crowd.map((email) => server.connectSession(email)));
    const [phone, laptop] = [await server.connectSession(me), await server.connectSession(me)];
    const url = await server.connectV2(room, me);
    expect((await writer.open(room)).reads.map(({ user }) => user.email)).toEqual([watcher]);
    await laptop.open(room);
    await phone.ack({ type: "read", room, seq: 2 });
    for (const device of [phone, laptop]) await device.until(() => device.room(room).unread === 3);
    expect(await url.next("read")).toMatchObject({ seq: 2, unread: 3 });
    await writer.ping();
    expect(marksOf(writer, me)).toEqual([]);
    for (const session of sessions) session.socket.terminate();
  }, 20_000);
});
