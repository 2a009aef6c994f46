import { describe, expect, test } from "bun:test";

import type { ConnectOptions, OutboxStorage } from "../../src/client/index.ts";
import { settle } from "../support/samples.ts";
import {
  type ChatHarness,
  connectChat,
  createdAt,
  me,
  message,
  opened,
  other,
  recreatedAt,
  summary,
} from "./support/fake-server.ts";
import { FakeLocks, MemoryStorage, tokenOf } from "./support/storage.ts";

const key = (slot: number) => `parley-chat:http://chat.example.com:${slot}`;

/** A page with a chat that keeps its commands in a storage. */
async function openPage(storage: OutboxStorage, options: Partial<ConnectOptions> = {}): Promise<ChatHarness> {
  const page = await connectChat({ storage, token: () => tokenOf(me.id), random: () => 0, ...options });
  await settle();
  return page;
}

const texts = ({ socket }: ChatHarness) => socket.sentTexts;

describe("commands that were not acknowledged", () => {
  test("are sent by the next page, in order, with the same client_id, and show as pending", async () => {
    const storage = new MemoryStorage();
    const first = await openPage(storage);
    await first.begin([summary("lobby", { seq: 4 })]);
    const room = first.chat.open("lobby");
    first.socket.receiveOpened(opened(4, [message(3), message(4)]));
    for (const text of ["one", "two"]) void room.send(text, { replyTo: 4, meta: { of: text } });
    void room.edit(3, "edited");
    void room.react(3, "+");
    void room.remove(4);
    void room.read(4);
    first.socket.receiveAck(5, 5);
    const [, two] = room.pending;
    await settle();

    const second = await openPage(storage);
    await second.begin([summary("lobby", { seq: 5 })]);
    const again = second.chat.open("lobby");
    expect(again.pending).toEqual([two as never]);
    second.socket.receiveOpened(opened(5, [message(3), message(4), message(5)]));
    expect(again.messages).toMatchObject([
      { text: "edited", reactions: [{ emoji: "+", by: [me.id] }] },
      { text: "" },
      {},
    ]);
    for (let n = 0; n < 4; n++) second.socket.receiveAck(6, 6 + n);
    await settle();
    expect(second.socket.sent.map(({ type }) => type)).toEqual(["send", "edit", "react", "delete"]);
    expect(second.socket.sent[0]).toMatchObject({ text: "two", client_id: two?.client_id, reply_to: 4 });
    expect(second.socket.sent[0]).toMatchObject({ meta: { of: "two" } });
    expect(storage.keys).toEqual([]);
  });

  test("are sent before those of the new page, in rooms that are not open too", async () => {
    const storage = new MemoryStorage();
    const first = await openPage(storage);
    await first.begin([summary("lobby")]);
    const room = first.chat.open("lobby");
    void room.send("old");
    await settle();
    const second = await openPage(storage);
    const sent = second.chat.open("lobby").send("new");
    sent.catch(() => undefined);
    // The list of rooms is in pages. The room is known with the second one.
    await second.begin([summary("other")], { more: true });
    second.socket.receive({ type: "rooms", rooms: [summary("lobby")], more: false });
    await settle();
    second.socket.receiveAck();
    second.socket.receiveAck();
    expect(texts(second).toSorted()).toEqual(["new", "old"]);
    const third = await openPage(storage);
    await third.begin([summary("lobby")]);
    expect(texts(third)).toEqual([]);
  });

  test("before the page has ever been connected are kept, for the user of its token", async () => {
    const storage = new MemoryStorage();
    const first = await openPage(storage);
    void first.chat.open("lobby").send("typed offline");
    await settle();
    const stranger = await openPage(storage, { token: () => tokenOf(other.id) });
    await stranger.begin([summary("lobby")], { me: other });
    expect(texts(stranger)).toEqual([]);
    stranger.chat.close();
    const second = await openPage(storage);
    await second.begin([summary("lobby")]);
    expect(texts(second)).toEqual(["typed offline"]);
  });

  test("before there was a token might be anybody's, and are not sent by another page", async () => {
    const storage = new MemoryStorage();
    const first = await openPage(storage, { token: () => new Promise(() => undefined) });
    void first.chat.open("lobby").send("whose?");
    await settle();
    expect(storage.keys).toHaveLength(1);
    const second = await openPage(storage);
    await second.begin([summary("lobby")]);
    await settle();
    expect(texts(second)).toEqual([]);
    expect(storage.keys).toEqual([]);
  });

  test("of another user stay in the storage, and are never sent", async () => {
    const storage = new MemoryStorage();
    const first = await openPage(storage);
    await first.begin([summary("lobby")]);
    void first.chat.open("lobby").send("mine");
    await settle();
    first.chat.close();
    const stranger = await openPage(storage);
    await stranger.begin([summary("lobby")], { me: other });
    const room = stranger.chat.open("lobby");
    void room.send("theirs");
    stranger.socket.receiveAck();
    await settle();
    expect(texts(stranger)).toEqual(["theirs"]);
    expect(room.pending.map(({ text }) => text)).not.toContain("mine");
    stranger.chat.close();
    const second = await openPage(storage);
    await second.begin([summary("lobby")]);
    expect(texts(second)).toEqual(["mine"]);
  });

  test("are still there after the chat was closed, and gone once they were refused", async () => {
    const storage = new MemoryStorage();
    const first = await openPage(storage);
    await first.begin([summary("lobby")]);
    void first.chat.open("lobby").send("one");
    first.chat.close();
    await settle();
    const second = await openPage(storage);
    await second.begin([summary("lobby")]);
    expect(texts(second)).toEqual([]);
    const third = await openPage(storage);
    void third.chat.open("lobby").send("one");
    await third.begin([summary("lobby")]);
    third.socket.receiveError("forbidden");
    await settle();
    expect(storage.keys).toEqual([]);
    expect(third.chat.open("lobby").pending).toMatchObject([{ status: "failed" }]);
  });

  test("that name a message fail if the room is another one now; messages are sent", async () => {
    const storage = new MemoryStorage();
    const first = await openPage(storage);
    await first.begin([summary("lobby", { seq: 3, created_at: createdAt })]);
    const room = first.chat.open("lobby");
    void room.send("hi");
    void room.edit(3, "x");
    await settle();
    const second = await openPage(storage);
    await second.begin([summary("lobby", { seq: 3, created_at: recreatedAt })]);
    await settle();
    second.socket.receiveAck();
    expect(second.socket.sent.map(({ type }) => type)).toEqual(["send"]);
    expect(second.chatEventsOf("failed")).toMatchObject([{ command: "edit", error: { code: "conflict" } }]);
  });
});

describe("two tabs", () => {
  test("do not send each other's commands, and a third one sends those of a tab that has ended", async () => {
    using locks = new FakeLocks();
    const storage = new MemoryStorage();
    const [a, b] = [await openPage(storage), await openPage(storage)];
    for (const [page, text] of [
      [a, "from a"],
      [b, "from b"],
    ] as const) {
      await page.begin([summary("lobby")]);
      void page.chat.open("lobby").send(text);
    }
    await settle();
    expect(storage.keys.toSorted()).toEqual([key(0), key(1)]);
    // They connect again, and find nothing of the other's.
    a.socket.disconnect();
    await a.clock.advance(500);
    await a.begin([summary("lobby")]);
    expect(a.sockets.map(({ sentTexts }) => sentTexts)).toEqual([["from a"], ["from a"]]);
    locks.endPage(key(1));
    const c = await openPage(storage);
    await c.begin([summary("lobby")]);
    expect(texts(c)).toEqual(["from b"]);
    expect(a.sockets.flatMap(({ sentTexts }) => sentTexts)).not.toContain("from b");
    c.socket.receiveAck();
    a.socket.receiveAck();
    await settle();
    expect(storage.keys).toEqual([]);
  });

  test("of which one ends lose nothing: the other one takes its commands when it connects again", async () => {
    using locks = new FakeLocks();
    const storage = new MemoryStorage();
    const [a, b] = [await openPage(storage), await openPage(storage)];
    void a.chat.open("lobby").send("from a");
    await settle();
    await b.begin([summary("lobby")]);
    expect(texts(b)).toEqual([]);
    locks.endPage(key(0));
    b.socket.disconnect();
    await b.clock.advance(500);
    await b.begin([summary("lobby")]);
    await settle();
    expect(texts(b)).toEqual(["from a"]);
  });

  test("close their chats, and leave no lock behind", async () => {
    using locks = new FakeLocks();
    const page = await openPage(new MemoryStorage());
    expect(locks.held).toEqual([key(0)]);
    page.chat.close();
    await settle();
    expect(locks.held).toEqual([]);
  });

  test("without Web Locks may send the same command, but lose none", async () => {
    const storage = new MemoryStorage();
    const a = await openPage(storage, { random: () => 0.5 });
    await a.begin([summary("lobby")]);
    void a.chat.open("lobby").send("from a");
    await settle();
    const b = await openPage(storage, { random: () => 0.9 });
    await b.begin([summary("lobby")]);
    expect(texts(b)).toEqual(["from a"]);
    const ids = [a, b].map(({ socket }) => socket.sent.map((sent) => "client_id" in sent && sent.client_id));
    expect(ids[0]).toEqual(ids[1] as never);
    a.socket.receiveAck();
    await settle();
    // The other tab has not had its ack yet.
    expect(storage.keys).toHaveLength(1);
    b.socket.receiveAck();
    await settle();
    expect(storage.keys).toEqual([]);
  });
});

describe("a storage", () => {
  test("may be asynchronous", async () => {
    const memory = new MemoryStorage();
    const storage: OutboxStorage = {
      getItem: async (name) => memory.getItem(name),
      setItem: async (name, value) => memory.setItem(name, value),
      removeItem: async (name) => memory.removeItem(name),
    };
    const first = await openPage(storage);
    await settle();
    for (let n = 0; n < 5; n++) void first.chat.open("lobby").send(`text ${n}`);
    await settle();
    await settle();
    const second = await openPage(storage);
    await settle();
    await second.begin([summary("lobby")]);
    await settle();
    for (let n = 0; n < 5; n++) second.socket.receiveAck();
    expect(texts(second)).toEqual([0, 1, 2, 3, 4].map((n) => `text ${n}`));
  });

  test("that fails is reported once, and the chat goes on", async () => {
    const full = new Error("quota exceeded");
    const storage = new MemoryStorage();
    const { chat, socket, begin, chatEventsOf } = await openPage({
      getItem: (name) => storage.getItem(name),
      setItem() {
        throw full;
      },
      removeItem: () => Promise.reject(full),
    });
    await begin([summary("lobby")]);
    const room = chat.open("lobby");
    const sent = [room.send("one"), room.send("two")];
    await settle();
    for (const seq of [1, 2]) socket.receiveAck(seq, seq);
    expect(await Promise.all(sent)).toHaveLength(2);
    await settle();
    expect(chatEventsOf("error")).toEqual([{ type: "error", error: full }]);
  });

  test("that cannot be read is reported, and the chat goes on", async () => {
    const denied = new Error("denied");
    const { chat, socket, begin, chatEventsOf } = await openPage({
      getItem() {
        throw denied;
      },
      setItem: () => undefined,
      removeItem: () => undefined,
    });
    await begin([summary("lobby")]);
    void chat.open("lobby").send("one");
    expect(socket.sentTexts).toEqual(["one"]);
    expect(chatEventsOf("error")).toEqual([{ type: "error", error: denied }]);
  });

  test.each(["", "{", "null", "[1]", "[{}]", '[{"command":{}}]'])(
    "that contains %p is read as empty",
    async (text) => {
      const storage = new MemoryStorage();
      storage.setItem(key(0), text);
      const { socket, begin, chatEventsOf } = await openPage(storage);
      await begin([summary("lobby")]);
      await settle();
      expect([socket.sent, chatEventsOf("error")]).toEqual([[], []]);
    },
  );

  test("is written once for the commands of one turn", async () => {
    const storage = new MemoryStorage();
    const { chat } = await openPage(storage);
    const before = storage.writes;
    for (let n = 0; n < 100; n++) void chat.open("lobby").send(String(n));
    await settle();
    expect(storage.writes - before).toBe(1);
  });
});
