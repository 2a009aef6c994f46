import { describe, expect, test } from "bun:test";

import { ParleyError } from "../../src/client/index.ts";
import { settle } from "../support/samples.ts";
import { connectToFake, createdAt } from "./support/fake-server.ts";

const never = () => new Promise<string>(() => undefined);

describe("the token for a connection", () => {
  test("is requested with `refresh` once after it was rejected", async () => {
    const { clock, sockets, tokenRequests, welcome } = await connectToFake();
    sockets[0]?.disconnect(4401, "token_expired");
    await clock.advanceToNextTimer();
    // The new token has not been rejected: the network was lost.
    sockets[1]?.disconnect();
    await clock.advanceToNextTimer();
    await welcome();
    sockets[2]?.disconnect();
    await clock.advanceToNextTimer();
    expect(tokenRequests.map(({ refresh }) => refresh)).toEqual([false, true, false, false]);
  });

  test("is requested again if `token` throws, and the error is reported", async () => {
    let requests = 0;
    const failure = new Error("the provider is down");
    const token = () => {
      if (++requests < 3) throw failure;
      return "late";
    };
    const { clock, sockets, chatEventsOf } = await connectToFake({ token });
    await clock.advance(500);
    await clock.advance(1_000);
    expect(chatEventsOf("error").map(({ error }) => error)).toEqual([failure, failure]);
    expect(sockets.map(({ protocols }) => protocols[1])).toEqual(["bearer.late"]);
  });

  test("must not be empty", async () => {
    const { sockets, chatEventsOf } = await connectToFake({ token: () => undefined as never });
    expect(sockets).toEqual([]);
    expect(chatEventsOf("error")).toMatchObject([{ error: new TypeError("token() returned no token") }]);
  });

  test("is requested again if it takes more than a minute", async () => {
    let requests = 0;
    const token = () => {
      requests++;
      return never();
    };
    const { clock } = await connectToFake({ token });
    expect([requests, clock.timers]).toEqual([1, [60_000]]);
    await clock.advance(60_000);
    await clock.advanceToNextTimer();
    expect(requests).toBe(2);
  });

  test("is requested again if the network comes back meanwhile", async () => {
    const tokens = [never(), "late"];
    const { chat, sockets } = await connectToFake({ token: () => tokens.shift() ?? "later" });
    expect(sockets).toEqual([]);
    chat.retry();
    await settle();
    expect(sockets.map(({ protocols }) => protocols[1])).toEqual(["bearer.late"]);
  });
});

describe("when the token expires soon", () => {
  const expiring = { type: "token.expiring", expires_at: createdAt } as const;

  test("a new one is sent ahead of the commands that wait", async () => {
    const { room, socket, welcome, tokenRequests } = await connectToFake();
    await welcome();
    void room.send("one");
    void room.send("two");
    socket.receive(expiring);
    await settle();
    expect(socket.sent.map(({ type }) => type)).toEqual(["send", "auth"]);
    expect(socket.lastSent).toMatchObject({ token: "token-2" });
    expect(tokenRequests).toEqual([{ refresh: false }, { refresh: true }]);
    socket.receiveAck();
    expect(room.status).toBe("open");
  });

  test("and `token` fails, it is called again until it succeeds or the connection ends", async () => {
    const failure = new Error("not now");
    let requests = 0;
    const failing = new Set([2, 3]);
    const { room, socket, clock, welcome, chatEventsOf } = await connectToFake({
      token: () => (failing.delete(++requests) ? Promise.reject(failure) : `token-${requests}`),
    });
    await welcome();
    socket.receive(expiring);
    await settle();
    expect(chatEventsOf("error")).toEqual([{ type: "error", error: failure }]);
    await clock.advance(10_000);
    expect(socket.sent).toMatchObject([{ type: "auth", token: "token-4" }]);
    expect(chatEventsOf("error")).toHaveLength(2);
    expect(room.status).toBe("open");

    failing.add(5);
    socket.receive(expiring);
    await settle();
    socket.disconnect();
    await clock.advance(500);
    await welcome();
    await clock.advance(10_000);
    // The sixth is for the new connection.
    expect(requests).toBe(6);
  });

  test("and the server refuses the new one, that is reported", async () => {
    const { socket, welcome, chatEventsOf } = await connectToFake();
    await welcome();
    socket.receive(expiring);
    await settle();
    socket.receiveError("unauthorized");
    expect(chatEventsOf("error")).toEqual([{ type: "error", error: expect.any(ParleyError) as never }]);
  });

  test("and the new one arrives after the connection was lost, it is not sent on the next one", async () => {
    const late = Promise.withResolvers<string>();
    const { sockets, clock, welcome } = await connectToFake({
      token: ({ refresh }) => (refresh ? late.promise : "good"),
    });
    await welcome();
    sockets[0]?.receive(expiring);
    sockets[0]?.disconnect();
    await clock.advance(500);
    await welcome();
    late.resolve("late");
    await settle();
    expect(sockets.map(({ sent }) => sent)).toEqual([[], []]);
  });
});
