import { describe, expect, test } from "bun:test";

import type { ParleyError } from "../../src/client/index.ts";
import { errorCodes } from "../../src/protocol/error-codes.ts";
import { settle } from "../support/samples.ts";
import { browserListeners } from "./support/browser-events.ts";
import {
  connectChat,
  connectToFake,
  message,
  opened,
  outcome,
  sessionHello,
  summary,
} from "./support/fake-server.ts";

describe("the delay before a reconnection", () => {
  test("is up to 500 ms, and doubles with each failure up to 30 seconds", async () => {
    const { clock, sockets } = await connectToFake();
    const delays: (number | undefined)[] = [];
    for (let n = 0; n < 9; n++) {
      sockets.at(-1)?.disconnect();
      delays.push(clock.timers[0]);
      await clock.advanceToNextTimer();
    }
    expect(delays).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test("has full jitter", async () => {
    const draws = [0, 0.25];
    const { clock, sockets } = await connectToFake({ random: () => draws.shift() ?? 0.5 });
    for (const expected of [0, 250, 1_000]) {
      sockets.at(-1)?.disconnect();
      expect(clock.timers).toEqual([expected]);
      await clock.advance(expected);
    }
  });

  test("starts again at 500 ms after a connection that lasted five seconds, and not before", async () => {
    const { clock, sockets, welcome } = await connectToFake();
    for (let n = 0; n < 4; n++) {
      sockets.at(-1)?.disconnect();
      await clock.advanceToNextTimer();
    }
    await welcome();
    sockets.at(-1)?.disconnect();
    expect(clock.timers).toEqual([8_000]);
    await clock.advance(8_000);
    await welcome();
    await clock.advance(5_000);
    sockets.at(-1)?.disconnect();
    expect(clock.timers).toEqual([500]);
  });

  test("is added to the time for which a restarting server asks", async () => {
    const { clock, sockets, welcome, chatEventsOf } = await connectToFake();
    await welcome();
    sockets[0]?.receive({ type: "restarting", retry_after_ms: 5_000 });
    expect(chatEventsOf("error")).toMatchObject([{ error: { code: "restarting" } }]);
    await clock.advance(2_000);
    sockets[0]?.disconnect(1012, "restarting");
    expect(clock.timers).toEqual([5_500]);
    await clock.advance(5_500);
    sockets[1]?.disconnect();
    expect(clock.timers).toEqual([1_000]);
  });
});

describe("after close code", () => {
  const stopCodes = new Set([4400, 4403, 4404]);
  const rows = [
    ...Object.entries(errorCodes).map(([reason, { close }]) => [close, reason] as const),
    ...[1000, 1001, 1002, 1006, 4403].map((code) => [code, ""] as const),
  ];
  const [stops, reconnects] = [true, false].map((stop) =>
    rows.filter(([code]) => stopCodes.has(code) === stop),
  ) as [typeof rows, typeof rows];

  test.each(stops)("%d %s the chat is closed, until retry()", async (code, reason) => {
    const { chat, room, clock, sockets, welcome, eventsOf, chatEventsOf } = await connectToFake();
    chat.on("closed", () => undefined);
    await welcome();
    const sent = outcome(room.send("one"));
    sockets[0]?.disconnect(code, reason);
    const expected = (reason || "internal") as ParleyError["code"];
    expect([chat.status, room.status]).toEqual(["closed", "closed"]);
    expect(chatEventsOf("closed")).toEqual([{ type: "closed", code, reason: expected }]);
    expect(eventsOf("closed")).toEqual([{ type: "closed", reason: expected }]);
    expect(await sent).toMatchObject({ code: expected });
    expect(clock.timers).toEqual([]);
    chat.retry();
    await settle();
    await welcome();
    expect([chat.status, room.status]).toEqual(["open", "open"]);
  });

  test("a room that is opened before retry() is closed until then", async () => {
    const { chat, sockets } = await connectChat();
    chat.on("closed", () => undefined);
    sockets[0]?.disconnect(4403, "forbidden");
    const room = chat.open("lobby");
    expect([room.status, await outcome(room.ready)]).toMatchObject(["closed", { code: "forbidden" }]);
    chat.retry();
    const { ready } = room;
    await settle();
    sockets[1]?.accept();
    sockets[1]?.receive(sessionHello([summary("lobby")]));
    sockets[1]?.receiveOpened(opened(1, [message(1)]));
    expect([room.status, await outcome(ready)]).toEqual(["open", undefined]);
  });

  test.each(reconnects)("%d %s the client reconnects", async (code, reason) => {
    const { clock, sockets, tokenRequests, welcome, eventsOf, chatEventsOf } = await connectToFake();
    await welcome();
    sockets[0]?.disconnect(code, reason);
    await clock.advance(500);
    expect(sockets).toHaveLength(2);
    expect(tokenRequests[1]).toEqual({ refresh: code === 4401 });
    await welcome();
    expect(eventsOf("status").map(({ status }) => status)).toEqual(["open", "connecting", "open"]);
    expect(chatEventsOf("status").map(({ status }) => status)).toEqual(["open", "connecting", "open"]);
  });
});

test("each failed attempt is reported as an error with the server's code, or `network`", async () => {
  const { clock, sockets, chatEventsOf } = await connectChat();
  sockets[0]?.disconnect(4401, "unauthorized");
  await clock.advanceToNextTimer();
  sockets[1]?.disconnect(1013, "too_many_connections");
  await clock.advanceToNextTimer();
  sockets[2]?.disconnect();
  expect(chatEventsOf("error")).toMatchObject([
    { error: { code: "unauthorized", message: "Connection refused: unauthorized." } },
    { error: { code: "too_many_connections", message: "Connection refused: too many connections." } },
    { error: { code: "network" } },
  ]);
});

test("an error event without a close event, as in old versions of Node, ends an attempt", async () => {
  const { clock, sockets, socket, chatEventsOf } = await connectChat();
  socket.dispatchEvent(new Event("error"));
  await clock.advance(0);
  expect(chatEventsOf("error")).toMatchObject([{ error: { code: "network" } }]);
  await clock.advance(500);
  expect(sockets).toHaveLength(2);
});

test("a lost connection is reported once, however many attempts fail", async () => {
  const { sockets, clock, welcome, eventsOf } = await connectToFake();
  await welcome();
  for (let n = 0; n < 3; n++) {
    sockets.at(-1)?.disconnect();
    await clock.advanceToNextTimer();
  }
  expect(eventsOf("status").map(({ status }) => status)).toEqual(["open", "connecting"]);
});

describe("when the browser reports", () => {
  test("online, or shows the page, an open connection is probed, and a lost one is made again at once", async () => {
    for (const type of ["online", "pageshow", "visibilitychange"]) {
      using browser = browserListeners();
      const { chat, sockets, begin } = await connectChat();
      await begin();
      browser.report(type);
      expect(sockets[0]?.sent).toMatchObject([{ type: "ping" }]);
      sockets[0]?.disconnect();
      browser.report(type);
      await settle();
      expect(sockets).toHaveLength(2);
      // An attempt in progress is left alone.
      browser.report(type);
      await settle();
      expect(sockets).toHaveLength(2);
      expect(sockets[1]?.closed).toBeUndefined();
      chat.close();
    }
  });

  test("that the page is hidden, nothing happens", async () => {
    using browser = browserListeners();
    const { socket, begin } = await connectChat();
    await begin();
    browser.document.visibilityState = "hidden";
    browser.report("visibilitychange");
    expect(socket.sent).toEqual([]);
  });

  test("online, the delay for which a server asked is kept", async () => {
    using browser = browserListeners();
    const { clock, sockets, socket, begin } = await connectChat();
    await begin();
    socket.receive({ type: "restarting", retry_after_ms: 20_000 });
    socket.disconnect(1012, "restarting");
    browser.report("online");
    await clock.advance(19_999);
    expect(sockets).toHaveLength(1);
    await clock.advance(501);
    expect(sockets).toHaveLength(2);
  });

  test("anything, a chat that the server has closed stays closed", async () => {
    using browser = browserListeners();
    const { chat, sockets, begin } = await connectChat();
    chat.on("closed", () => undefined);
    await begin();
    sockets[0]?.disconnect(4403, "forbidden");
    for (const type of ["online", "pageshow", "visibilitychange"]) browser.report(type);
    await settle();
    expect([chat.status, sockets.length]).toEqual(["closed", 1]);
  });
});

describe("when the browser reports offline", () => {
  test("an open connection is probed, and the chat is offline two seconds later, until it is online", async () => {
    using browser = browserListeners();
    const { chat, room, clock, sockets, socket, welcome } = await connectToFake();
    await welcome();
    browser.report("offline");
    expect(socket.sent).toMatchObject([{ type: "ping" }]);
    expect(chat.status).toBe("open");
    await clock.advance(2_000);
    expect([chat.status, room.status]).toEqual(["offline", "connecting"]);
    socket.disconnect();
    expect(chat.status).toBe("offline");
    browser.report("online");
    await settle();
    expect([chat.status, sockets.length]).toEqual(["connecting", 2]);
    await welcome();
    expect([chat.status, room.status]).toEqual(["open", "open"]);
    chat.close();
    expect(clock.timers).toEqual([]);
  });

  test("wrongly, and the server still answers, the chat stays open", async () => {
    using browser = browserListeners();
    const { chat, clock, socket, begin } = await connectChat();
    await begin();
    browser.report("offline");
    socket.receiveAck();
    await clock.advance(5_000);
    expect(chat.status).toBe("open");
  });

  test("a chat that is connecting is offline at once, and goes on trying", async () => {
    using browser = browserListeners();
    const { chat, clock, socket, begin } = await connectChat();
    socket.disconnect();
    browser.report("offline");
    await clock.advance(0);
    expect(chat.status).toBe("offline");
    await clock.advance(500);
    await begin();
    expect(chat.status).toBe("open");
  });
});

test("retry() connects at once, as an online event does", async () => {
  const { chat, sockets, begin } = await connectChat();
  await begin();
  sockets[0]?.disconnect();
  chat.retry();
  await settle();
  expect(sockets).toHaveLength(2);
});
