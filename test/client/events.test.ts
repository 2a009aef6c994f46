import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import type { RoomEvent } from "../../src/client/index.ts";
import { root, runProcess } from "../support/process.ts";
import { settle } from "../support/samples.ts";
import { connectToFake, created, createdAt, me, message, opened } from "./support/fake-server.ts";

/** The types of the events that are left for an iterator. */
async function typesOf(events: AsyncIterable<{ type: string }>): Promise<string[]> {
  const types: string[] = [];
  for await (const { type } of events) types.push(type);
  return types;
}

describe("a listener", () => {
  test("to all events is called after each one, until it is removed", async () => {
    const { chat, room, socket, welcome } = await connectToFake();
    const types: string[] = [];
    const remove = [room, chat].map(({ subscribe }) => subscribe(({ type }) => void types.push(type)));
    await welcome();
    expect(types).toEqual(["rooms", "status", "status", "reset"]);
    for (const each of remove) each();
    socket.receive(created(1));
    expect(types).toHaveLength(4);
  });

  test("is called for events of its type until it is removed, and can be added twice", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome();
    const seqs: number[] = [];
    const listener = ({ message: { seq } }: { message: { seq: number } }) => void seqs.push(seq);
    const removeFirst = room.on("change", listener);
    const removeSecond = room.on("change", listener);
    socket.receive(created(1));
    removeFirst();
    socket.receive(created(2));
    removeSecond();
    socket.receive(created(3));
    expect(seqs).toEqual([1, 1, 2]);
  });

  test("that is added during an event starts with the next one", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome();
    const seqs: number[] = [];
    const remove = room.on("change", () => {
      room.on("change", ({ message: { seq } }) => void seqs.push(seq));
      remove();
    });
    socket.receive(created(1));
    socket.receive(created(2));
    expect(seqs).toEqual([2]);
  });

  test("that throws causes an uncaught error, and nothing else stops", async () => {
    const program = `
      import { connectToFake, opened, created } from ${JSON.stringify(join(import.meta.dir, "support/fake-server.ts"))};
      process.on("uncaughtException", (error) => console.log("uncaught", error.message));
      const { chat, room, socket, welcome } = await connectToFake();
      room.on("change", () => { throw new Error("mine"); });
      room.on("change", ({ message }) => console.log("change", message.seq));
      await welcome(opened(0, []));
      socket.receive(created(1));
      await new Promise((resolve) => setTimeout(resolve));
      socket.receive(created(2));
      await new Promise((resolve) => setTimeout(resolve));
      console.log(room.messages.length, room.status);
      chat.close();
    `;
    const { stdout, code } = await runProcess([process.execPath, "-e", program], { cwd: root });
    expect(stdout.trim().split("\n")).toEqual([
      "change 1",
      "uncaught mine",
      "change 2",
      "uncaught mine",
      "2 open",
    ]);
    expect(code).toBe(0);
  });
});

describe("an iterator", () => {
  test("yields every event, and ends with the room", async () => {
    const { chat, room, socket, welcome } = await connectToFake();
    const [types, chatTypes] = [typesOf(room), typesOf(chat)];
    await welcome();
    socket.receive(created(1));
    await settle();
    socket.receive(created(2));
    chat.close();
    expect(await types).toEqual([
      "status",
      "reset",
      "change",
      "unread",
      "change",
      "unread",
      "status",
      "closed",
    ]);
    expect(await chatTypes).toEqual(["rooms", "status", "rooms", "rooms", "status", "closed"]);
  });

  test("that is the first also yields the events before it, such as what was missed", async () => {
    const { chat, room, welcome } = await connectToFake({
      since: { seq: 1, rev: 1, created_at: createdAt },
    });
    await welcome(opened(3, [message(2), message(3)], { resumed: true }));
    await room.ready;
    const [first, second] = [room[Symbol.asyncIterator](), room[Symbol.asyncIterator]()];
    chat.close();
    expect(await typesOf(first)).toEqual(["status", "change", "change", "status", "closed"]);
    expect(await typesOf(second)).toEqual(["status", "closed"]);
  });

  test("of a closed room yields nothing, unless it is the first", async () => {
    const { chat, room } = await connectToFake();
    chat.close();
    expect(await typesOf(room)).toEqual(["status", "closed"]);
    expect(await room[Symbol.asyncIterator]().next()).toEqual({ value: undefined, done: true });
  });

  test("that returns yields nothing more, and the others go on", async () => {
    const { room, socket, welcome } = await connectToFake();
    const [first, second] = [room[Symbol.asyncIterator](), room[Symbol.asyncIterator]()];
    await welcome();
    expect((await first.next()).value).toEqual({ type: "status", status: "open" });
    expect(await first.return?.()).toEqual({ value: undefined, done: true });
    expect(await first.next()).toEqual({ value: undefined, done: true });
    socket.receive(created(1));
    expect((await second.next()).value).toMatchObject({ type: "status" });
    expect((await second.next()).value).toMatchObject({ type: "reset" });
    expect((await second.next()).value).toMatchObject({ type: "change" });
  });

  test("may be asked for several events at once, and resolves them all when it returns", async () => {
    const { room, welcome } = await connectToFake();
    const iterator = room[Symbol.asyncIterator]();
    const results = [iterator.next(), iterator.next(), iterator.next()];
    await welcome();
    await iterator.return?.();
    expect(await Promise.all(results)).toEqual([
      { value: { type: "status", status: "open" }, done: false },
      { value: { type: "reset" }, done: false },
      { value: undefined, done: true },
    ]);
  });

  test("that is more than 1,000 events behind yields one reset in their place", async () => {
    const { room, socket, welcome } = await connectToFake();
    const iterator = room[Symbol.asyncIterator]();
    await welcome();
    await iterator.next();
    await iterator.next();
    // Messages of this user: they change no unread count.
    for (let seq = 1; seq <= 1_003; seq++) socket.receive(created(seq, seq, { sender: me }));
    const events: RoomEvent[] = [];
    for (let n = 0; n < 3; n++) events.push((await iterator.next()).value as RoomEvent);
    const expected = [{ type: "reset" }, { message: { seq: 1_002 } }, { message: { seq: 1_003 } }];
    expect(events).toMatchObject(expected);
    expect(room.messages).toHaveLength(1_003);
  });
});
