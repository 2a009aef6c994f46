import { describe, expect, test } from "bun:test";

import { connect } from "../../src/client/index.ts";
import {
  connectChat,
  connectToFake,
  created,
  createdAt,
  FakeSocket,
  message,
  opened,
  sessionHello,
  summary,
} from "./support/fake-server.ts";

describe("a connection", () => {
  test.each([
    ["http://chat.example.com", "ws://chat.example.com/ws/"],
    ["https://chat.example.com/", "wss://chat.example.com/ws/"],
    ["wss://example.com:8443/chat/?x=1#y", "wss://example.com:8443/chat/ws/"],
  ])("to %s uses %s", async (url, expected) => {
    const { socket } = await connectChat({ url });
    expect(socket.url).toBe(expected);
  });

  test("offers chat.v2 and the token as subprotocols", async () => {
    const { socket, tokenRequests } = await connectToFake();
    expect(socket.protocols).toEqual(["chat.v2", "bearer.token-1"]);
    expect(tokenRequests).toEqual([{ refresh: false }]);
  });

  test("resumes from `since`, and later from its own cursor", async () => {
    const since = { seq: 7, rev: 9, created_at: createdAt };
    const { socket, begin, welcome, clock, sockets } = await connectToFake({ since });
    await begin([summary("lobby", { seq: 8, rev: 12 })]);
    expect(socket.opens).toMatchObject([{ room: "lobby", since: 9 }]);
    await welcome(opened(12, [message(8, 12)], { resumed: true }));
    socket.disconnect();
    await clock.advance(500);
    await begin([summary("lobby", { seq: 8, rev: 12 })]);
    expect(sockets[1]?.opens).toMatchObject([{ room: "lobby", since: 12 }]);
  });

  test("with an invalid option throws a TypeError at once", () => {
    const options = { url: "http://chat.example.com", token: () => "x" };
    for (const url of ["localhost:8080", "chat"])
      expect(() => connect({ ...options, url })).toThrow(TypeError);
    expect(() => connect({ ...options, WebSocket: null as never })).toThrow("No WebSocket");
  });

  test("does not open a room without an id", async () => {
    const { chat } = await connectChat();
    expect(() => chat.open("")).toThrow(new TypeError("The id of the room is empty"));
  });

  test("is given up if it does not open within 30 seconds", async () => {
    const { room, socket, sockets, clock } = await connectToFake();
    await clock.advance(29_999);
    expect(socket.closed).toBeUndefined();
    await clock.advance(1);
    expect(socket.closed).toBeDefined();
    await clock.advance(500);
    expect(sockets).toHaveLength(2);
    // Frames of the abandoned socket are ignored.
    socket.receive(opened(1, [message(1)]));
    expect(room.messages).toEqual([]);
    expect(sockets[1]?.closed).toBeUndefined();
  });

  test("is given up if the hello does not follow within 60 seconds", async () => {
    const { socket, clock } = await connectToFake();
    await clock.advance(29_000);
    socket.accept();
    await clock.advance(59_999);
    expect(socket.closed).toBeUndefined();
    await clock.advance(1);
    expect(socket.closed).toBeDefined();
  });

  test("is terminated when it is lost, if its class has `terminate`", async () => {
    const calls: string[] = [];
    const sockets: FakeSocket[] = [];
    const { chat, clock } = await connectChat({
      WebSocket: class extends FakeSocket {
        constructor(url: string, protocols: string[]) {
          super(url, protocols);
          sockets.push(this);
        }
        terminate(): void {
          calls.push("terminate");
        }
        override close(code?: number): void {
          calls.push(`close ${code}`);
        }
      },
    });
    await clock.advance(30_000 + 500);
    expect(calls).toEqual(["terminate"]);
    sockets[1]?.receive(sessionHello([]));
    chat.close();
    expect(calls).toEqual(["terminate", "close 1000"]);
  });
});

describe("a frame", () => {
  test("before the hello is ignored", async () => {
    const { room, socket } = await connectToFake();
    socket.receiveInLobby({ type: "changes", rev: 1, messages: [message(1)] });
    expect(room.messages).toEqual([]);
  });

  test.each([
    "",
    "{",
    "null",
    "1",
    "[]",
    "{}",
    '{"type":"poll","rev":7}',
    '{"type":"toString"}',
    '{"type":"change"}',
    '{"type":"changes","rev":3}',
    '{"type":"changes","messages":[]}',
    '{"type":"hello","rooms":[1]}',
    '{"type":"hello"}',
  ])("%p is invalid or unknown, and ignored", async (frame) => {
    const { room, socket, welcome, events, eventsOf } = await connectToFake();
    await welcome();
    const before = events.length;
    socket.receive(frame);
    expect(events).toHaveLength(before);
    socket.receive(created(1));
    expect(room.messages).toEqual([message(1)]);
    expect(eventsOf("change")).toHaveLength(1);
    expect(room.status).toBe("open");
  });

  test.each([
    '{"type":"hello","rooms":[]}',
    '{"type":"read"}',
    '{"type":"presence","online":true,"room":"lobby"}',
    '{"type":"room"}',
  ])("%s lacks a field: the client reports an error, and reconnects", async (frame) => {
    const { room, socket, clock, sockets, welcome, chatEventsOf } = await connectToFake();
    await welcome();
    socket.receive(frame);
    expect(socket.closed).toBeDefined();
    expect(chatEventsOf("error")).toHaveLength(1);
    await clock.advance(500);
    expect(sockets).toHaveLength(2);
    await welcome();
    expect(room.status).toBe("open");
  });

  test("with an error that answers no command is reported", async () => {
    const { socket, begin, chatEventsOf } = await connectChat();
    await begin();
    socket.receive({ type: "error", code: "invalid_command", message: "A frame is one JSON object." });
    expect(chatEventsOf("error")).toMatchObject([{ error: { code: "invalid_command" } }]);
  });
});

describe("a change that does not follow the last one", () => {
  test("makes the client open the room again, and resume", async () => {
    const { chat, room, socket, welcome } = await connectToFake();
    await welcome(opened(1, [message(1)]));
    socket.receive(created(3));
    expect(room.messages).toEqual([message(1)]);
    expect(socket.opens).toMatchObject([{ room: "lobby" }, { room: "lobby", since: 1 }]);
    expect([chat.status, room.status]).toEqual(["open", "connecting"]);
    // What comes before the answer belongs to the earlier subscription.
    socket.receive(created(4));
    expect(socket.opens).toHaveLength(2);
    socket.receiveOpened(opened(4, [message(2), message(3), message(4)], { resumed: true }));
    expect(room.messages).toEqual([1, 2, 3, 4].map((seq) => message(seq)));
    expect(room.status).toBe("open");
  });

  test("is ignored if it is known already", async () => {
    const { room, sockets, welcome, eventsOf } = await connectToFake();
    await welcome(opened(2, [message(1), message(2)]));
    sockets[0]?.receive(created(2));
    expect(room.status).toBe("open");
    expect(eventsOf("change")).toEqual([]);
  });
});
