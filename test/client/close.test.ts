import { describe, expect, test } from "bun:test";

import { connect } from "../../src/client/index.ts";
import { settle } from "../support/samples.ts";
import { connectToFake, created, FakeSocket, outcome } from "./support/fake-server.ts";

const closedError = { code: "closed" };

describe("close()", () => {
  test("leaves no timer, listener, promise or iterator behind", async () => {
    const listeners: Record<string, number> = {};
    const { addEventListener } = globalThis;
    const countListener = (type: string, _: unknown, { signal }: { signal: AbortSignal }) => {
      listeners[type] = (listeners[type] ?? 0) + 1;
      signal.addEventListener("abort", () => (listeners[type] = (listeners[type] ?? 0) - 1));
    };
    Object.assign(globalThis, { addEventListener: countListener });
    try {
      const { room, clock, socket, welcome, eventsOf } = await connectToFake();
      expect(listeners).toEqual({ online: 1, offline: 1 });
      await welcome();
      const sent = [room.send("one"), room.edit(1, "two"), room.read(3)];
      const iterator = room[Symbol.asyncIterator]();
      const next = iterator.next();
      room.close();
      room.close();
      expect(socket.closed).toEqual({ code: 1000 });
      expect(clock.timers).toEqual([]);
      expect(listeners).toEqual({ online: 0, offline: 0 });
      for (const ack of sent) expect(await outcome(ack)).toMatchObject(closedError);
      expect((await next).done).toBe(false);
      let buffered = 0;
      while (!(await iterator.next()).done) buffered++;
      expect(buffered).toBeGreaterThan(0);
      expect(eventsOf("closed")).toEqual([{ type: "closed", code: 1000, reason: "closed" }]);
      expect(room.pending).toEqual([]);

      // Nothing happens afterwards.
      socket.receive(created(1));
      socket.disconnect();
      expect(clock.timers).toEqual([]);
      expect(room.messages).toEqual([]);
      expect(await outcome(room.send("late"))).toMatchObject(closedError);
      expect(room.pending).toEqual([]);
    } finally {
      Object.assign(globalThis, { addEventListener });
    }
  });

  test("right after connect prevents the request for a token", async () => {
    let requests = 0;
    const room = connect({
      url: "ws://chat.example.com",
      room: "lobby",
      token: () => String(++requests),
      WebSocket: FakeSocket,
    });
    room.close();
    await settle();
    expect(requests).toBe(0);
  });

  test("during the request for a token prevents the connection, and rejects `ready`", async () => {
    const late = Promise.withResolvers<string>();
    const { room, sockets, clock } = await connectToFake({ token: () => late.promise });
    room.close();
    late.resolve("late");
    await settle();
    expect(sockets).toEqual([]);
    expect(clock.timers).toEqual([]);
    expect(await outcome(room.ready)).toMatchObject(closedError);
  });

  test("between two attempts prevents the next one", async () => {
    const { room, sockets, clock } = await connectToFake();
    sockets[0]?.disconnect();
    room.close();
    await clock.advance(60_000);
    expect(sockets).toHaveLength(1);
  });

  test("cancels the retry of a refused command", async () => {
    const { room, socket, clock, welcome } = await connectToFake();
    await welcome();
    void room.send("one");
    socket.receiveError("rate_limited", { retry_after_ms: 5_000 });
    room.close();
    expect(clock.timers).toEqual([]);
  });

  test("in a listener prevents all further events", async () => {
    const { room, welcome, events } = await connectToFake();
    room.on("status", () => room.close());
    await welcome();
    expect(events.map(({ type }) => type)).toEqual(["status", "status", "closed"]);
  });

  test("in a listener for an error prevents the next attempt", async () => {
    const { room, sockets, clock } = await connectToFake();
    room.on("error", () => room.close());
    sockets[0]?.disconnect();
    expect(clock.timers).toEqual([]);
  });

  test("in a listener for the loss of the connection prevents the next attempt", async () => {
    const { room, sockets, clock, welcome } = await connectToFake();
    await welcome();
    room.on("status", ({ status }) => status === "connecting" && room.close());
    sockets[0]?.disconnect();
    await clock.advance(60_000);
    expect(sockets).toHaveLength(1);
    expect(clock.timers).toEqual([]);
  });
});
