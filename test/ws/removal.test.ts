import { describe, expect, test } from "bun:test";

import { callApi } from "../support/api.ts";
import { type CommandInput, connectV2, type V2Client } from "../support/client.ts";
import { fillRoom, storedMessages } from "../support/messages.ts";
import { openRaw } from "../support/raw.ts";
import { closeOf, roomChanges, ways } from "../support/room-changes.ts";
import { unlimited, useServer } from "../support/server.ts";
import { isPresence } from "../support/slow-reader.ts";
import { waitUntil } from "../support/wait.ts";

// Users who lose their place in a room, as chat.v2 shows it. What both dialects promise is in membership-changes.test.ts.

const server = useServer({ env: unlimited });

const { createRoom, addMember, removeMember, deleteRoom } = roomChanges(server);

const alice = "alice@example.com";
const bob = "bob@example.com";
const REMOVED = "4403 removed";
const DELETED = "4404 room_deleted";

/** Sends a command if the connection is still open. */
async function commandIfOpen(client: V2Client, command: CommandInput) {
  if (client.socket.readyState !== client.socket.OPEN) throw new Error("the connection has ended");
  return client.command(command);
}

describe.each([...ways])("%s", (way) => {
  test("no command of a removed member has an effect", async () => {
    const room = await createRoom([alice, bob]);
    const [removed, watcher] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
    const { seq } = await removed.say("mine");
    await removeMember(way, room, alice);
    const commands: CommandInput[] = [
      { type: "send", text: "too late" },
      { type: "edit", seq, text: "too late" },
      { type: "react", seq, emoji: "👍", on: true },
      { type: "read", seq },
      { type: "delete", seq },
    ];
    const answers = await Promise.allSettled(commands.map((command) => commandIfOpen(removed, command)));
    for (const answer of answers)
      if (answer.status === "fulfilled")
        expect(answer.value).toMatchObject({ type: "error", code: "removed" });
    expect(await closeOf(removed)).toBe(REMOVED);
    await watcher.say("after it");
    expect(watcher.cursor).toBe(2);
    expect(await storedMessages(server, room)).toMatchObject([
      { text: "mine", reactions: [] },
      { text: "after it" },
    ]);
  });

  test("of messages that are sent during a removal exactly those are stored that were acknowledged", async () => {
    const room = await createRoom([alice, bob]);
    const [removed, watcher] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
    const acked: number[] = [];
    let going = true;
    const writing = (async () => {
      // Four messages are always under way.
      for (let n = 0; going; n++) {
        const some = [0, 1, 2, 3].map((part) =>
          commandIfOpen(removed, { type: "send", text: `${n}.${part}` }),
        );
        for (const answer of await Promise.allSettled(some)) {
          if (answer.status === "rejected") going = false;
          else if (answer.value.type === "ack") acked.push(answer.value.seq);
          else expect(answer.value.code).toBe("removed");
        }
      }
    })();
    await waitUntil("some messages were acknowledged", () => acked.length > 20);
    await removeMember(way, room, alice);
    const { length } = await storedMessages(server, room);
    expect(await closeOf(removed)).toBe(REMOVED);
    going = false;
    await writing;
    // Nothing was stored after the removal was answered.
    const { seq } = await watcher.say("after it");
    expect(seq).toBe(length + 1);
    expect(Math.max(...acked)).toBeLessThanOrEqual(length);
    expect(watcher.known()).toEqual(await storedMessages(server, room));
  });

  test("an administrator who is not a member stays when somebody is removed", async () => {
    const room = await createRoom([alice, bob]);
    const token = await server.token("root@example.com", { claims: { scope: "chat:admin" } });
    const admin = await connectV2(server.host, room, { token });
    const removed = await server.connectV2(room, alice);
    await removeMember(way, room, alice);
    expect(await closeOf(removed)).toBe(REMOVED);
    await admin.say("still here");
  });

  test("a member who is removed while catching up is sent no more", async () => {
    const room = await createRoom([alice, bob]);
    const length = 100_000;
    fillRoom(server, room, length);
    const watcher = await server.connectV2(room, bob);
    const raw = await openRaw("chat.v2", server.host, room, await server.token(alice), 0);
    await raw.next();
    await watcher.next(isPresence(alice, true));
    raw.socket.pause();
    await removeMember(way, room, alice);
    await watcher.next(isPresence(alice, false));
    raw.socket.resume();
    let cursor = 0;
    let frame = await raw.frame();
    for (; frame.opcode !== 8; frame = await raw.frame())
      if (frame.opcode === 1) cursor = (JSON.parse(String(frame.payload)) as { rev?: number }).rev ?? cursor;
    expect(`${frame.payload.readUInt16BE()} ${String(frame.payload.subarray(2))}`).toBe(REMOVED);
    expect(cursor).toBeLessThan(length);
    raw.destroy();
  }, 20_000);

  test("a client can tell by created_at that its copy is of a deleted room", async () => {
    const room = await createRoom([alice, bob]);
    const before = await server.connectV2(room, alice);
    for (let n = 1; n <= 5; n++) await before.say(`old ${n}`);
    await deleteRoom(way, room);
    expect(await closeOf(before)).toBe(DELETED);
    await createRoom([alice, bob], room);
    const fresh = await server.connectV2(room, bob);
    await fresh.say("new 1");
    // The client knows more than there is, so it starts anew.
    const early = await server.connectV2(room, alice, { after: before });
    expect(early.hello).toMatchObject({ resumed: false, rev: 1, messages: [{ text: "new 1" }] });
    for (let n = 2; n <= 8; n++) await fresh.say(`new ${n}`);
    // Once the new room has come as far, only created_at differs.
    const late = await server.connectV2(room, alice, { since: before.cursor });
    expect(late.hello.room.created_at).not.toBe(before.hello.room.created_at);
    expect(late.hello.room.created_at).toBe(fresh.hello.room.created_at);
    expect(late.initialTexts).toEqual(["new 6", "new 7", "new 8"]);
    const all = await server.connectV2(room, alice, { since: 0 });
    expect(all.initialTexts).toEqual(Array.from({ length: 8 }, (_, index) => `new ${index + 1}`));
  });
});

test("a removed member gets nothing from the answer on; when added again they resume with all of it", async () => {
  const room = await createRoom([alice, bob]);
  const [removed, writer] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
  const classic = await server.connectClassic(room, alice);
  const { seq } = await writer.say("before");
  await removed.reach(1);
  await removeMember("over HTTP", room, alice);
  const received = removed.texts.length;
  await writer.say("while removed");
  await writer.ack({ type: "edit", seq, text: "before, edited" });
  await writer.ack({ type: "react", seq: 2, emoji: "🤫", on: true });
  writer.send({ type: "typing" });
  for (const client of [removed, classic]) expect(await closeOf(client)).toBe(REMOVED);
  const { rev } = await writer.say("when gone");
  expect(removed.texts.slice(received).filter((text) => text.includes('"change'))).toEqual([]);
  expect(classic.unread()).toEqual([{ message: "before" }]);
  await addMember("over HTTP", room, alice);
  const back = await server.connectV2(room, alice, { after: removed });
  expect(back.hello).toMatchObject({ resumed: true, rev });
  expect(back.hello.messages.map((message) => message.seq)).toEqual([1, 2, 3]);
  expect(back.known()).toEqual(await storedMessages(server, room));
  await writer.say("welcome back");
  await back.reach(rev + 1);
});

test("typing of a removed member is not announced", async () => {
  const room = await createRoom([alice, bob]);
  const [removed, watcher] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
  // The server finds out a moment later.
  await removeMember("by the command line", room, alice);
  removed.send({ type: "typing" });
  expect(await closeOf(removed)).toBe(REMOVED);
  await watcher.say("fence");
  expect(watcher.unread("typing")).toEqual([]);
});

test("a removed member is told by the close code alone, and the others by a notice", async () => {
  const room = await createRoom([alice, bob]);
  const [removed, watcher] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
  await removeMember("over HTTP", room, alice);
  expect(await watcher.next("member")).toMatchObject({ user: { email: alice }, role: null });
  expect(await closeOf(removed)).toBe(REMOVED);
  expect(removed.unread("member")).toEqual([]);
});

test("a member who leaves is disconnected like one who is removed", async () => {
  const room = await createRoom([alice, bob]);
  const [leaver, watcher] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
  const request = `DELETE /api/rooms/${room}/members/${alice}`;
  expect((await callApi(server, request, { token: await server.token(alice) })).status).toBe(204);
  expect(await closeOf(leaver)).toBe(REMOVED);
  expect(await watcher.next("member")).toMatchObject({ user: { email: alice }, role: null });
  await watcher.say("still here");
});
