import { expect, test } from "bun:test";

import { callApi } from "../support/api.ts";
import { connectV2, refusedWith, type V2Client, type V2Options } from "../support/client.ts";
import { fillRoom, storedMessages } from "../support/messages.ts";
import { connectRawV2 } from "../support/raw.ts";
import { newRoomId, useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

// Whoever may not be in a room any more, over HTTP or by the command line, which acts on the database alone.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { token } = server;

const owner = "olga@example.com";
const alice = "alice@example.com";
const bob = "bob@example.com";

type Path = "over HTTP" | "on the command line";
const paths: [Path][] = [["over HTTP"], ["on the command line"]];

async function createRoom(members: string[]): Promise<string> {
  const id = newRoomId();
  await make(id, ...members);
  return id;
}

async function make(id: string, ...members: string[]): Promise<void> {
  await server.createRoom(members, { id });
  await server.asOperator((chat, operator) => chat.rooms.setMember(operator, id, { email: owner }, "owner"));
}

async function api(method: "DELETE" | "PUT", path: string): Promise<void> {
  const { status, text } = await callApi(server, `${method} /api/rooms/${path}`, {
    token: await token(owner),
  });
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
}

async function remove(how: Path, room: string, email: string): Promise<void> {
  if (how === "over HTTP") await api("DELETE", `${room}/members/${email}`);
  else await server.asOperator((chat, operator) => chat.rooms.removeMember(operator, room, { email }));
}

async function admit(how: Path, room: string, email: string): Promise<void> {
  if (how === "over HTTP") await api("PUT", `${room}/members/${email}`);
  else await server.asOperator((chat, operator) => chat.rooms.setMember(operator, room, { email }, "member"));
}

async function deleteRoom(how: Path, room: string): Promise<void> {
  if (how === "over HTTP") await api("DELETE", room);
  else await server.asOperator((chat, operator) => chat.rooms.delete(operator, room));
}

const open = async (room: string, email: string, options: V2Options = {}) =>
  connectV2(server.host, room, { token: await token(email), ...options });

/** How it ended, which must be within the two seconds that are promised. */
async function endOf({ closed }: { closed: Promise<{ code: number; reason: string }> }): Promise<string> {
  const late = Bun.sleep(2000).then(() => ({ code: 0, reason: "still connected" }));
  const { code, reason } = await Promise.race([closed, late]);
  return `${code} ${reason}`;
}

test.each(paths)(
  "a member who is removed %s is closed with 4403 wherever he sits, and stays where he still is a member",
  async (how) => {
    const [room, other] = [await createRoom([alice, bob]), await createRoom([alice])];
    const gone = [await open(room, alice), await open(room, alice), await server.connectClassic(room, alice)];
    const [stays, elsewhere] = [await open(room, bob), await open(other, alice)];
    await remove(how, room, alice);
    for (const client of gone) expect(await endOf(client)).toBe("4403 removed");
    expect(await refusedWith(open(room, alice))).toBe("4404 room_not_found");
    expect(await refusedWith(open(room, alice, { since: 0 }))).toBe("4404 room_not_found");
    await stays.next((frame) => frame.type === "presence" && frame.user.email === alice && !frame.online);
    for (const client of [stays, elsewhere]) await client.say("still here");
  },
);

test.each(paths)("what a member does after he was removed %s is refused, and not stored", async (how) => {
  const room = await createRoom([alice, bob]);
  const [removed, watcher] = [await open(room, alice), await open(room, bob)];
  const { seq } = await removed.say("mine");
  await remove(how, room, alice);
  // He may not know yet.
  const late: Parameters<V2Client["command"]>[0][] = [
    { type: "send", text: "too late" },
    { type: "edit", seq, text: "too late" },
    { type: "react", seq, emoji: "👍", on: true },
    { type: "read", seq },
    { type: "delete", seq },
  ];
  const answers = await Promise.allSettled(late.map((command) => sent(removed, command)));
  for (const answer of answers)
    if (answer.status === "fulfilled") expect(answer.value).toMatchObject({ type: "error", code: "removed" });
  expect(await endOf(removed)).toBe("4403 removed");
  await watcher.say("behind it");
  expect(watcher.cursor).toBe(2);
  expect(await storedMessages(server, room)).toMatchObject([
    { text: "mine", reactions: [] },
    { text: "behind it" },
  ]);
});

/** Sends a command where that can still be done. */
async function sent(client: V2Client, command: Parameters<V2Client["command"]>[0]) {
  if (client.socket.readyState !== client.socket.OPEN) throw new Error("the connection has ended");
  return client.command(command);
}

test.each(paths)(
  "of what a member sends while he is removed %s, what was acknowledged is stored, and the rest is nowhere",
  async (how) => {
    const room = await createRoom([alice, bob]);
    const [removed, watcher] = [await open(room, alice), await open(room, bob)];
    const acked: number[] = [];
    let going = true;
    const talking = (async () => {
      // In flight all the time: several at once, and again when they are answered.
      for (let n = 0; going; n++) {
        const some = [0, 1, 2, 3].map((part) => sent(removed, { type: "send", text: `${n}.${part}` }));
        for (const answer of await Promise.allSettled(some)) {
          if (answer.status === "rejected") going = false;
          else if (answer.value.type === "ack") acked.push(answer.value.seq);
          else expect(answer.value.code).toBe("removed");
        }
      }
    })();
    await waitUntil("he was heard", () => acked.length > 20);
    await remove(how, room, alice);
    const { length } = await storedMessages(server, room);
    expect(await endOf(removed)).toBe("4403 removed");
    going = false;
    await talking;
    const { seq } = await watcher.say("behind it");
    // Nothing more after the removal was answered.
    expect(seq).toBe(length + 1);
    expect(Math.max(...acked)).toBeLessThanOrEqual(length);
    expect(watcher.known()).toEqual(await storedMessages(server, room));
  },
);

test("a member who was removed hears nothing more, and when he is let in again he finds all of it", async () => {
  const room = await createRoom([alice, bob]);
  const [removed, speaker] = [await open(room, alice), await open(room, bob)];
  const { seq } = await speaker.say("before");
  await removed.reach(1);
  await remove("over HTTP", room, alice);
  const heard = removed.texts.length;
  await speaker.say("behind his back");
  await speaker.ack({ type: "edit", seq, text: "before, edited" });
  await speaker.ack({ type: "react", seq: 2, emoji: "🤫", on: true });
  speaker.send({ type: "typing" });
  expect(await endOf(removed)).toBe("4403 removed");
  const { rev } = await speaker.say("when he was gone");
  for (const text of removed.texts.slice(heard)) expect(text).not.toContain('"change');
  expect(removed.cursor).toBe(1);
  await admit("over HTTP", room, alice);
  const back = await open(room, alice, { after: removed });
  expect(back.hello).toMatchObject({ resumed: true, rev });
  expect(back.hello.messages.map((message) => message.seq)).toEqual([1, 2, 3]);
  expect(back.known()).toEqual(await storedMessages(server, room));
  await speaker.say("welcome back");
  await back.reach(rev + 1);
});

test("nobody hears that somebody types who was removed", async () => {
  const room = await createRoom([alice, bob]);
  const [removed, watcher] = [await open(room, alice), await open(room, bob)];
  // By the command line, of which the server finds out a moment later.
  await remove("on the command line", room, alice);
  removed.send({ type: "typing" });
  expect(await endOf(removed)).toBe("4403 removed");
  await watcher.say("so far");
  expect(watcher.unread("typing")).toEqual([]);
});

test.each(paths)("an administrator who is no member stays when somebody is removed %s", async (how) => {
  const room = await createRoom([alice, bob]);
  const admin = await connectV2(server.host, room, {
    token: await server.issuer.sign("root@example.com", { claims: { scope: "chat:admin" } }),
  });
  const removed = await open(room, alice);
  await remove(how, room, alice);
  // The same look at the room that closes alice has seen him.
  expect(await endOf(removed)).toBe("4403 removed");
  await admin.say("still here");
});

test("whoever leaves by himself is closed as if he had been removed", async () => {
  const room = await createRoom([alice, bob]);
  const [leaver, stays] = [await open(room, alice), await open(room, bob)];
  const bearer = await token(alice);
  const { status } = await callApi(server, `DELETE /api/rooms/${room}/members/${alice}`, { token: bearer });
  expect(status).toBe(204);
  expect(await endOf(leaver)).toBe("4403 removed");
  expect(await stays.next("member")).toMatchObject({ user: { email: alice }, role: null });
  await stays.say("still here");
});

test("whoever is removed hears of it by his close code", async () => {
  const room = await createRoom([alice, bob]);
  const [removed, watcher] = [await open(room, alice), await open(room, bob)];
  await remove("over HTTP", room, alice);
  expect(await watcher.next("member")).toMatchObject({ user: { email: alice }, role: null });
  expect(await endOf(removed)).toBe("4403 removed");
  expect(removed.unread("member")).toEqual([]);
});

test.each(paths)(
  "somebody who is removed %s while he is sent what he missed is sent no more of it",
  async (how) => {
    const room = await createRoom([alice, bob]);
    const length = 100_000;
    fillRoom(server, room, length);
    const [raw, client] = [
      await connectRawV2(server.host, room, await token(alice), 0),
      await open(room, bob),
    ];
    await raw.next();
    raw.socket.pause();
    await remove(how, room, alice);
    await client.next((frame) => frame.type === "presence" && frame.user.email === alice && !frame.online);
    raw.socket.resume();
    let cursor = 0;
    const close = await (async () => {
      for (;;) {
        const { opcode, payload } = await raw.frame();
        if (opcode === 8) return `${payload.readUInt16BE()} ${String(payload.subarray(2))}`;
        if (opcode === 1) cursor = (JSON.parse(payload.toString()) as { rev: number }).rev ?? cursor;
      }
    })();
    expect(close).toBe("4403 removed");
    expect(cursor).toBeLessThan(length);
    raw.destroy();
  },
  20_000,
);

test.each(paths)(
  "when a room is deleted %s everyone in it is closed with 4404, and nobody else",
  async (how) => {
    const [room, other] = [await createRoom([alice, bob]), await createRoom([alice])];
    const gone = [
      await open(room, alice),
      await open(room, bob),
      await open(room, owner),
      await server.connectClassic(room, bob),
    ];
    const staying = await open(other, alice);
    const [writer] = gone as [V2Client];
    const { seq } = await writer.say("mine");
    await deleteRoom(how, room);
    const late = [{ type: "send", text: "lost" } as const, { type: "edit", seq, text: "lost" } as const];
    for (const answer of await Promise.allSettled(late.map((command) => sent(writer, command))))
      if (answer.status === "fulfilled") expect(answer.value).toMatchObject({ code: "room_deleted" });
    for (const client of gone) expect(await endOf(client)).toBe("4404 room_deleted");
    expect(await refusedWith(open(room, alice))).toBe("4404 room_not_found");
    await staying.say("still here");
  },
);

test.each(paths)(
  "a room that is deleted %s and made again has another beginning, by which a client knows that his copy is of the old one",
  async (how) => {
    const room = await createRoom([alice, bob]);
    const before = await open(room, alice);
    for (let n = 1; n <= 5; n++) await before.say(`old ${n}`);
    await deleteRoom(how, room);
    expect(await endOf(before)).toBe("4404 room_deleted");
    await make(room, alice, bob);
    const fresh = await open(room, bob);
    expect(fresh.hello).toMatchObject({ resumed: false, rev: 0, messages: [] });
    await fresh.say("new 1");
    // He knows more than there is.
    const early = await open(room, alice, { after: before });
    expect(early.hello).toMatchObject({ resumed: false, rev: 1, messages: [{ text: "new 1" }] });
    for (let n = 2; n <= 8; n++) await fresh.say(`new ${n}`);
    const late = await open(room, alice, { since: before.cursor });
    expect(late.hello.room.created_at).not.toBe(before.hello.room.created_at);
    expect(late.hello.room.created_at).toBe(fresh.hello.room.created_at);
    expect(late.hello.messages.map(({ text }) => text)).toEqual(["new 6", "new 7", "new 8"]);
    // Of the old room nothing is left, whatever is asked for.
    const all = await open(room, alice, { since: 0 });
    expect(all.known().map(({ text }) => text)).toEqual(
      Array.from({ length: 8 }, (_, index) => `new ${index + 1}`),
    );
  },
);
