import { describe, expect, test } from "bun:test";

import type { Command } from "../../src/protocol/schemas.ts";
import { settle } from "../support/samples.ts";
import {
  connectToFake,
  type FakeSocket,
  message,
  opened,
  openedRecreatedRoom,
  other,
  outcome,
} from "./support/fake-server.ts";

const clientIds = (sockets: FakeSocket[]) =>
  sockets.flatMap(({ sent }) => sent.map((each) => (each.type === "send" ? each.client_id : undefined)));
const sentTexts = (sockets: FakeSocket[]) => sockets.map((socket) => socket.sentTexts);

describe("commands", () => {
  test("wait for the hello, go out one at a time, in order, and resolve with their acks", async () => {
    const { room, socket, welcome } = await connectToFake();
    const acks = [room.send("one"), room.send("two", { replyTo: 1 }), room.edit(1, "uno"), room.remove(1)];
    acks.push(room.react(2, "+"), room.react(2, "+", false), room.read(2));
    await settle();
    expect(socket.sent).toEqual([]);
    await welcome();
    for (let n = 1; n <= acks.length; n++) {
      expect(socket.sent).toHaveLength(n);
      socket.receiveAck(n, n * 2);
    }
    expect(await Promise.all(acks)).toEqual(acks.map((_, index) => ({ seq: index + 1, rev: index * 2 + 2 })));
    const client_id = expect.stringMatching(/^.{8,64}$/) as string;
    const expected: Partial<Command>[] = [
      { type: "send", text: "one", client_id },
      { type: "send", text: "two", client_id, reply_to: 1 },
      { type: "edit", seq: 1, text: "uno" },
      { type: "delete", seq: 1 },
      { type: "react", seq: 2, emoji: "+", on: true },
      { type: "react", seq: 2, emoji: "+", on: false },
      { type: "read", seq: 2 },
    ];
    expect(new Set(socket.sent.map(({ id }) => id)).size).toBe(acks.length);
    expect(new Set(clientIds([socket]).slice(0, 2)).size).toBe(2);
    expect(socket.sent).toMatchObject(expected);
    expect(new Set(socket.sent.map((command) => "room" in command && command.room))).toEqual(
      new Set(["lobby"]),
    );
  });

  test("may have a client_id given by the caller", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome();
    void room.send("one", { clientId: "mine" });
    expect(socket.lastSent).toMatchObject({ client_id: "mine" });
  });

  test("ignore answers to other commands", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome();
    const sent = room.send("one");
    socket.receiveInLobby({ type: "ack", id: "other", seq: 9, rev: 9 });
    socket.receiveInLobby({ type: "error", id: "other", code: "forbidden", message: "" });
    socket.receiveAck(1, 1);
    // A second ack.
    socket.receiveInLobby({ type: "ack", id: socket.lastSent.id ?? "", seq: 9, rev: 9 });
    expect(await sent).toEqual({ seq: 1, rev: 1 });
  });

  test("without an answer are repeated on the next connection, with the same client_id, before the others", async () => {
    const { room, sockets, clock, welcome } = await connectToFake();
    await welcome();
    const sent = [room.send("one"), room.send("two")];
    for (let n = 0; n < 3; n++) {
      sockets.at(-1)?.disconnect();
      await clock.advanceToNextTimer();
      await welcome();
    }
    expect(sentTexts(sockets)).toEqual([["one"], ["one"], ["one"], ["one"]]);
    expect(new Set(clientIds(sockets)).size).toBe(1);
    sockets.at(-1)?.receiveAck(1, 1);
    sockets.at(-1)?.receiveAck(2, 2);
    expect(await Promise.all(sent)).toEqual([
      { seq: 1, rev: 1 },
      { seq: 2, rev: 2 },
    ]);
    expect(sockets[3]?.sentTexts).toEqual(["one", "two"]);
  });

  test("without an answer cause a probe every 15 seconds, as long as the server answers those", async () => {
    const { room, socket, clock, welcome } = await connectToFake();
    await welcome();
    void room.send("one");
    for (let n = 1; n <= 3; n++) {
      await clock.advance(15_000);
      expect(socket.sent.filter(({ type }) => type === "ping")).toHaveLength(n);
      socket.receiveAck();
    }
    expect(socket.sentTexts).toEqual(["one"]);
  });

  test("without an answer for 15 seconds cause a probe, and a reconnection if that fails", async () => {
    const { room, sockets, clock, welcome } = await connectToFake();
    await welcome();
    void room.send("one");
    await clock.advance(14_999);
    expect(sockets[0]?.sent).toHaveLength(1);
    await clock.advance(1);
    expect(sockets[0]?.lastSent).toMatchObject({ type: "ping" });
    await clock.advance(9_999);
    expect(sockets[0]?.closed).toBeUndefined();
    await clock.advance(501);
    expect(sockets[0]?.closed).toBeDefined();
    await welcome();
    expect(sentTexts(sockets)).toEqual([["one"], ["one"]]);
  });

  test("are not repeated while the server is busy with a long resume", async () => {
    const { room, socket, clock, welcome } = await connectToFake();
    await welcome();
    const sent = room.send("one");
    for (let rev = 1; rev <= 20; rev++) {
      await clock.advance(8_000);
      socket.receiveInLobby({ type: "changes", rev, messages: [message(rev)] });
    }
    expect(socket.closed).toBeUndefined();
    expect(socket.sentTexts).toEqual(["one"]);
    socket.receiveInLobby({ type: "ack", id: socket.sent[0]?.id ?? "", seq: 21, rev: 21 });
    expect(await sent).toEqual({ seq: 21, rev: 21 });
  });

  test("that name a message are dropped when the room was recreated or restored; messages are sent", async () => {
    const { room, sockets, clock, welcome, eventsOf } = await connectToFake();
    await welcome(opened(4, [message(4)]));
    sockets[0]?.disconnect();
    const dropped = [room.remove(4), room.edit(4, "x"), room.react(4, "👍"), room.read(4)].map(outcome);
    void room.send("still to be sent");
    await clock.advance(500);
    await welcome(openedRecreatedRoom(9, []));
    expect(room.complete).toBe(false);
    sockets[1]?.receiveOpened({ ...openedRecreatedRoom(9, [message(9)]), resumed: false });
    for (const error of await Promise.all(dropped)) expect(error).toMatchObject({ code: "conflict" });
    expect(eventsOf("failed").map(({ command }) => command)).toEqual(["delete", "edit", "react", "read"]);
    expect(sentTexts(sockets)).toEqual([[], ["still to be sent"]]);

    // Restored: the server does not know the cursor.
    sockets[1]?.disconnect();
    const removed = outcome(room.remove(9));
    await clock.advanceToNextTimer();
    await welcome(opened(3, [message(3)]));
    expect(await removed).toMatchObject({ code: "conflict" });
    expect(sockets[2]?.sent.map(({ type }) => type)).toEqual(["send"]);
  });

  test("of one user are not sent as another", async () => {
    const { chat, room, sockets, clock, welcome, eventsOf, chatEventsOf } = await connectToFake();
    await welcome();
    const sent = outcome(room.send("mine"));
    sockets[0]?.disconnect();
    await clock.advance(500);
    await welcome(opened(0, [], { me: other, resumed: true }));
    expect(sockets[1]?.sent).toEqual([]);
    expect(eventsOf("closed")).toMatchObject([{ reason: "forbidden" }]);
    expect(chatEventsOf("closed")).toMatchObject([{ code: 4403, reason: "forbidden" }]);
    chat.retry();
    await settle();
    expect(sockets).toHaveLength(2);
    expect(await sent).toMatchObject({ code: "forbidden" });
  });

  test("beyond 1,000 in all rooms are rejected, without an event", async () => {
    const { chat, room, eventsOf } = await connectToFake();
    for (let n = 0; n < 999; n++) void room.send(String(n));
    void chat.open("other").send("in another room");
    expect(await outcome(room.send("one more"))).toMatchObject({ code: "too_many_pending" });
    expect(room.pending).toHaveLength(999);
    expect(eventsOf("failed")).toEqual([]);
  });

  test("do not cause unhandled rejections", async () => {
    const unhandled: unknown[] = [];
    const listener = (error: unknown) => void unhandled.push(error);
    process.on("unhandledRejection", listener);
    const { chat, room, socket, welcome } = await connectToFake();
    await welcome();
    void room.send("one");
    socket.receiveError("forbidden");
    void room.read(1);
    chat.close();
    void room.send("two");
    await settle();
    process.off("unhandledRejection", listener);
    expect(unhandled).toEqual([]);
  });
});

describe("read marks", () => {
  test("that wait are combined into the furthest", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome();
    void room.send("first");
    const marks = [room.read(5), room.read(7), room.read(6)];
    void room.send("last");
    expect(socket.sent).toHaveLength(1);
    socket.receiveAck();
    expect(socket.lastSent).toMatchObject({ type: "read", seq: 7 });
    socket.receiveAck(7, 9);
    for (const ack of await Promise.all(marks)) expect(ack).toEqual({ seq: 7, rev: 9 });
    expect(socket.sentTexts).toEqual(["first", "last"]);
  });

  test("in flight are left as they are", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome();
    const marks = [room.read(5), room.read(6)];
    socket.receiveAck(5, 0);
    socket.receiveAck(6, 0);
    expect((await Promise.all(marks)).map(({ seq }) => seq)).toEqual([5, 6]);
  });

  test("default to the newest message", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome(opened(9, [message(7), message(8)]));
    void room.read();
    expect(socket.lastSent).toMatchObject({ type: "read", seq: 8 });
  });
});

test("typing is sent at most every three seconds, and not without a connection", async () => {
  const { room, sockets, clock, welcome } = await connectToFake();
  room.typing();
  await welcome();
  for (let key = 0; key < 61; key++) {
    room.typing();
    await clock.advance(100);
  }
  const typing = { type: "typing", room: "lobby" } as const;
  expect(sockets[0]?.sent).toEqual([typing, typing, typing]);
  sockets[0]?.disconnect();
  room.typing();
  await clock.advance(500);
  await welcome();
  expect(sockets[1]?.sent).toEqual([]);
});
