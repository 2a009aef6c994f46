import { describe, expect, test } from "bun:test";

import { ParleyError } from "../../src/client/index.ts";
import type { Command } from "../../src/protocol/frames.ts";
import { settle } from "../support/people.ts";
import { created, hello, me, message, other, type TestSocket, world } from "./support/fake-server.ts";

/** Texts that went over a connection. */
const texts = ({ sent }: TestSocket) => sent.flatMap((each) => ("text" in each ? [each.text] : []));
const clientIds = (sockets: TestSocket[]) =>
  sockets.flatMap(({ sent }) => sent.map((each) => (each.type === "send" ? each.client_id : undefined)));
/** How a promise ended up. */
const outcome = (promise: Promise<unknown>) => promise.catch((error: unknown) => error);

describe("commands", () => {
  test("go one at a time, in order, and resolve with where they are stored", async () => {
    const { room, socket, open } = await world();
    const acks = [room.send("one"), room.send("two", { replyTo: 1 }), room.edit(1, "uno"), room.remove(1)];
    acks.push(room.react(2, "+"), room.react(2, "+", false), room.read(2));
    expect(socket.sent).toEqual([]);
    await open();
    for (let n = 1; n <= acks.length; n++) {
      expect(socket.sent).toHaveLength(n);
      socket.ack(n, n * 2);
    }
    expect(await Promise.all(acks)).toEqual(acks.map((_, index) => ({ seq: index + 1, rev: index * 2 + 2 })));
    const client_id = expect.stringMatching(/^.{8,64}$/) as string;
    const expected: Partial<Command>[] = [
      { type: "send", text: "one", client_id },
      { type: "send", text: "two", client_id, reply_to: 1 },
      { type: "edit", seq: 1, text: "uno" },
      { type: "delete", seq: 1 },
      { type: "react", seq: 2, emoji: "+", on: true },
      { type: "react", seq: 2, emoji: "+", on: false },
      { type: "read", seq: 2 },
    ];
    expect(new Set(socket.sent.map((each) => each.id)).size).toBe(acks.length);
    expect(new Set(clientIds([socket]).slice(0, 2)).size).toBe(2);
    expect(socket.sent).toMatchObject(expected);
  });

  test("an answer to something else answers nothing", async () => {
    const { room, socket, open } = await world();
    await open();
    const sent = room.send("one");
    socket.say({ type: "ack", id: "else", seq: 9, rev: 9 });
    socket.say({ type: "error", id: "else", code: "forbidden", message: "" });
    socket.ack(1, 1);
    socket.say({ type: "ack", id: socket.last.id ?? "", seq: 9, rev: 9 });
    expect(await sent).toEqual({ seq: 1, rev: 1 });
  });

  test("that had no answer when the connection was lost are sent again, with the same client_id, before the next", async () => {
    const { room, sockets, clock, open } = await world();
    await open();
    const sent = [room.send("one"), room.send("two")];
    for (let time = 0; time < 3; time++) {
      sockets.at(-1)?.end();
      await clock.pass(clock.due[0] ?? 0);
      await open();
    }
    expect(sockets.map(texts)).toEqual([["one"], ["one"], ["one"], ["one"]]);
    expect(new Set(clientIds(sockets)).size).toBe(1);
    sockets.at(-1)?.ack(1, 1);
    sockets.at(-1)?.ack(2, 2);
    expect(await Promise.all(sent)).toEqual([
      { seq: 1, rev: 1 },
      { seq: 2, rev: 2 },
    ]);
    expect(texts(sockets[3] as TestSocket)).toEqual(["one", "two"]);
  });

  test("that have no answer for 15 seconds make it ask for a word, and are tried on another connection when none comes", async () => {
    const { room, sockets, clock, open } = await world();
    await open();
    void room.send("one");
    await clock.pass(14_999);
    expect(sockets[0]?.sent).toHaveLength(1);
    await clock.pass(1);
    expect(sockets[0]?.last).toMatchObject({ type: "read", seq: 0 });
    await clock.pass(9_999);
    expect(sockets[0]?.closed).toBeUndefined();
    await clock.pass(501);
    expect(sockets[0]?.closed).toBeDefined();
    await open();
    expect(sockets.map(texts)).toEqual([["one"], ["one"]]);
  });

  test("whose answer waits behind much that was missed are waited for", async () => {
    const { room, socket, clock, open } = await world();
    await open();
    const sent = room.send("one");
    for (let rev = 1; rev <= 20; rev++) {
      await clock.pass(8_000);
      socket.say({ type: "changes", rev, messages: [message(rev)] });
    }
    expect(socket.closed).toBeUndefined();
    expect(texts(socket)).toEqual(["one"]);
    socket.say({ type: "ack", id: socket.sent[0]?.id ?? "", seq: 21, rev: 21 });
    expect(await sent).toEqual({ seq: 21, rev: 21 });
  });

  test("may have a client_id of the caller's, by which they are sent again in another life", async () => {
    const { room, socket, open } = await world();
    await open();
    void room.send("one", { clientId: "mine" });
    expect(socket.last).toMatchObject({ client_id: "mine" });
    socket.say(created(1, 1, { sender: me, client_id: "mine" }));
    expect(room.pending).toEqual([]);
  });

  test("that name a message are given up when the room begins anew; what is sent is sent", async () => {
    const { room, sockets, clock, open, told } = await world();
    await open(hello(4, [message(4)]));
    sockets[0]?.end();
    const given = [room.remove(4), room.edit(4, "x"), room.react(4, "👍"), room.read(4)].map(outcome);
    void room.send("still to be said");
    await clock.pass(500);
    const another = hello(9, [], { resumed: true });
    another.room.created_at = "2026-06-06T00:00:00.000Z";
    await open(another);
    expect(room.complete).toBe(false);
    expect(await Promise.all(given)).toEqual(given.map(() => expect.objectContaining({ code: "conflict" })));
    expect(told("failed").map(({ command }) => command)).toEqual(["delete", "edit", "react", "read"]);
    await clock.pass(clock.due[0] ?? 0);
    await open(hello(9, [message(9)]));
    expect(sockets.map(texts)).toEqual([[], [], ["still to be said"]]);
    // The same goes for a past that the server does not know.
    sockets[2]?.end();
    const late = outcome(room.remove(9));
    await clock.pass(clock.due[0] ?? 0);
    await open(hello(3, [message(3)]));
    expect(await late).toMatchObject({ code: "conflict" });
    expect(sockets[3]?.sent.map(({ type }) => type)).toEqual(["send"]);
  });

  test("are not sent in the name of somebody else", async () => {
    const { room, sockets, clock, open, told } = await world();
    await open();
    const sent = outcome(room.send("mine"));
    sockets[0]?.end();
    await clock.pass(500);
    await open(hello(0, [], { me: other, resumed: true }));
    expect(sockets[1]?.sent).toEqual([]);
    expect(told("closed")).toMatchObject([{ reason: "forbidden" }]);
    expect(await sent).toMatchObject({ code: "forbidden" });
  });

  test("wait for a hello", async () => {
    const { room, socket, open } = await world();
    void room.send("one");
    await settle();
    expect(socket.sent).toEqual([]);
    await open();
    expect(texts(socket)).toEqual(["one"]);
  });

  test("more than a thousand that wait are refused", async () => {
    const { room, told } = await world();
    for (let n = 0; n < 1_000; n++) void room.send(String(n));
    expect(room.pending).toHaveLength(1_000);
    expect(await outcome(room.send("one more"))).toMatchObject({ code: "too_many_pending" });
    expect(room.pending).toHaveLength(1_000);
    expect(told("failed")).toEqual([]);
  });

  test("of the read marks that wait only the furthest goes", async () => {
    const { room, socket, open } = await world();
    await open();
    void room.send("first");
    const marks = [room.read(5), room.read(7), room.read(6)];
    void room.send("last");
    expect(socket.sent).toHaveLength(1);
    socket.ack();
    expect(socket.last).toMatchObject({ type: "read", seq: 7 });
    socket.ack(7, 9);
    expect(await Promise.all(marks)).toEqual(marks.map(() => ({ seq: 7, rev: 9 })));
    expect(texts(socket)).toEqual(["first", "last"]);
  });

  test("a read mark that is under way stays as it is, and the next one follows", async () => {
    const { room, socket, open } = await world();
    await open();
    const marks = [room.read(5), room.read(6)];
    socket.ack(5, 0);
    socket.ack(6, 0);
    expect((await Promise.all(marks)).map(({ seq }) => seq)).toEqual([5, 6]);
  });

  test("the newest message is marked as read unless told", async () => {
    const { room, socket, open } = await world();
    await open(hello(9, [message(7), message(8)]));
    void room.read();
    expect(socket.last).toMatchObject({ type: "read", seq: 8 });
  });
});

describe("a refusal", () => {
  test.each([
    "rate_limited",
    "too_many_connections",
    "storage_unavailable",
    "keys_unavailable",
    "restarting",
  ] as const)("with %s is tried again when the server says, and nothing overtakes it", async (code) => {
    const { room, socket, clock, open } = await world();
    await open();
    const sent = [room.send("one"), room.send("two")];
    socket.refuse(code, { retry_after_ms: 700 });
    // As long as it says, and up to two seconds more: other rooms of the same user wait for the same moment.
    await clock.pass(2699);
    expect(texts(socket)).toEqual(["one"]);
    await clock.pass(1);
    expect(texts(socket)).toEqual(["one", "one"]);
    socket.ack();
    socket.ack();
    await Promise.all(sent);
    expect(texts(socket)).toEqual(["one", "one", "two"]);
  });

  test("that says when is obeyed over the next connection, too", async () => {
    const { room, sockets, clock, open } = await world();
    await open();
    void room.send("one");
    sockets[0]?.refuse("rate_limited", { retry_after_ms: 20_000 });
    sockets[0]?.end();
    await clock.pass(500);
    await open();
    await clock.pass(21_499);
    expect(sockets[1]?.sent).toEqual([]);
    await clock.pass(1);
    expect(texts(sockets[1] as TestSocket)).toEqual(["one"]);
  });

  test("that does not say when is tried again ever more slowly", async () => {
    const { room, socket, clock, open } = await world();
    await open();
    const waits: number[] = [];
    for (const text of ["one", "two"]) {
      void room.send(text);
      for (let time = 0; time < 3; time++) {
        socket.refuse("storage_unavailable");
        // Beside it the silence of the server is watched.
        waits.push(clock.due[0] ?? 0);
        await clock.pass(clock.due[0] ?? 0);
      }
      socket.ack();
    }
    expect(waits).toEqual([500, 1_000, 2_000, 500, 1_000, 2_000]);
  });

  test.each([
    "invalid_message",
    "message_too_long",
    "forbidden",
    "message_not_found",
    "conflict",
    "internal",
  ])("with %s is final, and the next command goes", async (code) => {
    const { room, socket, open, told } = await world();
    await open();
    const sent = room.send("one");
    void room.send("two");
    socket.refuse(code);
    const error = await outcome(sent);
    expect(error).toBeInstanceOf(ParleyError);
    expect(error).toMatchObject({ code, message: `It is ${code}.` });
    expect(told("failed")).toEqual([
      {
        type: "failed",
        command: "send",
        error: error as ParleyError,
        message: expect.objectContaining({ text: "one" }) as never,
      },
    ]);
    expect(room.pending.map(({ text }) => text)).toEqual(["two"]);
    expect(texts(socket)).toEqual(["one", "two"]);
  });

  test("by the end of the connection, of a frame that is too long, is final too", async () => {
    const { room, sockets, clock, open } = await world();
    await open();
    const sent = [room.send("long"), room.send("short")] as const;
    sockets[0]?.end(1009);
    expect(await outcome(sent[0])).toMatchObject({ code: "message_too_long" });
    await clock.pass(500);
    await open();
    expect(sockets.map(texts)).toEqual([["long"], ["short"]]);
  });

  test("of everything, by the end of the room, carries its reason", async () => {
    const { room, socket, open, told } = await world();
    await open();
    const sent = [room.send("one"), room.send("two")];
    socket.end(4403, "removed");
    for (const each of sent) expect(await outcome(each)).toMatchObject({ code: "removed" });
    expect(told("failed")).toHaveLength(2);
    expect(await outcome(room.send("three"))).toMatchObject({ code: "removed" });
  });

  test("ends nobody who does not care for it", async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => void unhandled.push(error);
    process.on("unhandledRejection", note);
    const { room, socket, open } = await world();
    await open();
    void room.send("one");
    socket.refuse("forbidden");
    void room.read(1);
    room.close();
    void room.send("two");
    await settle();
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });
});

describe("a message that was sent", () => {
  test("is pending at once, until it is among the room's", async () => {
    const { room, socket, open, clock, told } = await world();
    await open();
    const sent = room.send("hi", { replyTo: 4 });
    const [pending] = room.pending;
    const { clientId = "" } = pending ?? {};
    expect(pending).toEqual({ clientId, text: "hi", sentAt: clock.now(), replyTo: 4, status: "waiting" });
    expect(told("pending")).toHaveLength(1);
    let seen: unknown;
    room.on("change", () => (seen = [room.messages.length, room.pending.length]));
    socket.say(created(1, 1, { sender: me, client_id: clientId }));
    expect(seen).toEqual([1, 0]);
    expect(told("pending")).toHaveLength(2);
    socket.ack(1, 1);
    expect(await sent).toEqual({ seq: 1, rev: 1 });
    expect(room.pending).toEqual([]);
    expect(told("pending")).toHaveLength(2);
  });

  test("and is stored stays until its message comes", async () => {
    const { room, socket, open } = await world();
    await open();
    const sent = room.send("hi");
    socket.ack(2, 2);
    await sent;
    expect(room.pending).toMatchObject([{ text: "hi", status: "stored" }]);
    socket.say(created(1, 1));
    expect(room.pending).toHaveLength(1);
    socket.say(created(2, 2));
    expect(room.pending).toEqual([]);
  });

  test("does not go by what another sent with the same client_id", async () => {
    const { room, socket, open } = await world();
    await open();
    void room.send("hi");
    const clientId = room.pending[0]?.clientId ?? "";
    socket.say(created(1, 1, { client_id: clientId }));
    expect(room.pending).toHaveLength(1);
  });

  test("comes with a resume, edited meanwhile as it may be", async () => {
    const { room, sockets, clock, open } = await world();
    await open();
    void room.send("hi");
    const client_id = room.pending[0]?.clientId ?? "";
    sockets[0]?.end();
    await clock.pass(500);
    await open(hello(2, [message(1, 2, { sender: me, client_id, text: "ho" })], { resumed: true }));
    expect(room.pending).toEqual([]);
    expect(room.messages).toMatchObject([{ text: "ho" }]);
    // It is asked for its ack again all the same.
    sockets[1]?.ack(1, 1);
    expect(room.pending).toEqual([]);
  });

  test("that was stored in a room which was replaced is waited for no more", async () => {
    const { room, sockets, clock, open } = await world();
    await open(hello(10, [message(10)]));
    void room.send("hi");
    sockets[0]?.ack(11, 12);
    sockets[0]?.end();
    await clock.pass(500);
    await open(hello(3, [message(3)]));
    expect(room.pending).toEqual([]);
  });
});

test("typing is told every three seconds at most, and not at all without a connection", async () => {
  const { room, sockets, clock, open } = await world();
  room.typing();
  await open();
  for (let key = 0; key < 61; key++) {
    room.typing();
    await clock.pass(100);
  }
  expect(sockets[0]?.sent).toEqual([{ type: "typing" }, { type: "typing" }, { type: "typing" }]);
  sockets[0]?.end();
  room.typing();
  await clock.pass(500);
  await open();
  expect(sockets[1]?.sent).toEqual([]);
});

test("an answer that comes while a command waits to be repeated answers nothing", async () => {
  const { room, socket, clock, open } = await world();
  await open();
  const sent = room.send("one");
  socket.refuse("rate_limited");
  socket.ack(9, 9);
  await clock.pass(500);
  expect(texts(socket)).toEqual(["one", "one"]);
  socket.ack(1, 1);
  expect(await sent).toEqual({ seq: 1, rev: 1 });
});
