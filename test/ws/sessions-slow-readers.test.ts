import { describe, expect, test } from "bun:test";

import { createUser, newEmail } from "../support/api-users.ts";
import { fillRoom } from "../support/messages.ts";
import { encodeFrame } from "../support/raw.ts";
import { range } from "../support/samples.ts";
import { unlimited, useServer } from "../support/server.ts";
import { connectSession } from "../support/session-client.ts";
import { openRawSession, RawSession } from "../support/session-rooms.ts";
import { fillSendBuffer, isLinux, isPresence, LONG_TEXT } from "../support/slow-reader.ts";
import { waitUntil } from "../support/wait.ts";

// Sessions that do not keep up: notices and activity are withheld, then told by presence and fresh summaries. Changes never are.

const server = useServer({ env: { ...unlimited, PARLEY_MAX_TEXT: "0" } });

/** A paused session that has a room open, for which bytes wait in the server. `quiet` is another room of it. */
async function slowReader() {
  const [me, other] = [await createUser(server), newEmail()];
  const [room, quiet] = [
    await server.createRoom([me.email, other]),
    await server.createRoom([me.email, other]),
  ];
  const writer = await server.connectV2(room, other);
  const session = new RawSession(await openRawSession(server, me.email));
  await session.next();
  session.raw.write(command({ type: "open", id: "open", room }));
  await session.until(() => session.model.isOpen(room));
  session.raw.socket.pause();
  await fillSendBuffer(session.raw, writer, 192 * 1024);
  return { me, other, room, quiet, writer, session };
}

const command = (frame: object) => encodeFrame(JSON.stringify(frame));

describe.if(isLinux)("a slow reader", () => {
  test("gets every change, and then the latest state of the other rooms", async () => {
    const { me, other, room, quiet, writer, session } = await slowReader();
    const { model, raw } = session;
    const elsewhere = await server.connectSession(other);
    const device = await server.connectSession(me.email);
    // The first activity finds that the reader is slow.
    for (const n of range(1, 40)) {
      await elsewhere.say(quiet, `text ${n}`);
      await Bun.sleep(10);
    }
    await elsewhere.ack({ type: "delete", room: quiet, seq: 40 });
    await device.ack({ type: "read", room: quiet, seq: 30 });
    const { seq, rev } = await writer.say("the last before it goes on");
    const frames = session.frames.length;
    raw.socket.resume();
    await session.until(() => model.opened.get(room)?.cursor === rev && model.rooms.get(quiet)?.rev === 41);
    const { body } = await me.call("GET /api/rooms");
    const { lastRev, isUncertain, ...known } = model.rooms.get(quiet) ?? expect.unreachable();
    expect([typeof lastRev, isUncertain]).toEqual(["number", false]);
    expect(body["rooms"]).toContainEqual(known);
    const missed = session.frames.slice(frames);
    const revs = missed.flatMap((frame) => (frame.type === "change" ? [frame.message.rev] : []));
    expect(revs.at(-1)).toBe(rev);
    expect(missed.filter(({ type }) => type === "activity").length).toBeLessThanOrEqual(1);
    expect(model.opened.get(room)?.messages.size).toBe(seq);
    // From here on it is told of activity again.
    await elsewhere.say(quiet, "it keeps up");
    await session.until(() => model.rooms.get(quiet)?.seq === 41);
    expect(session.frames.at(-1)?.type).toBe("activity");
    raw.destroy();
  }, 30_000);

  test("is told who came and went, and of a new name", async () => {
    const { room, session, writer } = await slowReader();
    const { model, raw } = session;
    const [leaver, arriver] = [newEmail(), newEmail()];
    await server.asOperator(async (chat, operator) => {
      for (const email of [leaver, arriver]) await chat.rooms.setMember(operator, room, { email });
    });
    for (let times = 0; times < 3; times++) {
      const leaving = await server.connectSession(leaver);
      await writer.next(isPresence(leaver, true));
      await leaving.close();
      await writer.next(isPresence(leaver, false));
    }
    const arrived = await server.connectSession(arriver);
    await writer.next(isPresence(arriver, true));
    const admin = await createUser(server, { scope: "chat:admin" });
    await admin.call(`PATCH /api/rooms/${room}`, { body: { name: "Renamed" } });
    await writer.next("room");
    const last = await writer.say("the last before it goes on");
    raw.socket.resume();
    await session.until(() => model.opened.get(room)?.online.has(arriver) ?? false);
    expect(model.opened.get(room)?.online).not.toContain(leaver);
    await session.until(() => model.rooms.get(room)?.name === "Renamed");
    await arrived.ack({ type: "read", room, seq: last.seq });
    await session.until(() => model.opened.get(room)?.reads.get(arriver) === last.seq);
    raw.destroy();
  }, 30_000);

  test("is told what it has left and joined meanwhile", async () => {
    const { me, room, quiet, session } = await slowReader();
    const { model, raw } = session;
    const admin = await createUser(server, { scope: "chat:admin" });
    const joined = await server.createRoom([]);
    await admin.call(`PUT /api/rooms/${joined}/members/${me.email}`, { body: {} });
    for (const each of [room, quiet]) await admin.call(`DELETE /api/rooms/${each}/members/${me.email}`);
    raw.socket.resume();
    await session.until(() => !model.rooms.has(room) && !model.rooms.has(quiet) && model.rooms.has(joined));
    raw.destroy();
  }, 30_000);

  test("waits with opening rooms, but not with other commands", async () => {
    const { room, quiet, writer, session } = await slowReader();
    const { model, raw } = session;
    raw.write(
      command({ type: "open", id: "1", room: quiet }),
      command({ type: "send", id: "2", room, text: "at once" }),
    );
    await writer.next((frame) => frame.type === "change" && frame.message.text === "at once");
    raw.socket.resume();
    await session.until(() => model.isOpen(quiet));
    const ids = session.frames.flatMap((frame) =>
      frame.type === "ack" || frame.type === "opened" ? [frame.id] : [],
    );
    expect(ids).toEqual(["open", "2", "1"]);
    raw.destroy();
  }, 30_000);

  test("cannot let any number of opens and closes wait", async () => {
    const { quiet, session } = await slowReader();
    const { raw, frames } = session;
    const commands = range(1, 210).map((n) => {
      return { type: n % 2 === 1 ? "open" : "close", id: `waiting-${n}`, room: quiet };
    });
    raw.write(...commands.map(command));
    raw.socket.resume();
    const answers = () => frames.filter((frame) => "id" in frame && frame.id?.startsWith("waiting-"));
    await session.until(() => answers().length === commands.length);
    const refused = answers().filter(({ type }) => type === "error");
    expect(refused.map((frame) => "id" in frame && frame.id)).toEqual(
      range(201, 210).map((n) => `waiting-${n}`),
    );
    for (const error of refused) expect(error).toMatchObject({ code: "rate_limited", retry_after_ms: 1000 });
    raw.destroy();
  }, 30_000);
});

test("a session for which more than 1 MiB waits is cut, and misses nothing when it comes back", async () => {
  const [me, other] = [newEmail(), newEmail()];
  const room = await server.createRoom([me, other]);
  const [session, writer] = [await server.connectSession(me), await server.connectV2(room, other)];
  await session.open(room);
  session.socket.pause();
  let rev = 0;
  await waitUntil(
    "the session is cut",
    async () => {
      ({ rev } = await writer.say(LONG_TEXT));
      return writer.unread("presence").some(isPresence(me, false));
    },
    20_000,
  );
  session.socket.resume();
  expect(await session.closed).toMatchObject({ code: 1006 });
  const { cursor } = session.opened(room);
  expect(cursor).toBeLessThan(rev);
  const back = await connectSession(server.host, { token: await server.token(me) });
  back.model.opened.set(room, session.opened(room));
  back.model.close(room);
  await back.resume(room);
  await back.reach(room, rev);
  expect(back.opened(room).messages.size).toBe(rev);
}, 30_000);

test("many rooms with full histories are opened at the reader's pace", async () => {
  const [me, other] = [newEmail(), newEmail()];
  const rooms: string[] = [];
  for (let n = 0; n < 30; n++) rooms.push(await server.createRoom([me, other]));
  for (const room of rooms) fillRoom(server, room, 60, "x".repeat(15_000));
  const session = await server.connectSession(me);
  const opened = await Promise.all(rooms.map((room) => session.open(room)));
  for (const { messages, room } of opened) {
    // The oldest are left out beyond 512 KiB.
    expect(messages.length).toBeLessThan(40);
    expect(messages.at(-1)?.seq).toBe(60);
    expect(Buffer.byteLength(JSON.stringify(messages))).toBeGreaterThan(480_000);
    expect(room.seq).toBe(60);
  }
  await session.ping();
}, 30_000);
