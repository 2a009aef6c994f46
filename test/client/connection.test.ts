import { describe, expect, test } from "bun:test";

import { connect, ParleyError } from "../../src/client/index.ts";
import { answers } from "../../src/protocol/error-codes.ts";
import { settle } from "../support/people.ts";
import { TestClock } from "./support/clock.ts";
import { created, createdAt, hello, message, TestSocket, world } from "./support/fake-server.ts";

const since = { seq: 7, rev: 9, created_at: createdAt };

/** An event of the browser's. */
const happen = (type: string) => (globalThis as unknown as EventTarget).dispatchEvent(new Event(type));

describe("a connection", () => {
  test.each([
    ["http://chat.example.com", "ws://chat.example.com/ws/chat/lobby/"],
    ["https://chat.example.com/", "wss://chat.example.com/ws/chat/lobby/"],
    ["wss://example.com:8443/chat/?x=1#y", "wss://example.com:8443/chat/ws/chat/lobby/"],
  ])("to %s goes to %s", async (url, expected) => {
    const { socket } = await world({ url });
    expect(socket.url).toBe(expected);
  });

  test("offers the protocol, and the token beside it", async () => {
    const { socket, asked } = await world();
    expect(socket.protocols).toEqual(["chat.v2", "bearer.token-1"]);
    expect(asked).toEqual([{ refresh: false }]);
  });

  test("begins where its caller was, and goes on from where it is", async () => {
    const { socket, open, clock, sockets } = await world({ since });
    expect(socket.url).toEndWith("/lobby/?since=9");
    await open(hello(12, [message(8, 12)], { resumed: true }));
    socket.end();
    await clock.pass(500);
    expect(sockets[1]?.url).toEndWith("/lobby/?since=12");
  });

  test("is not even tried to what is no address of a server, nor without a WebSocket", () => {
    const options = { room: "lobby", token: () => "" };
    expect(() => connect({ ...options, url: "localhost:8080" })).toThrow(TypeError);
    expect(() => connect({ ...options, url: "chat" })).toThrow(TypeError);
    expect(() => connect({ ...options, url: "ws://x", WebSocket: null as never })).toThrow("no WebSocket");
  });

  test("that is open has a minute for its hello, which may be long on a slow line", async () => {
    const { socket, clock } = await world();
    await clock.pass(29_000);
    socket.accept();
    await clock.pass(59_999);
    expect(socket.closed).toBeUndefined();
    await clock.pass(1);
    expect(socket.closed).toBeDefined();
  });

  test("that does not open is given up", async () => {
    const { room, socket, sockets, clock } = await world();
    await clock.pass(29_999);
    expect(socket.closed).toBeUndefined();
    await clock.pass(1);
    expect(socket.closed).toBeDefined();
    await clock.pass(500);
    expect(sockets).toHaveLength(2);
    // What the first one says now is not heard.
    socket.say(hello(1, [message(1)]));
    expect(room.messages).toEqual([]);
    expect(sockets[1]?.closed).toBeUndefined();
  });

  test("ignores what is no frame, and frames of a later protocol", async () => {
    const { room, socket, open, told } = await world();
    socket.say({ type: "changes", rev: 1, messages: [message(1)] });
    expect(room.messages).toEqual([]);
    await open();
    for (const frame of ["", "{", "null", "1", "[]", "{}", '{"type":"poll","rev":7}', '{"type":"toString"}'])
      socket.say(frame);
    for (const frame of [
      '{"type":"change"}',
      '{"type":"changes","rev":3}',
      '{"type":"changes","messages":[]}',
      '{"type":"hello","messages":[1]}',
    ])
      socket.say(frame);
    socket.say(created(1));
    expect(room.messages).toEqual([message(1)]);
    expect(told("change")).toHaveLength(1);
    expect(room.status).toBe("open");
  });
});

test.each(['{"type":"hello","rev":1,"messages":[]}', '{"type":"presence","online":true}', '{"type":"room"}'])(
  "a server that says %s is none of ours: it is told, and left for another try",
  async (frame) => {
    const { room, socket, clock, sockets, open, told } = await world();
    await open();
    socket.say(frame);
    expect(socket.closed).toBeDefined();
    expect(told("error")).toHaveLength(1);
    await clock.pass(500);
    expect(sockets).toHaveLength(2);
    await open();
    expect(room.status).toBe("open");
  },
);

test("a connection that is lost is not waited for, where its class can do that", async () => {
  const ends: string[] = [];
  class Terminable extends TestSocket {
    terminate(): void {
      ends.push("terminate");
    }
    override close(code?: number): void {
      ends.push(`close ${code}`);
    }
  }
  const made: TestSocket[] = [];
  const { room, clock } = await world({
    WebSocket: class extends Terminable {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        made.push(this);
      }
    },
  });
  await clock.pass(30_000 + 500);
  expect(ends).toEqual(["terminate"]);
  made[1]?.say(hello(0, []));
  room.close();
  expect(ends).toEqual(["terminate", "close 1000"]);
});

describe("after a connection was lost", () => {
  test("the next try comes within half a second, then within twice as long each time, up to 30 seconds", async () => {
    const { clock, sockets } = await world();
    const longest: (number | undefined)[] = [];
    for (let time = 0; time < 9; time++) {
      sockets.at(-1)?.end();
      longest.push(clock.due[0]);
      await clock.pass(clock.due[0] ?? 0);
    }
    expect(longest).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test("chance says when, from at once on", async () => {
    const draws = [0, 0.25];
    const { clock, sockets } = await world({ random: () => draws.shift() ?? 0.5 });
    for (const expected of [0, 250, 1_000]) {
      sockets.at(-1)?.end();
      expect(clock.due).toEqual([expected]);
      await clock.pass(expected);
    }
  });

  test("a connection that lasted five seconds makes the waits short again, and the first one too is drawn", async () => {
    const { clock, sockets, open } = await world();
    for (let time = 0; time < 4; time++) {
      sockets.at(-1)?.end();
      await clock.pass(clock.due[0] ?? 0);
    }
    await open();
    sockets.at(-1)?.end();
    // One that ends at once does not.
    expect(clock.due).toEqual([8000]);
    await clock.pass(8000);
    await open();
    await clock.pass(5000);
    sockets.at(-1)?.end();
    expect(clock.due).toEqual([500]);
  });

  test("an error that no close follows, as in older Nodes, is the end of a try as well", async () => {
    const { clock, sockets, socket, told } = await world();
    socket.dispatchEvent(new Event("error"));
    await clock.pass(0);
    expect(told("error")).toMatchObject([{ error: { code: "network" } }]);
    await clock.pass(500);
    expect(sockets).toHaveLength(2);
  });

  test("whoever is not let in hears why, at each try", async () => {
    const { clock, sockets, told } = await world();
    sockets[0]?.end(4401, "unauthorized");
    await clock.pass(clock.due[0] ?? 0);
    sockets[1]?.end(1013, "storage_unavailable");
    await clock.pass(clock.due[0] ?? 0);
    sockets[2]?.end(1006);
    expect(told("error").map(({ error }) => (error as ParleyError).code)).toEqual([
      "unauthorized",
      "storage_unavailable",
      "network",
    ]);
  });

  test("a token that is none is an error, and a room without an id is none", async () => {
    const { sockets, told } = await world({ token: () => undefined as never });
    expect(sockets).toEqual([]);
    expect(told("error")).toMatchObject([{ error: new TypeError("`token` gave none") }]);
    const url = "http://chat.example.com";
    expect(() => connect({ url, room: "", token: () => "x" })).toThrow(TypeError);
  });

  test("a token that never comes is asked for again after a minute", async () => {
    let times = 0;
    const token = () => {
      times++;
      return new Promise<string>(() => undefined);
    };
    const { clock } = await world({ token });
    expect([times, clock.due]).toEqual([1, [60_000]]);
    await clock.pass(60_000);
    await clock.pass(clock.due[0] ?? 0);
    expect(times).toBe(2);
  });

  test("the network's return does not hurry a server that wants to be left alone", async () => {
    const { clock, sockets, socket, open } = await world();
    await open();
    socket.say({ type: "restarting", retry_after_ms: 20_000 });
    socket.end(1012, "restarting");
    happen("online");
    await clock.pass(19_999);
    expect(sockets).toHaveLength(1);
    await clock.pass(501);
    expect(sockets).toHaveLength(2);
  });

  test.each(Object.entries(answers))(
    "by %s the client does what the protocol says",
    async (word, { close }) => {
      const { room, clock, sockets, asked, open, told } = await world();
      await open();
      sockets[0]?.end(close, word);
      await clock.pass(500);
      const stops = [4400, 4403, 4404].includes(close);
      expect(sockets).toHaveLength(stops ? 1 : 2);
      expect(asked.slice(1)).toEqual(stops ? [] : [{ refresh: close === 4401 }]);
      expect(room.status).toBe(stops ? "closed" : "connecting");
      expect(told("closed")).toEqual(stops ? [{ type: "closed", code: close, reason: word as never }] : []);
      if (stops) expect(clock.due).toEqual([]);
    },
  );

  test.each([1000, 1001, 1002, 1006, 1011, 1012, 1013, 4429])("by %d it connects again", async (code) => {
    const { clock, sockets, open, told } = await world();
    await open();
    sockets[0]?.end(code);
    await clock.pass(500);
    expect(sockets).toHaveLength(2);
    await open();
    expect(told("status").map(({ status }) => status)).toEqual(["open", "connecting", "open"]);
  });

  test("a fresh token that is refused again is renewed ever more slowly", async () => {
    const { clock, sockets, asked } = await world();
    const waits: (number | undefined)[] = [];
    for (let time = 0; time < 4; time++) {
      sockets.at(-1)?.end(4401, "unauthorized");
      waits.push(clock.due[0]);
      await clock.pass(clock.due[0] ?? 0);
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000]);
    expect(asked.map(({ refresh }) => refresh)).toEqual([false, true, true, true, true]);
  });

  test("a token that was renewed is asked for as usual again, once it was good", async () => {
    const { clock, sockets, asked, open } = await world();
    sockets[0]?.end(4401, "token_expired");
    await clock.pass(500);
    await open();
    sockets[1]?.end();
    await clock.pass(clock.due[0] ?? 0);
    expect(asked.map(({ refresh }) => refresh)).toEqual([false, true, false]);
  });

  test("a fresh token that nobody has refused is not replaced because the network is away", async () => {
    const { clock, sockets, asked } = await world();
    sockets[0]?.end(4401, "token_expired");
    for (let time = 0; time < 3; time++) {
      await clock.pass(clock.due[0] ?? 0);
      sockets.at(-1)?.end();
    }
    expect(asked.map(({ refresh }) => refresh)).toEqual([false, true, false, false]);
  });

  test("a token that can't be had is told, and tried again", async () => {
    let asked = 0;
    const failure = new Error("the provider is away");
    const token = () => {
      if (++asked < 3) throw failure;
      return "late";
    };
    const { clock, sockets, told } = await world({ token });
    await clock.pass(500);
    await clock.pass(1_000);
    expect(told("error").map(({ error }) => error)).toEqual([failure, failure]);
    expect(sockets.map(({ protocols }) => protocols[1])).toEqual(["bearer.late"]);
  });

  test("a token that is not given is asked for again when the network comes back", async () => {
    const given = [new Promise<string>(() => undefined), "late"];
    const { sockets } = await world({ token: () => given.shift() ?? "later" });
    expect(sockets).toEqual([]);
    happen("online");
    await settle();
    expect(sockets.map(({ protocols }) => protocols[1])).toEqual(["bearer.late"]);
  });

  test("a server that restarts is left alone for as long as it asks, and a while", async () => {
    const { clock, sockets, open } = await world();
    await open();
    sockets[0]?.say({ type: "restarting", retry_after_ms: 5_000 });
    await clock.pass(2_000);
    sockets[0]?.end(1012, "restarting");
    expect(clock.due).toEqual([5_500]);
    await clock.pass(5_500);
    sockets[1]?.end(1006);
    expect(clock.due).toEqual([1_000]);
  });

  test("the network that comes back is used at once, and a connection that stood is asked whether it does", async () => {
    const { room, clock, sockets, open } = await world();
    await open();
    happen("offline");
    expect(sockets[0]?.last).toMatchObject({ type: "read", seq: 0 });
    await clock.pass(10_000);
    expect(sockets[0]?.closed).toBeDefined();
    expect(sockets).toHaveLength(1);
    room.retry();
    await settle();
    expect(sockets).toHaveLength(2);
    // While it connects there is nothing to hurry.
    happen("online");
    await settle();
    expect(sockets).toHaveLength(2);
    await open();
    happen("online");
    expect(sockets[1]?.sent).toMatchObject([{ type: "read", seq: 0 }]);
  });
});

describe("a server that says nothing", () => {
  test("for 30 seconds is asked for a word, and replaced when none comes in ten", async () => {
    const { room, clock, socket, open } = await world();
    await open();
    await clock.pass(29_999);
    expect(socket.sent).toEqual([]);
    await clock.pass(1);
    expect(socket.sent).toEqual([{ type: "read", id: expect.any(String), seq: 0 }]);
    await clock.pass(9_999);
    expect(room.status).toBe("open");
    await clock.pass(1);
    expect(room.status).toBe("connecting");
    expect(socket.closed).toBeDefined();
  });

  test.each(["ack", "error", "typing"])("and then says %s lives", async (type) => {
    const { room, clock, socket, open } = await world();
    await open();
    for (let time = 1; time <= 3; time++) {
      await clock.pass(time === 1 ? 30_000 : 20_000);
      expect(socket.sent).toHaveLength(time);
      socket.say(JSON.stringify({ type, id: "probe", code: "rate_limited", user: {}, seq: 0, rev: 0 }));
      await clock.pass(10_000);
    }
    expect(room.status).toBe("open");
  });

  test("is not given more time by being asked again", async () => {
    const { room, clock, socket, open } = await world();
    await open();
    happen("offline");
    await clock.pass(9_000);
    happen("online");
    expect(socket.sent).toHaveLength(1);
    await clock.pass(1_000);
    expect(room.status).toBe("connecting");
  });

  test("is not asked while it talks", async () => {
    const { clock, socket, open } = await world();
    await open();
    for (let seq = 1; seq <= 10; seq++) {
      await clock.pass(20_000);
      socket.say(created(seq));
    }
    expect(socket.sent).toEqual([]);
  });
});

describe("a token that is about to end", () => {
  const expiring = { type: "token.expiring", expires_at: createdAt } as const;

  test("is replaced ahead of everything that waits", async () => {
    const { room, socket, open, asked } = await world();
    await open();
    void room.send("one");
    void room.send("two");
    socket.say(expiring);
    await settle();
    expect(socket.sent.map(({ type }) => type)).toEqual(["send", "auth"]);
    expect(socket.last).toMatchObject({ token: "token-2" });
    expect(asked).toEqual([{ refresh: false }, { refresh: true }]);
    socket.ack();
    expect(room.status).toBe("open");
  });

  test("and can't be replaced leaves the connection as it is, says so, and is asked for again", async () => {
    const failure = new Error("not now");
    let asked = 0;
    const failing = new Set([2, 3]);
    const { room, socket, clock, open, told } = await world({
      token: () => (failing.delete(++asked) ? Promise.reject(failure) : `token-${asked}`),
    });
    await open();
    socket.say(expiring);
    await settle();
    expect(told("error")).toEqual([{ type: "error", error: failure }]);
    await clock.pass(10_000);
    expect(socket.sent).toMatchObject([{ type: "auth", token: "token-4" }]);
    expect(told("error")).toHaveLength(2);
    expect(room.status).toBe("open");
    // Not on a later connection.
    failing.add(5);
    socket.say(expiring);
    await settle();
    socket.end();
    await clock.pass(500);
    await open();
    await clock.pass(10_000);
    expect(asked).toBe(6);
  });

  test("and is replaced by another that is refused is told too", async () => {
    const { socket, open, told } = await world();
    await open();
    socket.say(expiring);
    await settle();
    socket.refuse("unauthorized");
    expect(told("error")).toEqual([{ type: "error", error: expect.any(ParleyError) as never }]);
  });

  test("is not replaced on a later connection", async () => {
    const late = Promise.withResolvers<string>();
    const { sockets, clock, open } = await world({
      token: ({ refresh }) => (refresh ? late.promise : "good"),
    });
    await open();
    sockets[0]?.say(expiring);
    sockets[0]?.end();
    await clock.pass(500);
    await open();
    late.resolve("late");
    await settle();
    expect(sockets.map(({ sent }) => sent)).toEqual([[], []]);
  });
});

describe("a change that does not follow the last one", () => {
  test("makes the client ask at once for what it missed", async () => {
    const { room, clock, sockets, open } = await world();
    await open(hello(1, [message(1)]));
    await clock.pass(1_000);
    sockets[0]?.say(created(3));
    expect(room.messages).toEqual([message(1)]);
    await clock.pass(0);
    expect(sockets[0]?.closed).toBeDefined();
    expect(sockets[1]?.url).toEndWith("?since=1");
    await open(hello(3, [message(2), message(3)], { resumed: true }));
    expect(room.messages).toEqual([message(1), message(2), message(3)]);
  });

  test("does not make it turn in a circle", async () => {
    const { clock, sockets, open } = await world();
    await open(hello(1, [message(1)]));
    sockets[0]?.say(created(3));
    expect(clock.due).toEqual([500]);
  });

  test("and was seen before is nothing", async () => {
    const { room, sockets, open, told } = await world();
    await open(hello(2, [message(1), message(2)]));
    sockets[0]?.say(created(2));
    expect(room.status).toBe("open");
    expect(told("change")).toEqual([]);
  });
});

describe("close()", () => {
  test("leaves nothing behind: no timer, no listener, no promise, no reader; twice is once", async () => {
    const added = new Map<string, number>();
    const { addEventListener } = globalThis;
    const count = (type: string, by: number) => void added.set(type, (added.get(type) ?? 0) + by);
    const add = (type: string, _: unknown, { signal }: { signal: AbortSignal }) => {
      count(type, 1);
      signal.addEventListener("abort", () => count(type, -1));
    };
    Object.assign(globalThis, { addEventListener: add });
    try {
      const { room, clock, socket, open, told } = await world();
      expect(added.get("online")).toBe(1);
      await open();
      const sent = [room.send("one"), room.edit(1, "two"), room.read(3)];
      const reader = room[Symbol.asyncIterator]();
      const next = reader.next();
      room.close();
      room.close();
      expect(socket.closed).toEqual({ code: 1000 });
      expect(clock.due).toEqual([]);
      expect([...added]).toEqual([
        ["online", 0],
        ["offline", 0],
      ]);
      for (const each of sent)
        expect(await each.catch((error: unknown) => error)).toMatchObject({ code: "closed" });
      expect((await next).done).toBe(false);
      let events = 0;
      while (!(await reader.next()).done) events++;
      expect(events).toBeGreaterThan(0);
      expect(told("closed")).toEqual([{ type: "closed", code: 1000, reason: "closed" }]);
      expect(room.pending).toEqual([]);
      socket.say(created(1));
      socket.end(1006);
      expect(clock.due).toEqual([]);
      expect(room.messages).toEqual([]);
      expect(await room.send("late").catch((error: unknown) => error)).toMatchObject({ code: "closed" });
      expect(room.pending).toEqual([]);
    } finally {
      Object.assign(globalThis, { addEventListener });
    }
  });

  test("while the token is fetched makes no connection", async () => {
    const late = Promise.withResolvers<string>();
    const { room, sockets, clock } = await world({ token: () => late.promise });
    room.close();
    late.resolve("late");
    await settle();
    expect(sockets).toEqual([]);
    expect(clock.due).toEqual([]);
    expect(await room.ready.catch((error: unknown) => error)).toMatchObject({ code: "closed" });
  });

  test("right after connect asks for no token", async () => {
    let asked = 0;
    const room = connect({
      url: "ws://chat.example.com",
      room: "lobby",
      token: () => String(++asked),
      WebSocket: TestSocket,
    });
    room.close();
    await settle();
    expect(asked).toBe(0);
  });

  test("while it waits for the next try makes none", async () => {
    const { room, sockets, clock } = await world();
    sockets[0]?.end();
    room.close();
    await clock.pass(60_000);
    expect(sockets).toHaveLength(1);
  });

  test("by a listener that hears of the loss is obeyed", async () => {
    const { room, sockets, clock, open } = await world();
    await open();
    room.on("status", ({ status }) => status === "connecting" && room.close());
    sockets[0]?.end();
    await clock.pass(60_000);
    expect(sockets).toHaveLength(1);
    expect(clock.due).toEqual([]);
  });
});

/** A clock that somebody may set, as people and time servers do. */
function setClock() {
  const clock = new TestClock();
  const own = {
    by: 0,
    now: () => clock.now() + own.by,
    setTimeout: clock.setTimeout,
    clearTimeout: clock.clearTimeout,
  };
  return { clock, own };
}

describe("a clock that is set back by an hour", () => {
  test("does not keep the client from asking a silent server for a word", async () => {
    const { clock, own } = setClock();
    const { socket, open } = await world({ clock: own });
    await open();
    own.by = -3_600_000;
    await clock.pass(60_000);
    expect(socket.sent).toMatchObject([{ type: "read", seq: 0 }]);
  });

  test("does not keep the others from seeing who types", async () => {
    const { own } = setClock();
    const { room, socket, open } = await world({ clock: own });
    await open();
    room.typing();
    own.by = -3_600_000;
    room.typing();
    expect(socket.sent).toEqual([{ type: "typing" }, { type: "typing" }]);
  });
});

test("a refusal of no command in particular is told", async () => {
  const { socket, open, told } = await world();
  await open();
  socket.say({ type: "error", code: "invalid_command", message: "A frame is one JSON object." });
  expect(told("error")).toMatchObject([{ error: { code: "invalid_command" } }]);
});

test("however often it can't connect, the loss is told once", async () => {
  const { sockets, clock, open, told } = await world();
  await open();
  for (let time = 0; time < 3; time++) {
    sockets.at(-1)?.end();
    await clock.pass(clock.due[0] ?? 0);
  }
  expect(told("status").map(({ status }) => status)).toEqual(["open", "connecting"]);
});
