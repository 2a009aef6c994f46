import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import type { RoomEvent } from "../../src/client/index.ts";
import { settle } from "../support/people.ts";
import { root, runProcess } from "../support/process.ts";
import { created, createdAt, hello, me, message, other, world } from "./support/wire.ts";

describe("a room", () => {
  test("is there with its first hello", async () => {
    const { room, open, told } = await world();
    expect([room.status, room.me, room.name, room.role, room.position]).toEqual([
      "connecting",
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect([room.messages, room.online, room.complete]).toEqual([[], [], false]);
    await open(hello(3, [message(1), message(2, 3)]));
    await room.ready;
    expect(room).toMatchObject({
      id: "lobby",
      status: "open",
      me,
      name: "Lobby",
      role: "member",
      online: [me],
    });
    expect(room.limits?.text_bytes).toBe(16_384);
    expect(room.messages).toEqual([message(1), message(2, 3)]);
    expect(room.position).toEqual({ seq: 2, rev: 3, created_at: createdAt });
    expect(room.complete).toBe(true);
    expect(told("reset")).toHaveLength(1);
  });

  test("tells each change, and what `since` to keep", async () => {
    const { socket, open, told, room } = await world();
    await open(hello(1, [message(1)]));
    socket.say(created(2));
    socket.say({ type: "change", kind: "edited", message: message(1, 3, { text: "new" }) });
    const position = { seq: 2, created_at: createdAt };
    expect(told("change")).toEqual([
      { type: "change", kind: "created", message: message(2), position: { ...position, rev: 2 } },
      {
        type: "change",
        kind: "edited",
        message: message(1, 3, { text: "new" }),
        position: { ...position, rev: 3 },
      },
    ]);
    expect(room.position).toEqual({ ...position, rev: 3 });
  });

  test("tells what was missed, each as what happened to it last", async () => {
    const { sockets, clock, open, told } = await world();
    await open(hello(4, [message(1), message(2), message(3), message(4)]));
    sockets[0]?.end();
    await clock.pass(500);
    const first = [message(5), message(2, 6, { edited_at: createdAt })];
    await open(hello(6, first, { resumed: true }));
    sockets[1]?.say({
      type: "changes",
      rev: 9,
      messages: [message(3, 7), message(4, 9, { deleted_at: createdAt })],
    });
    sockets[1]?.say({ type: "changes", rev: 12, messages: [message(6, 12, { edited_at: createdAt })] });
    sockets[1]?.say(created(7, 13));
    expect(told("change").map(({ kind, message: { seq } }) => [kind, seq])).toEqual([
      ["created", 5],
      ["edited", 2],
      ["reacted", 3],
      ["deleted", 4],
      ["created", 6],
      ["created", 7],
    ]);
    expect(told("reset")).toHaveLength(1);
  });

  test("that goes on as another one is read anew, without since", async () => {
    const { room, sockets, clock, open, told } = await world();
    await open(hello(4, [message(4)]));
    sockets[0]?.end();
    await clock.pass(500);
    const another = hello(9, [message(9)], { resumed: true });
    another.room.created_at = "2026-06-06T00:00:00.000Z";
    await open(another);
    expect(room.messages).toEqual([]);
    await clock.pass(clock.due[0] ?? 0);
    expect(sockets[2]?.url).toEndWith("/lobby/");
    await open(hello(9, [message(8), message(9)]));
    expect(room.messages).toEqual([message(8), message(9)]);
    expect(told("reset")).toHaveLength(2);
    expect(told("change")).toEqual([]);
  });

  test("knows who is there, what it is called and what one may do in it", async () => {
    const { room, socket, open, events } = await world();
    await open();
    const notices: RoomEvent[] = [
      { type: "presence", user: other, online: true },
      { type: "presence", user: other, online: true },
      { type: "room", room: { id: "lobby", name: "Hall" } },
      { type: "member", user: me, role: "owner" },
      { type: "member", user: other, role: null },
      { type: "typing", user: other },
      { type: "read", user: other, seq: 4 },
    ];
    for (const notice of notices) socket.say(notice as never);
    expect(events.slice(-notices.length)).toEqual(notices);
    expect(room).toMatchObject({ online: [me, other], name: "Hall", role: "owner" });
    socket.say({ type: "presence", user: other, online: false });
    expect(room.online).toEqual([me]);
  });
});

/** A page of messages, as the HTTP API answers. */
const page = (...messages: unknown[]) => Response.json({ messages });

describe("older messages", () => {
  test("come in front, until the first one is there", async () => {
    const urls: string[] = [];
    const pages = [page(message(3), message(4)), page(message(1), message(2))];
    const { room, open } = await world({
      fetch: async (url) => {
        urls.push(url);
        return pages.shift() ?? page();
      },
    });
    expect(await room.older()).toEqual([]);
    await open(hello(6, [message(5), message(6)]));
    expect(room.complete).toBe(false);
    expect(await room.older(2)).toEqual([message(3), message(4)]);
    expect(await room.older(1_000)).toEqual([message(1), message(2)]);
    expect(room.messages).toEqual([1, 2, 3, 4, 5, 6].map((seq) => message(seq)));
    expect(room.complete).toBe(true);
    expect(await room.older()).toEqual([]);
    const path = "http://chat.example.com/api/rooms/lobby/messages";
    expect(urls).toEqual([`${path}?before=5&limit=2`, `${path}?before=3&limit=100`]);
  });

  test("are asked for once at a time", async () => {
    let asked = 0;
    const { room, open } = await world({
      fetch: async () => {
        asked++;
        return page(message(4));
      },
    });
    await open(hello(5, [message(5)]));
    expect(await Promise.all([room.older(), room.older()])).toEqual([[message(4)], [message(4)]]);
    expect(asked).toBe(1);
  });

  test("that can't be had are asked for again at the next call", async () => {
    const answers = [new Response("<html>", { status: 502 }), page(message(4))];
    const { room, open } = await world({ fetch: async () => answers.shift() ?? page() });
    await open(hello(5, [message(5)]));
    expect(await room.older().catch((error: unknown) => error)).toMatchObject({
      code: "internal",
      status: 502,
    });
    expect(await room.older()).toEqual([message(4)]);
  });

  test("are not waited for once the room is closed, nor asked for", async () => {
    let asked = 0;
    const { room, open } = await world({
      fetch: (_, { signal }) =>
        new Promise((_resolve, reject) => {
          asked++;
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        }),
    });
    await open(hello(5, [message(5)]));
    const older = room.older();
    await settle();
    room.close();
    expect(await older.catch((error: unknown) => error)).toMatchObject({ code: "closed" });
    expect(await room.older().catch((error: unknown) => error)).toMatchObject({ code: "closed" });
    expect(asked).toBe(1);
  });
});

describe("a listener", () => {
  test("hears its own events, until it is taken away", async () => {
    const { room, socket, open } = await world();
    await open();
    const heard: number[] = [];
    const listener = ({ message: { seq } }: { message: { seq: number } }) => void heard.push(seq);
    const off = room.on("change", listener);
    const offAgain = room.on("change", listener);
    socket.say(created(1));
    off();
    socket.say(created(2));
    offAgain();
    socket.say(created(3));
    expect(heard).toEqual([1, 1, 2]);
  });

  test("that throws breaks nothing, and is reported as any uncaught error", async () => {
    const program = `
      import { world, hello, created } from ${JSON.stringify(join(import.meta.dir, "support/wire.ts"))};
      process.on("uncaughtException", (error) => console.log("uncaught", error.message));
      const { room, socket, open } = await world();
      room.on("change", () => { throw new Error("mine"); });
      room.on("change", ({ message }) => console.log("heard", message.seq));
      await open(hello(0, []));
      socket.say(created(1));
      await new Promise((resolve) => setTimeout(resolve));
      socket.say(created(2));
      await new Promise((resolve) => setTimeout(resolve));
      console.log(room.messages.length, room.status);
      room.close();
    `;
    const { stdout, code } = await runProcess([process.execPath, "-e", program], { cwd: root });
    expect(stdout.trim().split("\n")).toEqual([
      "heard 1",
      "uncaught mine",
      "heard 2",
      "uncaught mine",
      "2 open",
    ]);
    expect(code).toBe(0);
  });
});

describe("a reader", () => {
  test("gets every event from its first moment on, and ends with the room", async () => {
    const { room, socket, open } = await world();
    const reading = (async () => {
      const events: RoomEvent[] = [];
      for await (const event of room) events.push(event);
      return events;
    })();
    await open();
    socket.say(created(1));
    await settle();
    socket.say(created(2));
    room.close();
    expect((await reading).map(({ type }) => type)).toEqual([
      "status",
      "reset",
      "change",
      "change",
      "status",
      "closed",
    ]);
  });

  test("that leaves is forgotten, and the others go on", async () => {
    const { room, socket, open } = await world();
    const readers = [room[Symbol.asyncIterator](), room[Symbol.asyncIterator]()] as const;
    await open();
    const waiting = readers[0].next();
    expect((await waiting).value).toEqual({ type: "status", status: "open" });
    expect(await readers[0].return?.()).toEqual({ value: undefined, done: true });
    expect(await readers[0].next()).toEqual({ value: undefined, done: true });
    socket.say(created(1));
    expect((await readers[1].next()).value).toMatchObject({ type: "status" });
    expect((await readers[1].next()).value).toMatchObject({ type: "reset" });
    expect((await readers[1].next()).value).toMatchObject({ type: "change" });
  });

  test("may ask for several events at once, and is let go when it leaves meanwhile", async () => {
    const { room, open } = await world();
    const reader = room[Symbol.asyncIterator]();
    const asked = [reader.next(), reader.next(), reader.next()];
    await open();
    await reader.return?.();
    expect(await Promise.all(asked)).toEqual([
      { value: { type: "status", status: "open" }, done: false },
      { value: { type: "reset" }, done: false },
      { value: undefined, done: true },
    ]);
  });

  test("that falls a thousand behind gets one reset in their place, and what comes after", async () => {
    const { room, socket, open } = await world();
    const reader = room[Symbol.asyncIterator]();
    await open();
    await reader.next();
    await reader.next();
    for (let seq = 1; seq <= 1_003; seq++) socket.say(created(seq));
    const got: RoomEvent[] = [];
    for (let n = 0; n < 3; n++) got.push((await reader.next()).value as RoomEvent);
    expect(got).toMatchObject([{ type: "reset" }, { message: { seq: 1_002 } }, { message: { seq: 1_003 } }]);
    expect(room.messages).toHaveLength(1_003);
  });

  test("that comes first gets all that was told before it, too: what was missed comes with the first hello", async () => {
    const { room, open } = await world({ since: { seq: 1, rev: 1, created_at: createdAt } });
    await open(hello(3, [message(2), message(3)], { resumed: true }));
    await room.ready;
    const [first, second] = [room[Symbol.asyncIterator](), room[Symbol.asyncIterator]()];
    room.close();
    const types: unknown[] = [];
    for await (const { type } of first) types.push(type);
    expect(types).toEqual(["status", "change", "change", "status", "closed"]);
    for await (const { type } of second) types.push(type);
    expect(types.slice(5)).toEqual(["status", "closed"]);
  });

  test("of a room that is closed gets nothing, but for the first one", async () => {
    const { room } = await world();
    room.close();
    const types: unknown[] = [];
    for await (const { type } of room) types.push(type);
    expect(types).toEqual(["status", "closed"]);
    expect(await room[Symbol.asyncIterator]().next()).toEqual({ value: undefined, done: true });
  });
});

describe("a room that was lost and found", () => {
  test("is as the new hello has it: who is there, its name, and one's role", async () => {
    const { room, sockets, clock, open } = await world();
    await open(hello(1, [message(1)], { online: [me] }));
    sockets[0]?.end();
    await clock.pass(500);
    const again = hello(1, [], { resumed: true, online: [other, me] });
    Object.assign(again.room, { name: "Hall", role: "owner" });
    await open(again);
    expect(room).toMatchObject({ online: [other, me], name: "Hall", role: "owner" });
  });

  test("does not tell that one is typing oneself, in another tab", async () => {
    const { socket, open, told } = await world();
    await open();
    socket.say({ type: "typing", user: me });
    socket.say({ type: "typing", user: other });
    expect(told("typing")).toEqual([{ type: "typing", user: other }]);
  });
});
