import { describe, expect, test } from "bun:test";

import { connectToFake, created, me, message, opened, other } from "./support/fake-server.ts";

/** A room with one message of this user, and one of another. */
async function twoMessages() {
  const harness = await connectToFake();
  const reactions = [{ emoji: "+", by: [other.id] }];
  await harness.welcome(opened(2, [message(1, 1, { sender: me }), message(2, 2, { reactions })]));
  return harness;
}

describe("among the messages,", () => {
  test("an edit shows at once, and is replaced by what the server has stored", async () => {
    const { room, socket, eventsOf } = await twoMessages();
    const before = room.messages;
    const edit = room.edit(1, "new");
    expect(room.messages).toMatchObject([{ text: "new", edited_at: expect.any(String) }, { text: "text 2" }]);
    expect(room.messages).toBe(room.messages);
    expect(before[0]?.text).toBe("text 1");
    expect(room.messages[1]).toBe(before[1] as never);
    expect(eventsOf("messages")).toHaveLength(1);
    const stored = message(1, 3, { sender: me, text: "new", edited_at: "2026-02-02T00:00:00.000Z" });
    socket.receiveAck(1, 3);
    await edit;
    expect(room.messages[0]?.text).toBe("new");
    socket.receiveInLobby({ type: "change", kind: "edited", message: stored });
    expect(room.messages[0]).toEqual(stored);
  });

  test("an edit leaves the metadata, and a deletion takes it away", async () => {
    const { room, welcome } = await connectToFake();
    const meta = { id: 7 };
    await welcome(opened(1, [message(1, 1, { sender: me, meta })]));
    void room.edit(1, "new");
    expect(room.messages[0]).toMatchObject({ text: "new", meta });
    void room.remove(1);
    expect(room.messages[0]).not.toHaveProperty("meta");
  });

  test("whom a message mentions is not known while it waits to be stored", async () => {
    const { room, welcome } = await connectToFake();
    const mentions = { users: [other.id] };
    await welcome(opened(1, [message(1, 1, { sender: me, text: "@other", mentions })]));
    void room.send("@other");
    expect(room.pending[0]).not.toHaveProperty("mentions");
    void room.react(1, "+");
    expect(room.messages[0]).toMatchObject({ mentions });
    void room.edit(1, "@other!");
    expect(room.messages[0]).not.toHaveProperty("mentions");
  });

  test("a deletion and reactions show at once", async () => {
    const { room } = await twoMessages();
    void room.remove(1);
    void room.react(2, "+");
    void room.react(2, "!");
    expect(room.messages).toMatchObject([
      { text: "", deleted_at: expect.any(String), reactions: [] },
      {
        reactions: [
          { emoji: "+", by: [other.id, me.id] },
          { emoji: "!", by: [me.id] },
        ],
      },
    ]);
    void room.react(2, "+", false);
    void room.react(2, "!", false);
    void room.react(2, "?", false);
    expect(room.messages[1]?.reactions).toEqual([{ emoji: "+", by: [other.id] }]);
  });

  test("what the server refuses is taken back", async () => {
    const { room, socket, eventsOf } = await twoMessages();
    const before = room.messages;
    void room.edit(1, "new");
    void room.react(2, "!");
    socket.receiveError("forbidden");
    expect(eventsOf("failed")).toMatchObject([{ command: "edit", error: { code: "forbidden" } }]);
    expect(eventsOf("messages")).toHaveLength(3);
    expect(room.messages).toMatchObject([{ text: "text 1" }, { reactions: [{}, { emoji: "!" }] }]);
    socket.receiveError("forbidden");
    expect(room.messages).toEqual(before);
  });

  test("a change by another user is not hidden by an older one of this user", async () => {
    const { room, socket } = await twoMessages();
    void room.react(1, "+");
    socket.receiveAck(1, 3);
    socket.receiveInLobby({
      type: "change",
      kind: "reacted",
      message: message(1, 3, { reactions: [{ emoji: "+", by: [me.id] }] }),
    });
    socket.receiveInLobby({ type: "change", kind: "reacted", message: message(1, 4) });
    expect(room.messages[0]?.reactions).toEqual([]);
  });

  test("a change that was stored before its ack arrives shows once", async () => {
    const { room, socket } = await twoMessages();
    void room.edit(1, "new");
    const stored = message(1, 3, { sender: me, text: "new", edited_at: "now" });
    socket.receiveInLobby({ type: "change", kind: "edited", message: stored });
    socket.receiveAck(1, 3);
    expect(room.messages[0]).toEqual(stored);
  });
});

describe("a message that was refused", () => {
  test("stays pending as failed, and can be sent again", async () => {
    const { room, socket, eventsOf } = await twoMessages();
    const sent = room.send("hi", { replyTo: 2, meta: { a: 1 } }).catch(() => undefined);
    const { client_id } = room.pending[0] ?? {};
    socket.receiveError("forbidden");
    await sent;
    const [failed] = room.pending;
    expect(failed).toMatchObject({ status: "failed", error: { code: "forbidden" }, text: "hi", client_id });
    if (!failed) return;
    expect(eventsOf("failed")).toMatchObject([{ message: failed }]);
    const again = room.resend(failed);
    expect(socket.lastSent).toMatchObject({
      type: "send",
      text: "hi",
      client_id,
      reply_to: 2,
      meta: { a: 1 },
    });
    expect(room.pending).toMatchObject([{ status: "waiting", client_id, meta: { a: 1 } }]);
    socket.receiveAck(3, 3);
    expect(await again).toEqual({ seq: 3, rev: 3 });
    socket.receive(created(3, 3, { sender: me, ...(client_id !== undefined && { client_id }) }));
    expect(room.pending).toEqual([]);
    expect(await room.resend(failed).catch(({ code }) => code)).toBe("message_not_found");
  });

  test("can be discarded, which a message that waits cannot", async () => {
    const { room, socket, eventsOf } = await twoMessages();
    for (const text of ["one", "two"]) void room.send(text);
    socket.receiveError("forbidden");
    const [failed, waiting] = room.pending;
    if (waiting) room.discard(waiting);
    expect(room.pending).toHaveLength(2);
    const before = eventsOf("pending").length;
    if (failed) room.discard(failed);
    expect(room.pending).toMatchObject([{ text: "two", status: "waiting" }]);
    expect(eventsOf("pending")).toHaveLength(before + 1);
  });

  test("is dropped once a hundred later ones have failed", async () => {
    const { room, socket } = await twoMessages();
    for (let n = 0; n <= 100; n++) {
      void room.send(String(n));
      socket.receiveError("forbidden");
    }
    expect(room.pending).toHaveLength(100);
    expect(room.pending[0]?.text).toBe("1");
  });
});

test("a pending message has this user as its sender once they are known", async () => {
  const { room, welcome } = await connectToFake();
  void room.send("early");
  expect(room.pending[0]?.sender).toEqual({ id: "", email: null, name: null });
  await welcome();
  expect(room.pending[0]?.sender).toEqual(me);
});
