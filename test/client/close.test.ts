import { describe, expect, test } from "bun:test";

import { connect } from "../../src/client/index.ts";
import { settle } from "../support/samples.ts";
import { browserListeners } from "./support/browser-events.ts";
import {
  connectChat,
  connectToFake,
  created,
  FakeSocket,
  message,
  opened,
  outcome,
} from "./support/fake-server.ts";

const closedError = { code: "closed" };

describe("close() of a chat", () => {
  test("leaves no timer, listener, promise or iterator behind", async () => {
    using listeners = browserListeners();
    const { chat, room, clock, socket, welcome, eventsOf, chatEventsOf } = await connectToFake();
    expect(listeners.count).toEqual({ online: 1, offline: 1, pageshow: 1, visibilitychange: 1 });
    await welcome(opened(1, [message(1)]));
    const sent = [room.send("one"), room.edit(1, "two"), room.read(3)];
    socket.receiveInLobby({ type: "typing", user: message(1).sender });
    const iterator = room[Symbol.asyncIterator]();
    const chatIterator = chat[Symbol.asyncIterator]();
    const next = iterator.next();
    chat.close();
    chat.close();
    expect(socket.closed).toEqual({ code: 1000 });
    expect(clock.timers).toEqual([]);
    expect(listeners.count).toEqual({ online: 0, offline: 0, pageshow: 0, visibilitychange: 0 });
    for (const ack of sent) expect(await outcome(ack)).toMatchObject(closedError);
    expect((await next).done).toBe(false);
    for (const each of [iterator, chatIterator]) {
      let buffered = 0;
      while (!(await each.next()).done) buffered++;
      expect(buffered).toBeGreaterThan(0);
    }
    expect(eventsOf("closed")).toEqual([{ type: "closed", reason: "closed" }]);
    expect(chatEventsOf("closed")).toEqual([{ type: "closed", code: 1000, reason: "closed" }]);
    expect([chat.status, room.status]).toEqual(["closed", "closed"]);

    // Nothing happens afterwards.
    socket.receive(created(2));
    socket.disconnect();
    chat.retry();
    expect(clock.timers).toEqual([]);
    expect(room.messages).toHaveLength(1);
    expect(await outcome(room.send("late"))).toMatchObject(closedError);
    const late = chat.open("lobby");
    expect(late.status).toBe("closed");
    expect(await outcome(late.ready)).toMatchObject(closedError);
  });

  test("right after connect prevents the request for a token", async () => {
    let requests = 0;
    const chat = connect({
      url: "ws://chat.example.com",
      token: () => String(++requests),
      WebSocket: FakeSocket,
    });
    chat.close();
    await settle();
    expect(requests).toBe(0);
  });

  test("during the request for a token prevents the connection, and rejects `ready`", async () => {
    const late = Promise.withResolvers<string>();
    const { chat, room, sockets, clock } = await connectToFake({ token: () => late.promise });
    chat.close();
    late.resolve("late");
    await settle();
    expect(sockets).toEqual([]);
    expect(clock.timers).toEqual([]);
    expect(await outcome(chat.ready)).toMatchObject(closedError);
    expect(await outcome(room.ready)).toMatchObject(closedError);
  });

  test("between two attempts prevents the next one", async () => {
    const { chat, sockets, clock } = await connectChat();
    sockets[0]?.disconnect();
    chat.close();
    await clock.advance(60_000);
    expect(sockets).toHaveLength(1);
  });

  test("cancels the retry of a refused command", async () => {
    const { chat, room, socket, clock, welcome } = await connectToFake();
    await welcome();
    void room.send("one");
    socket.receiveError("rate_limited", { retry_after_ms: 5_000 });
    chat.close();
    expect(clock.timers).toEqual([]);
  });

  test("cancels the retry of a room that could not be opened", async () => {
    const { chat, socket, clock, begin } = await connectChat();
    await begin();
    chat.open("lobby");
    socket.receiveError("rate_limited", { retry_after_ms: 5_000 }, socket.opens[0]);
    chat.close();
    expect(clock.timers).toEqual([]);
  });

  test("in a listener prevents all further events", async () => {
    const { chat, room, welcome, events, chatEvents } = await connectToFake();
    room.on("status", () => chat.close());
    await welcome();
    expect(events.map(({ type }) => type)).toEqual(["status", "status", "closed"]);
    expect(chatEvents.map(({ type }) => type)).toEqual(["rooms", "status", "status", "closed"]);
  });

  test("in a listener for an error prevents the next attempt", async () => {
    const { chat, sockets, clock } = await connectChat();
    chat.on("error", () => chat.close());
    sockets[0]?.disconnect();
    expect(clock.timers).toEqual([]);
  });

  test("in a listener for the loss of the connection prevents the next attempt", async () => {
    const { chat, sockets, clock, begin } = await connectChat();
    await begin();
    chat.on("status", ({ status }) => status === "connecting" && chat.close());
    sockets[0]?.disconnect();
    await clock.advance(60_000);
    expect(sockets).toHaveLength(1);
    expect(clock.timers).toEqual([]);
  });
});
