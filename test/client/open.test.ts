import { describe, expect, test } from "bun:test";

import { settle } from "../support/samples.ts";
import {
  connectChat,
  connectToFake,
  created,
  message,
  opened,
  outcome,
  summary,
} from "./support/fake-server.ts";

const openedIn = (id: string, rev = 0) => {
  const frame = opened(rev, []);
  return { ...frame, room: { ...frame.room, id, seq: rev } };
};

describe("a room", () => {
  test("is opened once, and is the same object, until each open has its close", async () => {
    const { chat, socket, clock, begin } = await connectChat();
    await begin([summary("lobby")]);
    const room = chat.open("lobby");
    expect(chat.open("lobby")).toBe(room);
    socket.receiveOpened(opened(0, []));
    await room.ready;
    room.close();
    await clock.advance(1_000);
    expect([room.status, socket.closes.length]).toEqual(["open", 0]);
    room.close();
    await clock.advance(1_000);
    expect(room.status).toBe("closed");
    expect(socket.closes).toMatchObject([{ room: "lobby" }]);
    expect(socket.opens).toHaveLength(1);
    const again = chat.open("lobby");
    expect(again).not.toBe(room);
    expect(socket.opens).toHaveLength(2);
  });

  test("that is closed and opened again at once stays open", async () => {
    const { chat, socket, clock, begin } = await connectChat();
    await begin([summary("lobby")]);
    const room = chat.open("lobby");
    socket.receiveOpened(opened(0, []));
    for (let mount = 0; mount < 3; mount++) {
      room.close();
      await clock.advance(0);
      expect(chat.open("lobby")).toBe(room);
    }
    await clock.advance(1_000);
    expect([room.status, socket.opens.length, socket.closes.length]).toEqual(["open", 1, 0]);
  });

  test("that is closed ends its iterators, and still sends what waits", async () => {
    const { chat, room, socket, clock, welcome, events } = await connectToFake();
    await welcome();
    const sent = room.send("one");
    const second = room.send("two");
    room.close();
    await clock.advance(100);
    expect(events.slice(-2)).toEqual([
      { type: "status", status: "closed" },
      { type: "closed", reason: "closed" },
    ]);
    socket.receiveAck(1, 1);
    socket.receiveAck(2, 2);
    expect([await sent, await second]).toEqual([
      { seq: 1, rev: 1 },
      { seq: 2, rev: 2 },
    ]);
    expect(await outcome(room.send("three"))).toMatchObject({ code: "closed" });
    const again = chat.open("lobby");
    expect(again.pending).toEqual([]);
  });

  test("is opened again on each connection, with all others, from where it was", async () => {
    const { chat, sockets, clock, begin } = await connectChat();
    const rooms = ["a", "b"].map((id) => chat.open(id));
    await begin([summary("a"), summary("b")]);
    expect(sockets[0]?.opens).toMatchObject([{ room: "a" }, { room: "b" }]);
    sockets[0]?.receiveOpened(openedIn("a"));
    sockets[0]?.receive(created(1, 1, {}, "a"));
    sockets[0]?.receiveOpened(openedIn("b"));
    sockets[0]?.disconnect();
    expect(rooms.map(({ status }) => status)).toEqual(["connecting", "connecting"]);
    await clock.advance(500);
    await begin([summary("a", { seq: 1 }), summary("b")]);
    expect(sockets[1]?.opens).toMatchObject([
      { room: "a", since: 1 },
      { room: "b", since: 0 },
    ]);
  });

  test("ignores frames that come before its answer, or after it was closed", async () => {
    const { chat, socket, clock, begin } = await connectChat();
    await begin([summary("lobby")]);
    const first = chat.open("lobby");
    socket.receiveOpened(opened(0, []));
    first.close();
    await clock.advance(100);
    socket.receive(created(1));
    const second = chat.open("lobby");
    socket.receive(created(1));
    expect([first.messages, second.messages]).toEqual([[], []]);
    socket.receiveOpened(opened(1, [message(1)]));
    expect(second.messages).toEqual([message(1)]);
  });

  test("ignores the answer to an open that has been overtaken", async () => {
    const { chat, socket, clock, begin } = await connectChat();
    await begin([summary("lobby")]);
    chat.open("lobby").close();
    await clock.advance(100);
    const room = chat.open("lobby");
    const [first, second] = socket.opens;
    const { me: _, ...frame } = opened(0, []);
    socket.receive({ ...frame, id: first?.id ?? "" });
    expect(room.status).toBe("connecting");
    socket.receive({ ...frame, id: second?.id ?? "" });
    expect(room.status).toBe("open");
  });

  test("is opened by ten commands at a time", async () => {
    const { chat, socket, begin } = await connectChat();
    const ids = Array.from({ length: 25 }, (_, n) => `room-${n}`);
    for (const id of ids) chat.open(id);
    await begin(ids.map((id) => summary(id)));
    expect(socket.opens).toHaveLength(10);
    for (const id of ids.slice(0, 10)) socket.receiveOpened(openedIn(id));
    expect(socket.opens).toHaveLength(20);
    expect(socket.opens.map(({ room }) => room)).toEqual(ids.slice(0, 20));
  });
});

describe("an open that is refused with", () => {
  test.each(["room_not_found", "forbidden", "removed", "room_deleted"])(
    "%s closes the room",
    async (code) => {
      const { chat, socket, begin, sockets, clock } = await connectChat();
      await begin();
      const room = chat.open("none");
      const reasons: string[] = [];
      room.on("closed", ({ reason }) => reasons.push(reason));
      socket.receiveError(code, {}, socket.opens[0]);
      expect([room.status, reasons, chat.status]).toEqual(["closed", [code as never], "open"]);
      expect(await outcome(room.ready)).toMatchObject({ code });
      expect(await outcome(room.send("hello?"))).toMatchObject({ code });
      sockets[0]?.disconnect();
      await clock.advance(500);
      await begin();
      expect(sockets[1]?.opens).toEqual([]);
    },
  );

  test.each(["rate_limited", "storage_unavailable", "restarting", "internal"])(
    "%s is tried again, before the others",
    async (code) => {
      const { chat, socket, clock, begin } = await connectChat();
      await begin();
      const room = chat.open("lobby");
      const codes: string[] = [];
      room.on("error", ({ error }) => codes.push(error.code));
      socket.receiveError(code, { retry_after_ms: 700 }, socket.opens[0]);
      chat.open("other");
      expect(socket.opens).toHaveLength(1);
      await clock.advance(2_700);
      expect(socket.opens.map((open) => open.room)).toEqual(["lobby", "lobby", "other"]);
      socket.receiveOpened(opened(0, []));
      expect([room.status, codes]).toEqual(["open", [code]]);
    },
  );

  test("rate_limited is not tried again once the room is closed", async () => {
    const { chat, socket, clock, begin } = await connectChat();
    await begin();
    chat.open("lobby").close();
    socket.receiveError("rate_limited", { retry_after_ms: 700 }, socket.opens[0]);
    await clock.advance(5_000);
    expect(socket.opens).toHaveLength(1);
    expect(socket.closes).toMatchObject([{ room: "lobby" }]);
  });
});

describe("an open room that the user loses", () => {
  test.each(["removed", "room_deleted", "left"] as const)(
    "because of %s is closed, its commands fail, and the connection lives",
    async (reason) => {
      const { chat, room, socket, welcome, events, chatEventsOf } = await connectToFake();
      await welcome(opened(1, [message(1)]));
      const sent = [room.send("one"), room.edit(1, "two")].map(outcome);
      socket.receiveInLobby({ type: "left", reason });
      expect([chat.status, room.status, chat.rooms]).toEqual(["open", "closed", []]);
      expect(events.slice(-2)).toEqual([
        { type: "status", status: "closed" },
        { type: "closed", reason },
      ]);
      for (const error of await Promise.all(sent)) expect(error).toMatchObject({ code: reason });
      expect(chatEventsOf("left")).toEqual([{ type: "left", room: "lobby", reason }]);
      socket.receive(created(2));
      expect(room.messages).toHaveLength(1);

      // They are a member again.
      socket.receive({ type: "joined", room: summary("lobby", { seq: 2 }) });
      expect(chat.rooms).toMatchObject([{ id: "lobby", seq: 2 }]);
      const again = chat.open("lobby");
      socket.receiveOpened(opened(2, [message(1), message(2)]));
      await settle();
      expect([again.status, again.messages.length]).toEqual(["open", 2]);
    },
  );

  test("while the connection was lost is closed when the list of rooms has arrived", async () => {
    const { chat, room, sockets, clock, begin, welcome, eventsOf } = await connectToFake();
    await welcome();
    sockets[0]?.disconnect();
    await clock.advance(500);
    await begin([summary("a")], { more: true });
    expect(room.status).toBe("connecting");
    sockets[1]?.receive({ type: "rooms", rooms: [summary("b")], more: false });
    expect(room.status).toBe("closed");
    expect(eventsOf("closed")).toEqual([{ type: "closed", reason: "removed" }]);
    expect(chat.rooms.map(({ id }) => id)).toEqual(["a", "b"]);
  });
});
