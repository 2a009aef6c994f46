import { describe, expect, test } from "bun:test";

import type { RoomEvent } from "../../src/client/index.ts";
import { defaultSettingsBody, settle } from "../support/samples.ts";
import {
  connectToFake,
  created,
  createdAt,
  me,
  message,
  opened,
  openedRecreatedRoom,
  other,
  outcome,
} from "./support/fake-server.ts";

describe("a room", () => {
  test("has its properties from the first hello on", async () => {
    const { room, welcome, eventsOf } = await connectToFake();
    expect(room.status).toBe("connecting");
    expect([room.me, room.name, room.role, room.limits, room.position]).toEqual(Array(5).fill(undefined));
    expect([room.messages, room.online, room.complete]).toEqual([[], [], false]);
    await welcome(opened(3, [message(1), message(2, 3)]));
    await room.ready;
    const expected = { id: "lobby", status: "open", me, name: "Lobby", role: "member", online: [me] };
    expect(room).toMatchObject(expected);
    expect(room.limits?.text_bytes).toBe(16_384);
    expect(room.messages).toEqual([message(1), message(2, 3)]);
    expect(room.position).toEqual({ seq: 2, rev: 3, created_at: createdAt });
    expect(room.complete).toBe(true);
    expect(eventsOf("reset")).toHaveLength(1);
  });

  test("is not complete before the first hello, even when it resumes from the start", async () => {
    const { room, welcome } = await connectToFake({ since: { seq: 0, rev: 0, created_at: createdAt } });
    expect(room.complete).toBe(false);
    await welcome(opened(1, [message(1)], { resumed: true }));
    expect(room.complete).toBe(true);
  });

  test("reports each change, with the position after it", async () => {
    const { socket, welcome, eventsOf, room } = await connectToFake();
    await welcome(opened(1, [message(1)]));
    const edited = message(1, 3, { text: "new" });
    socket.receive(created(2));
    socket.receiveInLobby({ type: "change", kind: "edited", message: edited });
    const position = { seq: 2, created_at: createdAt };
    expect(eventsOf("change")).toEqual([
      { type: "change", kind: "created", message: message(2), position: { ...position, rev: 2 } },
      { type: "change", kind: "edited", message: edited, position: { ...position, rev: 3 } },
    ]);
    expect(room.position).toEqual({ ...position, rev: 3 });
  });

  test("reports what was missed, each message with its last change", async () => {
    const { sockets, clock, welcome, eventsOf } = await connectToFake();
    await welcome(opened(4, [message(1), message(2), message(3), message(4)]));
    sockets[0]?.disconnect();
    await clock.advance(500);
    const first = [message(5), message(2, 6, { edited_at: createdAt })];
    await welcome(opened(6, first, { resumed: true }));
    const second = [message(3, 7), message(4, 9, { deleted_at: createdAt })];
    sockets[1]?.receiveInLobby({ type: "changes", rev: 9, messages: second });
    const third = [message(6, 12, { edited_at: createdAt })];
    sockets[1]?.receiveInLobby({ type: "changes", rev: 12, messages: third });
    sockets[1]?.receive(created(7, 13));
    expect(eventsOf("change").map(({ kind, message: { seq } }) => [kind, seq])).toEqual([
      ["created", 5],
      ["edited", 2],
      ["reacted", 3],
      ["deleted", 4],
      ["created", 6],
      ["created", 7],
    ]);
    expect(eventsOf("reset")).toHaveLength(1);
  });

  test("that was recreated meanwhile is read again from its end", async () => {
    const { room, sockets, clock, welcome, eventsOf } = await connectToFake();
    await welcome(opened(4, [message(4)]));
    sockets[0]?.disconnect();
    await clock.advance(500);
    await welcome(openedRecreatedRoom(9, [message(9)]));
    expect(room.messages).toEqual([]);
    expect(sockets[1]?.opens.at(-1)).not.toHaveProperty("since");
    sockets[1]?.receiveOpened({ ...openedRecreatedRoom(9, [message(8), message(9)]), resumed: false });
    expect(room.messages).toEqual([message(8), message(9)]);
    expect(eventsOf("reset")).toHaveLength(2);
    expect(eventsOf("change")).toEqual([]);
  });

  test("applies and reports notices", async () => {
    const { room, socket, welcome, events } = await connectToFake();
    await welcome();
    const notices = [
      { type: "presence", room: "lobby", user: other, online: true },
      { type: "presence", room: "lobby", user: other, online: true },
      { type: "room", room: { id: "lobby", name: "Hall", ...defaultSettingsBody } },
      { type: "member", room: "lobby", user: me, role: "owner" },
      { type: "member", room: "lobby", user: other, role: null },
      { type: "typing", room: "lobby", user: other },
      { type: "read", room: "lobby", user: other, seq: 4 },
    ] satisfies RoomEvent[];
    for (const notice of notices) socket.receive(notice);
    expect(events.filter(({ type }) => notices.some((notice) => notice.type === type))).toEqual(notices);
    expect(room).toMatchObject({ online: [me, other], name: "Hall", role: "owner" });
    socket.receiveInLobby({ type: "presence", user: other, online: false });
    expect(room.online).toEqual([me]);
  });

  test("does not report that this user is typing on another connection", async () => {
    const { socket, welcome, eventsOf } = await connectToFake();
    await welcome();
    socket.receiveInLobby({ type: "typing", user: me });
    socket.receiveInLobby({ type: "typing", user: other });
    expect(eventsOf("typing")).toEqual([{ type: "typing", room: "lobby", user: other }]);
  });

  test("takes its properties from the hello of each connection", async () => {
    const { room, sockets, clock, welcome } = await connectToFake();
    await welcome(opened(1, [message(1)], { online: [me] }));
    sockets[0]?.disconnect();
    await clock.advance(500);
    const second = opened(1, [], { resumed: true, online: [other, me] });
    Object.assign(second.room, { name: "Hall", role: "owner" });
    await welcome(second);
    expect(room).toMatchObject({ online: [other, me], name: "Hall", role: "owner" });
  });
});

/** A page of messages, as the HTTP API returns it. */
const page = (...messages: unknown[]) => Response.json({ messages });

describe("older messages", () => {
  test("are prepended page by page, until the room is complete", async () => {
    const urls: string[] = [];
    const pages = [page(message(3), message(4)), page(message(1), message(2))];
    const { room, welcome } = await connectToFake({
      fetch: async (url) => {
        urls.push(url);
        return pages.shift() ?? page();
      },
    });
    expect(await room.older()).toEqual([]);
    await welcome(opened(6, [message(5), message(6)]));
    expect(room.complete).toBe(false);
    expect(await room.older(2)).toEqual([message(3), message(4)]);
    expect(await room.older(1_000)).toEqual([message(1), message(2)]);
    expect(room.messages).toEqual([1, 2, 3, 4, 5, 6].map((seq) => message(seq)));
    expect(room.complete).toBe(true);
    expect(await room.older()).toEqual([]);
    const path = "http://chat.example.com/api/rooms/lobby/messages";
    expect(urls).toEqual([`${path}?before=5&limit=2`, `${path}?before=3&limit=100`]);
  });

  test("are requested once for simultaneous calls", async () => {
    let requests = 0;
    const { room, welcome } = await connectToFake({
      fetch: async () => {
        requests++;
        return page(message(4));
      },
    });
    await welcome(opened(5, [message(5)]));
    expect(await Promise.all([room.older(), room.older()])).toEqual([[message(4)], [message(4)]]);
    expect(requests).toBe(1);
  });

  test("are requested again after a failure", async () => {
    const responses = [new Response("<html>", { status: 502 }), page(message(4))];
    const { room, welcome } = await connectToFake({ fetch: async () => responses.shift() ?? page() });
    await welcome(opened(5, [message(5)]));
    expect(await outcome(room.older())).toMatchObject({ code: "internal", status: 502 });
    expect(await room.older()).toEqual([message(4)]);
  });

  test("are no longer requested when the chat is closed, and a request in progress is aborted", async () => {
    let requests = 0;
    const { chat, room, welcome } = await connectToFake({
      fetch: (_, { signal }) =>
        new Promise((_resolve, reject) => {
          requests++;
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        }),
    });
    await welcome(opened(5, [message(5)]));
    const older = room.older();
    await settle();
    chat.close();
    expect(await outcome(older)).toMatchObject({ code: "closed" });
    expect(await outcome(room.older())).toMatchObject({ code: "closed" });
    expect(requests).toBe(1);
  });
});
