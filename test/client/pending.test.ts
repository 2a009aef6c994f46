import { describe, expect, test } from "bun:test";

import { connectToFake, created, me, message, opened } from "./support/fake-server.ts";

describe("a message that was sent", () => {
  test("is pending at once, until it is among the messages", async () => {
    const { room, socket, welcome, clock, eventsOf } = await connectToFake();
    await welcome();
    const sent = room.send("hi", { replyTo: 4 });
    const [pending] = room.pending;
    const { client_id = "" } = pending ?? {};
    expect(pending).toEqual({
      seq: 0,
      rev: 0,
      sender: me,
      text: "hi",
      sent_at: new Date(clock.now()).toISOString(),
      client_id,
      reply_to: 4,
      reactions: [],
      status: "waiting",
    });
    expect(eventsOf("pending")).toHaveLength(1);
    let lengths: unknown;
    room.on("change", () => (lengths = [room.messages.length, room.pending.length]));
    socket.receive(created(1, 1, { sender: me, client_id }));
    expect(lengths).toEqual([1, 0]);
    expect(eventsOf("pending")).toHaveLength(2);
    socket.receiveAck(1, 1);
    expect(await sent).toEqual({ seq: 1, rev: 1 });
    expect(room.pending).toEqual([]);
    expect(eventsOf("pending")).toHaveLength(2);
  });

  test("has its metadata: a copy, as it will be received", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome();
    const meta: Record<string, unknown> = { card: { at: new Date(0), gone: undefined } };
    void room.send("hi", { meta });
    meta["card"] = "changed later";
    const copy = { card: { at: "1970-01-01T00:00:00.000Z" } };
    expect(room.pending[0]?.meta).toStrictEqual(copy);
    expect(socket.sent[0]).toMatchObject({ type: "send", meta: copy });
    void room.send("plain");
    expect(room.pending[1]).not.toHaveProperty("meta");
  });

  test("before the first hello stays pending when that arrives", async () => {
    const { room, socket, welcome } = await connectToFake();
    void room.send("early");
    await welcome(opened(4, [message(4)]));
    expect(room.pending).toMatchObject([{ text: "early", status: "waiting" }]);
    socket.receiveAck(5, 5);
    expect(room.pending).toMatchObject([{ text: "early", status: "stored" }]);
  });

  test("and acknowledged is pending as `stored` until its message is received", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome();
    const sent = room.send("hi");
    socket.receiveAck(2, 2);
    await sent;
    expect(room.pending).toMatchObject([{ text: "hi", status: "stored" }]);
    socket.receive(created(1, 1));
    expect(room.pending).toHaveLength(1);
    socket.receive(created(2, 2));
    expect(room.pending).toEqual([]);
  });

  test("twice with the same client_id is pending twice, until its message is received", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome();
    for (const text of ["hi", "hi again"]) void room.send(text, { clientId: "same" });
    socket.receiveAck(1, 1);
    socket.receiveAck(1, 1);
    expect(room.pending).toMatchObject([{ status: "stored" }, { status: "stored" }]);
    socket.receive(created(1, 1, { sender: me, client_id: "same" }));
    expect(room.pending).toEqual([]);
  });

  test("and stored by an earlier process is not pending after its ack", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome(opened(9, [message(9)]));
    void room.send("hi", { clientId: "mine" });
    socket.receiveAck(3, 3);
    expect(room.pending).toEqual([]);
  });

  test("is not taken for another user's with the same client_id", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome();
    void room.send("hi", { clientId: "same" });
    socket.receive(created(1, 1, { client_id: "same" }));
    expect(room.pending).toHaveLength(1);
    socket.receive(created(2, 2, { sender: me, client_id: "same" }));
    expect(room.pending).toEqual([]);
  });

  test("is received by a resume, even if it was edited meanwhile", async () => {
    const { room, sockets, clock, welcome } = await connectToFake();
    await welcome();
    void room.send("hi");
    const client_id = room.pending[0]?.client_id ?? "";
    sockets[0]?.disconnect();
    await clock.advance(500);
    await welcome(opened(2, [message(1, 2, { sender: me, client_id, text: "ho" })], { resumed: true }));
    expect(room.pending).toEqual([]);
    expect(room.messages).toMatchObject([{ text: "ho" }]);
    // The command is repeated all the same, for its ack.
    sockets[1]?.receiveAck(1, 1);
    expect(room.pending).toEqual([]);
  });

  test("and stored in a room that was then replaced is no longer pending", async () => {
    const { room, sockets, clock, welcome } = await connectToFake();
    await welcome(opened(10, [message(10)]));
    void room.send("hi");
    sockets[0]?.receiveAck(11, 12);
    sockets[0]?.disconnect();
    await clock.advance(500);
    await welcome(opened(3, [message(3)]));
    expect(room.pending).toEqual([]);
  });
});
