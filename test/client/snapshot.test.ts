import { describe, expect, test } from "bun:test";

import type { Snapshot } from "../../src/client/index.ts";
import { settle } from "../support/samples.ts";
import { waitUntil } from "../support/wait.ts";
import {
  connectChat,
  connectToFake,
  created,
  createdAt,
  limits,
  me,
  message,
  opened,
  openedRecreatedRoom,
  other,
  summary,
} from "./support/fake-server.ts";
import { MemoryStorage } from "./support/storage.ts";

/** The snapshot of a chat that has read three messages in the lobby, as it comes out of a storage. */
async function snapshotOfLobby(): Promise<Snapshot> {
  const { chat, welcome } = await connectToFake();
  await welcome(opened(3, [message(1), message(2), message(3)]));
  return JSON.parse(JSON.stringify(chat.snapshot())) as Snapshot;
}

describe("a snapshot", () => {
  test("is undefined until the user is known", async () => {
    const { chat, begin } = await connectChat();
    expect(chat.snapshot()).toBeUndefined();
    await begin();
    expect(chat.snapshot()).toEqual({ me, limits, rooms: [], saved: [] });
  });

  test("shows the user, their rooms and the last messages before there is a connection", async () => {
    const { chat, room } = await connectToFake({ snapshot: await snapshotOfLobby() });
    expect(chat).toMatchObject({ status: "connecting", me, limits, complete: false });
    expect(chat.rooms).toMatchObject([{ id: "lobby", name: "Lobby", seq: 3 }]);
    expect(room).toMatchObject({ status: "connecting", name: "Lobby", role: "member", complete: true });
    expect(room.messages.map(({ text }) => text)).toEqual(["text 1", "text 2", "text 3"]);
  });

  test("makes a room load only what has changed since", async () => {
    const { room, socket, welcome, eventsOf } = await connectToFake({ snapshot: await snapshotOfLobby() });
    const missed = [message(2, 4, { text: "edited", edited_at: "now" }), message(4, 5)];
    await welcome(opened(5, missed, { resumed: true }));
    expect(socket.opens).toMatchObject([{ room: "lobby", since: 3 }]);
    expect(room.messages.map(({ text }) => text)).toEqual(["text 1", "edited", "text 3", "text 4"]);
    expect(eventsOf("change").map(({ kind }) => kind)).toEqual(["edited", "created"]);
    expect(room.status).toBe("open");
  });

  test("gives way to the last messages if the server cannot resume", async () => {
    const { room, welcome } = await connectToFake({ snapshot: await snapshotOfLobby() });
    await welcome(opened(2_000, [message(1_999, 1_999), message(2_000, 2_000)]));
    expect(room.messages.map(({ seq }) => seq)).toEqual([1_999, 2_000]);
    expect(room.complete).toBe(false);
  });

  test("gives way to a room that was recreated", async () => {
    const { room, socket, welcome } = await connectToFake({ snapshot: await snapshotOfLobby() });
    await welcome(openedRecreatedRoom(4, []));
    expect(room.messages).toEqual([]);
    expect(socket.opens.map(({ since }) => since)).toEqual([3, undefined]);
  });

  test("of another user closes the chat", async () => {
    const { chat, begin, chatEventsOf } = await connectChat({ snapshot: await snapshotOfLobby() });
    await begin([], { me: other });
    expect(chat.status).toBe("closed");
    expect(chatEventsOf("closed")).toMatchObject([{ reason: "forbidden" }]);
  });

  test("has rooms that the user is no longer in until the list is complete", async () => {
    const { chat, begin, chatEventsOf } = await connectChat({ snapshot: await snapshotOfLobby() });
    await begin([]);
    expect(chat.rooms).toEqual([]);
    expect(chatEventsOf("left")).toEqual([{ type: "left", room: "lobby", reason: "removed" }]);
    expect(chat.snapshot()?.saved).toEqual([]);
  });

  test("shows what waits in the storage before there is a connection, and sends it once there is one", async () => {
    const storage = new MemoryStorage();
    const snapshot = await snapshotOfLobby();
    const first = await connectToFake({ snapshot, storage });
    void first.room.send("written offline");
    await waitUntil("it is stored", () => storage.keys.length > 0);
    const { room, socket, welcome } = await connectToFake({ snapshot, storage });
    await waitUntil("it shows", () => room.pending.length > 0);
    expect(room.pending).toMatchObject([{ text: "written offline", status: "waiting", sender: me }]);
    expect(socket.sentTexts).toEqual([]);
    await welcome(opened(3, [], { resumed: true }));
    await settle();
    expect(socket.sentTexts).toEqual(["written offline"]);
  });

  test("shows a message once that was received, but not acknowledged", async () => {
    const storage = new MemoryStorage();
    const first = await connectToFake({ storage });
    await first.welcome();
    void first.room.send("sent", { clientId: "one" });
    await waitUntil("it is sent and stored", () => first.socket.sent.length > 0 && storage.keys.length > 0);
    first.socket.receive(created(1, 1, { sender: me, text: "sent", client_id: "one" }));
    const snapshot = JSON.parse(JSON.stringify(first.chat.snapshot())) as Snapshot;
    const { room, chat } = await connectToFake({ snapshot, storage });
    await waitUntil("it is queued again", () => storage.writes > 1);
    await settle();
    expect(room.pending).toEqual([]);
    expect(room.messages.map(({ text }) => text)).toEqual(["sent"]);
    // In a room that is opened later, too.
    room.close();
    chat.close();
    const later = await connectChat({ snapshot, storage });
    await settle();
    expect(later.chat.open("lobby").pending).toEqual([]);
  });

  test("does not give a room more messages than it keeps", async () => {
    const { chat } = await connectChat({ snapshot: await snapshotOfLobby() });
    const room = chat.open("lobby", { keep: 2 });
    expect(room.messages.map(({ seq }) => seq)).toEqual([2, 3]);
    expect(room.complete).toBe(false);
  });

  test("does not have a room that the user may no longer open", async () => {
    const snapshot = { ...(await snapshotOfLobby()), rooms: [] };
    const { chat, room, socket, begin } = await connectToFake({ snapshot });
    await begin([]);
    socket.receiveError("room_not_found", {}, socket.opens[0]);
    expect(room.status).toBe("closed");
    expect(chat.snapshot()?.saved).toEqual([]);
  });

  test("has the 20 rooms that were closed last, with 50 messages each", async () => {
    const { chat, socket, clock, begin } = await connectChat();
    const ids = Array.from({ length: 25 }, (_, n) => `room-${n}`);
    await begin(ids.map((id) => summary(id, { seq: 60 })));
    for (const id of ids) {
      const room = chat.open(id);
      const messages = Array.from({ length: 60 }, (_, n) => message(n + 1));
      const frame = opened(60, messages);
      socket.receiveOpened({ ...frame, room: { ...frame.room, id } });
      room.close();
      await clock.advance(100);
      socket.receive({ type: "ack", id: socket.closes.at(-1)?.id ?? "", room: id });
    }
    const saved = chat.snapshot()?.saved ?? [];
    expect(saved.map(({ room }) => room.id)).toEqual(ids.slice(-20));
    expect(saved.every(({ messages }) => messages.length === 50 && messages[0]?.seq === 11)).toBe(true);
  });

  test("does not have a room in which a message is missing", async () => {
    const { chat, welcome, sockets, clock } = await connectToFake();
    await welcome(opened(1, [message(1)]));
    sockets[0]?.disconnect();
    await clock.advance(500);
    // A resume in progress: the second message was changed since, and comes later.
    await welcome(
      opened(3, [message(3)], { resumed: true, room: { ...opened(3, []).room, seq: 3, rev: 4 } }),
    );
    expect(chat.snapshot()?.saved.map(({ position }) => position.rev)).not.toContain(3);
  });
});

test("a room that is closed and opened again shows what it had, and loads only what has changed since", async () => {
  const { chat, room, socket, clock, welcome } = await connectToFake();
  await welcome(opened(2, [message(1), message(2)]));
  room.close();
  await clock.advance(100);
  const again = chat.open("lobby");
  expect(again).not.toBe(room);
  expect(again.messages.map(({ seq }) => seq)).toEqual([1, 2]);
  socket.receive({ type: "ack", id: socket.closes[0]?.id ?? "", room: "lobby" });
  socket.receiveOpened(opened(3, [message(3)], { resumed: true }));
  socket.receive(created(4));
  expect(again.messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
});

test.each([
  ["a position", { since: { seq: 100, rev: 100, created_at: createdAt } }],
  ["one message", { keep: 1 }],
])(
  "a room that was opened with %s only, and is opened again without, loads its last messages",
  async (_, options) => {
    const { chat, socket, clock, begin } = await connectChat();
    await begin([summary("lobby", { seq: 101 })]);
    const room = chat.open("lobby", options);
    socket.receiveOpened(opened(101, [message(101)], { resumed: "since" in options }));
    expect(room.messages.map(({ seq }) => seq)).toEqual([101]);
    room.close();
    await clock.advance(100);
    chat.open("lobby");
    socket.receive({ type: "ack", id: socket.closes[0]?.id ?? "", room: "lobby" });
    expect(socket.opens.at(-1)?.since).toBeUndefined();
  },
);

test("a room that has lost messages while it was closed starts again", async () => {
  const { chat, room, sockets, clock, welcome, begin } = await connectToFake();
  await welcome(opened(3, [message(1), message(2), message(3)]));
  room.close();
  await clock.advance(100);
  sockets[0]?.disconnect();
  await clock.advance(500);
  // The server was restored from a backup. Afterwards it has other messages than those that the client knows.
  await begin([summary("lobby", { seq: 2 })]);
  const socket = sockets.at(-1);
  socket?.receive({ type: "activity", room: "lobby", seq: 4, rev: 4, last_message: message(4) });
  const again = chat.open("lobby");
  expect(again.messages).toEqual([]);
  expect(socket?.opens.at(-1)?.since).toBeUndefined();
});
