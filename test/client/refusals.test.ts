import { describe, expect, test } from "bun:test";

import { ParleyError } from "../../src/client/index.ts";
import { connectToFake, opened, outcome, type SentFrame } from "./support/fake-server.ts";

/** The lobby, in slow mode. */
function slow(seconds: number) {
  const frame = opened(0, []);
  frame.room.slow_mode = seconds;
  return frame;
}

describe("a command refused with", () => {
  test.each([
    "rate_limited",
    "too_many_connections",
    "storage_unavailable",
    "keys_unavailable",
    "restarting",
  ])("%s is repeated after the time the server gave and up to 2 seconds, before the others", async (code) => {
    const { room, socket, clock, welcome } = await connectToFake();
    await welcome();
    const sent = [room.send("one"), room.send("two")];
    socket.receiveError(code, { retry_after_ms: 700 });
    await clock.advance(2_699);
    expect(socket.sentTexts).toEqual(["one"]);
    await clock.advance(1);
    expect(socket.sentTexts).toEqual(["one", "one"]);
    socket.receiveAck();
    socket.receiveAck();
    await Promise.all(sent);
    expect(socket.sentTexts).toEqual(["one", "one", "two"]);
  });

  test.each([
    "invalid_message",
    "message_too_long",
    "forbidden",
    "message_not_found",
    "conflict",
    "internal",
  ])("%s fails, and the next one is sent", async (code) => {
    const { room, socket, welcome, eventsOf } = await connectToFake();
    await welcome();
    const sent = room.send("one");
    void room.send("two");
    socket.receiveError(code);
    const error = await outcome(sent);
    expect(error).toBeInstanceOf(ParleyError);
    expect(error).toMatchObject({ code, message: `It is ${code}.` });
    expect(eventsOf("failed")).toEqual([
      {
        type: "failed",
        room: "lobby",
        command: "send",
        error: error as ParleyError,
        message: expect.objectContaining({ text: "one" }) as never,
      },
    ]);
    expect(room.pending).toMatchObject([
      { text: "one", status: "failed", error },
      { text: "two", status: "waiting" },
    ]);
    // One event for each `send`, and one for the failure.
    expect(eventsOf("pending")).toHaveLength(3);
    expect(socket.sentTexts).toEqual(["one", "two"]);
  });

  test("rate_limited is reported with the time to wait", async () => {
    const { room, socket, welcome, eventsOf } = await connectToFake();
    await welcome();
    void room.send("one");
    socket.receiveError("rate_limited", { retry_after_ms: 700 });
    expect(eventsOf("error")).toMatchObject([{ error: { code: "rate_limited", retryAfterMs: 700 } }]);
    expect(eventsOf("failed")).toEqual([]);
  });

  test("a time to wait waits as long on the next connection", async () => {
    const { room, sockets, clock, welcome } = await connectToFake();
    await welcome();
    void room.send("one");
    sockets[0]?.receiveError("rate_limited", { retry_after_ms: 20_000 });
    sockets[0]?.disconnect();
    await clock.advance(500);
    await welcome();
    await clock.advance(21_499);
    expect(sockets[1]?.sent).toEqual([]);
    await clock.advance(1);
    expect(sockets[1]?.sentTexts).toEqual(["one"]);
  });

  test("no time to wait is repeated with exponential backoff", async () => {
    const { room, socket, clock, welcome } = await connectToFake();
    await welcome();
    const delays: number[] = [];
    for (const text of ["one", "two"]) {
      void room.send(text);
      for (let n = 0; n < 3; n++) {
        socket.receiveError("storage_unavailable");
        // The other timer is the next probe.
        delays.push(clock.timers[0] ?? 0);
        await clock.advanceToNextTimer();
      }
      socket.receiveAck();
    }
    expect(delays).toEqual([500, 1_000, 2_000, 500, 1_000, 2_000]);
  });

  test("a retryable error ignores an ack until it is repeated", async () => {
    const { room, socket, clock, welcome } = await connectToFake();
    await welcome();
    const sent = room.send("one");
    socket.receiveError("rate_limited");
    socket.receiveAck(9, 9);
    await clock.advance(500);
    expect(socket.sentTexts).toEqual(["one", "one"]);
    socket.receiveAck(1, 1);
    expect(await sent).toEqual({ seq: 1, rev: 1 });
  });

  test("rate_limited in slow mode holds up the messages, and nothing else", async () => {
    const { room, socket, clock, welcome } = await connectToFake();
    await welcome(slow(3_600));
    const [first, second] = [room.send("one"), room.send("two")];
    socket.receiveError("rate_limited", { retry_after_ms: 20_000 });
    const reaction = room.react(1, "👍");
    socket.receiveAck(1, 2);
    expect(await reaction).toEqual({ seq: 1, rev: 2 });
    await clock.advance(21_999);
    expect(socket.sentTexts).toEqual(["one"]);
    expect(room.pending).toMatchObject([{ status: "waiting" }, { status: "waiting" }]);
    await clock.advance(1);
    socket.receiveAck(2, 3);
    expect(await first).toEqual({ seq: 2, rev: 3 });
    socket.receiveAck(3, 4);
    expect(await second).toEqual({ seq: 3, rev: 4 });
    expect(socket.sentTexts).toEqual(["one", "one", "two"]);
  });

  test("rate_limited in slow mode is repeated when the settings or the role of the user change", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome(slow(3_600));
    void room.send("one");
    const me = room.me!;
    const notices: SentFrame[] = [
      {
        type: "room",
        room: { id: "lobby", name: "Lobby", access: "open", posting: "members", slow_mode: 5 },
      },
      { type: "member", room: "lobby", user: me, role: "moderator" },
    ];
    for (const notice of notices) {
      const before = socket.sentTexts.length;
      socket.receiveError("rate_limited", { retry_after_ms: 60_000 });
      socket.receive(notice);
      expect(socket.sentTexts).toHaveLength(before + 1);
    }
    expect([room.slowMode, room.access, room.posting, room.role]).toEqual([
      5,
      "open",
      "members",
      "moderator",
    ]);
    socket.receiveError("forbidden", { until: "2030-01-01T00:00:00.000Z" });
    const error = { code: "forbidden", until: "2030-01-01T00:00:00.000Z" };
    expect(room.pending).toMatchObject([{ status: "failed", error }]);
  });

  test("close code 1009, because its frame is too long, fails, and the next one is sent", async () => {
    const { room, sockets, clock, welcome } = await connectToFake();
    await welcome();
    const sent = [room.send("long"), room.send("short")] as const;
    sockets[0]?.disconnect(1009);
    expect(await outcome(sent[0])).toMatchObject({ code: "message_too_long" });
    await clock.advance(500);
    await welcome();
    expect(sockets.map((socket) => socket.sentTexts)).toEqual([["long"], ["short"]]);
  });

  test("the end of the room fails with its reason, as do later ones", async () => {
    const { room, socket, welcome, chatEventsOf } = await connectToFake();
    await welcome();
    const sent = [room.send("one"), room.send("two")];
    socket.receiveInLobby({ type: "left", reason: "removed" });
    const expected = { code: "removed", message: "Connection closed: removed." };
    for (const ack of sent) expect(await outcome(ack)).toMatchObject(expected);
    expect(chatEventsOf("failed")).toHaveLength(2);
    expect(await outcome(room.send("three"))).toMatchObject({ code: "removed" });
  });
});
