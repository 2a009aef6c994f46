import { expect, test } from "bun:test";

import { createUser, newEmail } from "../support/api-users.ts";
import { unlimited, useServer } from "../support/server.ts";
import type { SessionClient } from "../support/session-client.ts";

// Who is online: a user with a session in all of their rooms, once, whatever mix of connections they have.

const server = useServer({ env: unlimited });

/** Two rooms with two members; one of them watches both, in a session. */
async function watched() {
  const [me, other] = [newEmail(), newEmail()];
  const rooms = [await server.createRoom([me, other]), await server.createRoom([me, other])] as const;
  const watcher = await server.connectSession(other);
  for (const room of rooms) await watcher.open(room);
  return { me, other, rooms, watcher };
}

/** Longer than arrivals and departures are gathered. */
const flushed = () => Bun.sleep(250);

const notices = (watcher: SessionClient, email: string) =>
  watcher
    .unread("presence")
    .flatMap((frame) => (frame.type === "presence" && frame.user.email === email ? [frame] : []))
    .map(({ room, online }) => `${room} ${online ? "online" : "offline"}`)
    .toSorted();

test("a session is online in all of its rooms, open or not, until it ends", async () => {
  const { me, rooms, watcher } = await watched();
  const session = await server.connectSession(me);
  await watcher.until(() => rooms.every((room) => watcher.opened(room).online.has(me)));
  await session.close();
  await watcher.until(() => rooms.every((room) => !watcher.opened(room).online.has(me)));
  expect(notices(watcher, me)).toEqual(
    rooms.flatMap((room) => [`${room} offline`, `${room} online`]).toSorted(),
  );
});

test("it appears in opened, and in the hello of a room's URL", async () => {
  const { me, other, rooms } = await watched();
  const session = await server.connectSession(me);
  const [room] = rooms;
  const { hello } = await server.connectV2(room, other);
  expect(new Set(hello.online.map(({ email }) => email))).toEqual(new Set([me, other]));
  const third = newEmail();
  const empty = await server.createRoom([me, third]);
  await session.until(() => session.model.rooms.has(empty));
  // Nobody has followed this room so far.
  const late = await server.connectSession(third);
  const { online } = await late.open(empty);
  expect(new Set(online.map(({ email }) => email))).toEqual(new Set([me, third]));
});

test("any mix of sessions and room connections is announced once, and leaves with the last of them", async () => {
  const { me, rooms, watcher } = await watched();
  const [room, other] = rooms;
  const url = await server.connectV2(room, me);
  await watcher.until(() => watcher.opened(room).online.has(me));
  const [first, second] = [await server.connectSession(me), await server.connectSession(me)];
  await first.open(room);
  const classic = await server.connectClassic(room, me);
  await flushed();
  expect(notices(watcher, me)).toEqual([`${room} online`, `${other} online`].toSorted());
  await first.close();
  await url.close();
  await second.close();
  await flushed();
  await watcher.ping();
  expect(notices(watcher, me)).toEqual([`${room} online`, `${other} online`, `${other} offline`].toSorted());
  await classic.close();
  await watcher.until(() => !watcher.opened(room).online.has(me));
});

test("opening, closing, reopening and resuming do not flicker", async () => {
  const { me, rooms, watcher } = await watched();
  const [room] = rooms;
  const session = await server.connectSession(me);
  await watcher.until(() => watcher.opened(room).online.has(me));
  for (let times = 0; times < 3; times++) {
    await session.open(room);
    await session.resume(room);
    await session.leave(room);
    await flushed();
  }
  await watcher.ping();
  expect(notices(watcher, me)).toHaveLength(2);
});

test("an administrator who is no member is online while they have the room open, and does not flicker", async () => {
  const { rooms, watcher } = await watched();
  const [room] = rooms;
  const admin = await createUser(server, { scope: "chat:admin" });
  const session = await server.connectSession(admin.email, { token: admin.token });
  await session.open(room);
  await watcher.until(() => watcher.opened(room).online.has(admin.email));
  await session.open(room);
  await flushed();
  await session.leave(room);
  await watcher.until(() => !watcher.opened(room).online.has(admin.email));
  expect(notices(watcher, admin.email)).toEqual([`${room} offline`, `${room} online`]);
});

test("a reconnect is not announced", async () => {
  const { me, rooms, watcher } = await watched();
  const session = await server.connectSession(me);
  await watcher.until(() => rooms.every((room) => watcher.opened(room).online.has(me)));
  session.socket.terminate();
  await server.connectSession(me);
  await flushed();
  await watcher.ping();
  expect(notices(watcher, me)).toHaveLength(2);
});

test("a user is online in a room that they are added to, and no longer in one that they are removed from", async () => {
  const { other, rooms, watcher } = await watched();
  const [room] = rooms;
  const [added, admin] = [await createUser(server), await createUser(server, { scope: "chat:admin" })];
  await server.connectSession(added.email, { token: added.token });
  const path = `/api/rooms/${room}/members/${added.email}`;
  await admin.call(`PUT ${path}`, { body: {} });
  await watcher.until(() => watcher.opened(room).online.has(added.email));
  await admin.call(`DELETE ${path}`);
  await watcher.until(() => !watcher.opened(room).online.has(added.email));
  const { hello } = await server.connectV2(room, other);
  expect(hello.online.map(({ email }) => email)).toEqual([other]);
});

test("a new name is shown in all of the user's rooms", async () => {
  const { me, rooms, watcher } = await watched();
  const [room] = rooms;
  const session = await server.connectSession(me);
  await watcher.until(() => watcher.opened(room).online.has(me));
  await session.ack({ type: "auth", token: await server.token(me, { claims: { name: "Another" } }) });
  const { online } = await watcher.open(room);
  expect(online).toContainEqual(expect.objectContaining({ email: me, name: "Another" }));
});
