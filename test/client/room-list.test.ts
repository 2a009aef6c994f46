import { describe, expect, test } from "bun:test";

import { defaultSettingsBody, settle } from "../support/samples.ts";
import {
  connectChat,
  connectToFake,
  created,
  me,
  message,
  opened,
  other,
  outcome,
  recreatedAt,
  summary,
} from "./support/fake-server.ts";

const at = (day: number) => `2026-03-${String(day).padStart(2, "0")}T00:00:00.000Z`;
const last = (seq: number, day: number, fields = {}) => message(seq, seq, { sent_at: at(day), ...fields });

describe("the list of rooms", () => {
  test("is that of hello and the pages after it, most recent activity first", async () => {
    const { chat, socket, begin, chatEventsOf } = await connectChat();
    expect([chat.rooms, chat.complete, chat.unread]).toEqual([[], false, 0]);
    const c = summary("c", { seq: 3, unread: 1, read: 2, last_message: last(3, 3) });
    await begin([c, summary("b", { last_message: last(1, 2) })], { more: true });
    await chat.ready;
    expect([chat.me, chat.limits?.open_rooms, chat.complete]).toEqual([me, 100, false]);
    socket.receive({ type: "rooms", rooms: [summary("a", { seq: 9, unread: 4, read: 5 })], more: false });
    expect(chat.rooms.map(({ id }) => id)).toEqual(["c", "b", "a"]);
    expect([chat.complete, chat.unread, chat.room("a")?.unread, chat.room("none")]).toEqual([
      true,
      5,
      4,
      undefined,
    ]);
    expect(chatEventsOf("rooms")).toHaveLength(2);
    expect(chat.rooms).toBe(chat.rooms);
  });

  test("follows activity in rooms that are not open", async () => {
    const { chat, socket, begin } = await connectChat();
    await begin([
      summary("a", { seq: 2, last_message: last(2, 2) }),
      summary("b", { last_message: last(1, 1) }),
    ]);
    const { rooms } = chat;
    const newest = last(3, 5, { rev: 4 });
    socket.receive({ type: "activity", room: "b", seq: 3, rev: 4, last_message: newest });
    expect(chat.rooms.map(({ id, unread }) => [id, unread])).toEqual([
      ["b", 3],
      ["a", 0],
    ]);
    expect(chat.rooms[0]).toMatchObject({ seq: 3, rev: 4, last_message: newest });
    expect(chat.rooms[1]).toBe(rooms[0] as never);
    const deletion = { deleted: [3], deleted_revs: [5] };
    socket.receive({ type: "activity", room: "b", seq: 3, rev: 5, last_message: last(2, 1), ...deletion });
    expect(chat.room("b")).toMatchObject({ unread: 2, last_message: { seq: 2 } });
    // Repeated.
    socket.receive({ type: "activity", room: "b", seq: 3, rev: 5, last_message: null, ...deletion });
    expect(chat.room("b")).toMatchObject({ unread: 2, last_message: { seq: 2 } });
  });

  test("shows the other user of a direct conversation as their newest message does", async () => {
    const { chat, socket, begin } = await connectChat();
    const invited = { id: null, email: "bob@example.com", name: null };
    const bob = { id: "bob", email: "bob@example.com", name: "Bob" };
    await begin([summary("a", { direct: invited }), summary("b")]);
    const write = (seq: number, sender: typeof bob) =>
      socket.receive({
        type: "activity",
        room: "a",
        seq,
        rev: seq,
        last_message: last(seq, seq, { sender }),
      });
    expect(chat.room("a")?.direct).toEqual(invited);
    write(2, { id: "me", email: "me@example.com", name: "Me" });
    expect(chat.room("a")?.direct).toEqual(invited);
    write(3, bob);
    expect(chat.room("a")?.direct).toEqual(bob);
    write(4, { ...bob, name: "Robert" });
    expect(chat.room("a")?.direct?.name).toBe("Robert");
    // An administrator, who may write there too.
    write(5, { id: "admin", email: "admin@example.com", name: "Admin" });
    expect(chat.room("a")?.direct?.name).toBe("Robert");
    socket.receive({ type: "rooms", rooms: [summary("a", { direct: bob, seq: 5, rev: 5 })], more: false });
    expect([chat.room("a")?.direct, chat.room("b")?.direct]).toEqual([bob, undefined]);
  });

  test("follows this user's read marks on any device, names, roles, and new summaries", async () => {
    const { chat, socket, begin } = await connectChat();
    await begin([summary("a", { seq: 9, unread: 4, read: 5 })]);
    const counts = { room_seq: 9, room_rev: 9 };
    socket.receive({ type: "read", room: "a", user: me, seq: 8, unread: 1, ...counts });
    socket.receive({ type: "read", room: "a", user: other, seq: 9, unread: 0, ...counts });
    expect(chat.room("a")).toMatchObject({ read: 8, unread: 1 });
    socket.receive({ type: "room", room: { id: "a", name: "Hall", ...defaultSettingsBody, slow_mode: 5 } });
    socket.receive({ type: "member", room: "a", user: me, role: "owner" });
    socket.receive({ type: "member", room: "a", user: other, role: "moderator" });
    expect(chat.room("a")).toMatchObject({ name: "Hall", slow_mode: 5, role: "owner" });
    socket.receive({ type: "rooms", rooms: [summary("a", { seq: 12, read: 8, unread: 4 })], more: false });
    expect(chat.room("a")).toMatchObject({ name: "a", slow_mode: 0, role: "member", seq: 12, unread: 4 });
    // An older one has the name and the role only.
    socket.receive({ type: "rooms", rooms: [summary("a", { seq: 9, name: "B" })], more: false });
    expect(chat.room("a")).toMatchObject({ name: "B", seq: 12, unread: 4 });
  });

  test("has rooms that the user joins, and not those that they leave", async () => {
    const { chat, socket, begin, chatEventsOf } = await connectChat();
    await begin([summary("a")]);
    const b = summary("b", { seq: 4 });
    socket.receive({ type: "joined", room: b });
    expect(chat.rooms.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(chatEventsOf("joined")).toEqual([{ type: "joined", room: b }]);
    socket.receive({ type: "left", room: "a", reason: "left" });
    expect(chat.rooms).toEqual([b]);
  });

  test("is replaced on the next connection, and stays until its pages have arrived", async () => {
    const { chat, sockets, clock, begin, chatEventsOf } = await connectChat();
    await begin([summary("a"), summary("b"), summary("c", { seq: 5 })]);
    sockets[0]?.disconnect();
    await clock.advance(500);
    await begin([summary("b", { seq: 2, read: 0, unread: 2 })], { more: true });
    expect(chat.rooms.map(({ id }) => id).toSorted()).toEqual(["a", "b", "c"]);
    expect(chat.complete).toBe(false);
    // What comes before a room's summary counts after it.
    sockets[1]?.receive({ type: "activity", room: "c", seq: 8, rev: 8, last_message: last(8, 8) });
    expect(chat.room("c")).toMatchObject({ seq: 5, unread: 0 });
    sockets[1]?.receive({
      type: "rooms",
      rooms: [summary("c", { seq: 7, read: 5, unread: 1 })],
      more: false,
    });
    expect(chat.room("c")).toMatchObject({ seq: 8, unread: 2, last_message: { seq: 8 } });
    expect(chat.rooms.map(({ id }) => id).toSorted()).toEqual(["b", "c"]);
    expect(chatEventsOf("left")).toEqual([{ type: "left", room: "a", reason: "removed" }]);
  });

  test("is complete after an empty last page, when the rest of the rooms were lost meanwhile", async () => {
    const { chat, sockets, clock, begin } = await connectChat();
    await begin([summary("a"), summary("b"), summary("c")]);
    sockets[0]?.disconnect();
    await clock.advance(500);
    await begin([summary("b")], { more: true });
    const sent = chat.open("c").send("hi");
    sockets[1]?.receive({ type: "left", room: "c", reason: "removed" });
    expect(chat.complete).toBe(false);
    sockets[1]?.receive({ type: "rooms", rooms: [], more: false });
    expect([chat.complete, chat.rooms.map(({ id }) => id)]).toEqual([true, ["b"]]);
    expect(await outcome(sent)).toMatchObject({ code: "removed" });
  });
});

describe("mentions in rooms that are not open", () => {
  const mine = { users: [me.id] };

  test("follow activity, once each", async () => {
    const { chat, socket, begin } = await connectChat();
    await begin([summary("a", { seq: 2, read: 0, unread: 2, mentions: 1 })]);
    const activity = (rev: number, fields: object) =>
      socket.receive({ type: "activity", room: "a", seq: rev, rev, last_message: null, ...fields });
    activity(4, {
      last_message: message(4, 4, { mentions: mine }),
      mentions: [
        { seq: 3, rev: 3, now: { users: [other.id] }, before: null },
        { seq: 4, rev: 4, now: mine, before: null },
        { seq: 1, rev: 2, now: mine, before: null },
      ],
    });
    expect(chat.room("a")).toMatchObject({ unread: 4, mentions: 2 });
    activity(5, { seq: 4, mentions: [{ seq: 1, rev: 5, now: null, before: mine }] });
    activity(5, { seq: 4, mentions: [{ seq: 1, rev: 5, now: null, before: mine }] });
    expect(chat.room("a")?.mentions).toBe(1);
    const counts = { unread: 1, mentions: 1, room_seq: 4, room_rev: 5 };
    socket.receive({ type: "read", room: "a", user: me, seq: 3, ...counts });
    expect(chat.room("a")).toMatchObject({ read: 3, mentions: 1 });
  });

  test("are asked for after a while when the server has not told them, and again until they are known", async () => {
    const { chat, socket, begin, clock } = await connectChat({ random: () => 0.5 });
    await begin([summary("a", { seq: 1 })]);
    socket.receive({ type: "activity", room: "a", seq: 200, rev: 200, last_message: null, recount: true });
    socket.receive({ type: "activity", room: "a", seq: 201, rev: 201, last_message: null, recount: true });
    expect(socket.sent).toEqual([]);
    await clock.advance(250);
    const ask = { type: "summary", room: "a" };
    expect(socket.sent).toMatchObject([ask]);
    // An answer that is older than what is known meanwhile.
    const fields = { read: 1, unread: 199, mentions: 150 };
    socket.receive({ type: "rooms", rooms: [summary("a", { seq: 200, ...fields })], more: false });
    socket.receiveAck();
    await clock.advance(250);
    expect(socket.sent).toMatchObject([ask, ask]);
    socket.receive({ type: "rooms", rooms: [summary("a", { seq: 201, ...fields })], more: false });
    socket.receiveAck();
    expect(chat.room("a")?.mentions).toBe(150);
    await clock.advance(1000);
    expect(socket.sent).toHaveLength(2);
  });
});

describe("an open room", () => {
  test("keeps its counts and its last message in step", async () => {
    const { chat, room, socket, welcome, eventsOf } = await connectToFake();
    await welcome(opened(2, [message(1), message(2)]));
    socket.receive(created(3, 3, { text: "x".repeat(199) + "😀" }));
    expect(chat.room("lobby")).toMatchObject({
      seq: 3,
      unread: 1,
      last_message: { seq: 3, text: "x".repeat(199) },
    });
    expect(room.unread).toBe(1);
    socket.receiveInLobby({
      type: "change",
      kind: "deleted",
      message: message(3, 4, { text: "", deleted_at: at(1) }),
    });
    expect(chat.room("lobby")).toMatchObject({ seq: 3, rev: 4, unread: 0, last_message: { seq: 2 } });
    socket.receiveInLobby({ type: "change", kind: "edited", message: message(2, 5, { text: "new" }) });
    expect(chat.room("lobby")?.last_message?.text).toBe("new");
    // A message of this user moves their mark.
    socket.receive(created(4, 6));
    socket.receive(created(5, 7, { sender: me }));
    expect(chat.room("lobby")).toMatchObject({ read: 5, unread: 0 });
    expect(eventsOf("unread")).toHaveLength(4);
  });

  test("counts the messages that mention this user or everyone", async () => {
    const { chat, room, socket, welcome, eventsOf } = await connectToFake();
    await welcome(opened(1, [message(1)]));
    const [mine, everyone] = [{ users: [me.id] }, { users: [], room: true as const }];
    socket.receive(created(2, 2, { mentions: mine }));
    socket.receive(created(3, 3, { mentions: everyone }));
    socket.receive(created(4, 4, { mentions: { users: [other.id] } }));
    expect([room.mentions, room.unread, eventsOf("unread").length]).toEqual([2, 3, 3]);
    const change = (kind: "edited" | "deleted", changed: ReturnType<typeof message>, before = {}) =>
      socket.receiveInLobby({ type: "change", kind, message: changed, ...before });
    change("edited", message(2, 5, { edited_at: at(1) }), { mentions_before: mine });
    expect([room.mentions, eventsOf("unread").length]).toEqual([1, 4]);
    change("edited", message(3, 6, { edited_at: at(1), mentions: everyone }));
    change("edited", message(4, 7, { edited_at: at(1), mentions: mine }), { mentions_before: null });
    expect(room.mentions).toBe(2);
    change("deleted", message(3, 8, { deleted_at: at(1) }), { mentions_before: everyone });
    expect([room.mentions, room.unread, chat.room("lobby")?.mentions]).toEqual([1, 2, 1]);
    socket.receive(created(5, 9, { sender: me }));
    expect(room.mentions).toBe(0);
  });

  test("has the metadata of its last message, unless that is larger than 512 bytes", async () => {
    const { chat, socket, welcome } = await connectToFake();
    await welcome();
    const largest = { meta: { a: "é".repeat(252) } };
    socket.receive(created(1, 1, largest));
    expect(chat.room("lobby")?.last_message).toEqual(message(1, 1, largest));
    socket.receive(created(2, 2, { meta: { a: "é".repeat(253) } }));
    expect(chat.room("lobby")?.last_message).toStrictEqual(message(2));
  });

  test("finds its last message among older ones when all that it has are deleted", async () => {
    const urls: string[] = [];
    const pages = [
      [message(3, 3, { deleted_at: at(1) }), message(4, 4, { deleted_at: at(1) })],
      [message(2)],
    ];
    const { chat, socket, welcome } = await connectToFake({
      fetch: async (url) => {
        urls.push(url.replace(/.*\?/, ""));
        return Response.json({ messages: pages.shift() ?? [] });
      },
    });
    await welcome(opened(5, [message(5)]));
    socket.receiveInLobby({ type: "change", kind: "edited", message: message(5, 6) });
    socket.receiveInLobby({
      type: "change",
      kind: "deleted",
      message: message(5, 7, { text: "", deleted_at: at(1) }),
    });
    expect(chat.room("lobby")?.last_message).toBeNull();
    await settle();
    expect(urls).toEqual(["before=5&limit=100", "before=3&limit=100"]);
    expect(chat.room("lobby")?.last_message).toEqual(message(2));
  });

  test("drops what names a message if the list says that it is another room", async () => {
    const { chat, sockets, clock, begin } = await connectChat();
    await begin([summary("a", { seq: 4 }), summary("b", { seq: 4 })]);
    const [a, b] = [chat.open("a"), chat.open("b")];
    sockets[0]?.disconnect();
    const codes = [a, b].flatMap((room) =>
      [room.edit(1, "x"), room.remove(2)].map((each) => each.catch(({ code }) => code)),
    );
    void a.send("hi");
    await clock.advance(500);
    await begin([summary("a", { seq: 9, created_at: recreatedAt }), summary("b", { seq: 3 })]);
    expect(await Promise.all(codes)).toEqual(Array(4).fill("conflict"));
    expect(sockets[1]?.sent).toMatchObject([{ type: "send", room: "a" }]);
  });
});

test("commands of several rooms do not wait for each other, and each room has one in flight", async () => {
  const { chat, socket, begin } = await connectChat();
  await begin([summary("a"), summary("b")]);
  const [a, b] = [chat.open("a"), chat.open("b")];
  for (const room of [a, b]) for (const text of ["one", "two"]) void room.send(text);
  expect(socket.sent).toMatchObject([
    { room: "a", text: "one" },
    { room: "b", text: "one" },
  ]);
  socket.receiveAck(1, 1, socket.sent[1]);
  expect(socket.sent.slice(2)).toMatchObject([{ room: "b", text: "two" }]);
});

test("close code 1009 fails the largest of the commands in flight", async () => {
  const { chat, sockets, clock, begin } = await connectChat();
  await begin([summary("a"), summary("b")]);
  const small = chat.open("a").send("small");
  const large = chat.open("b").send("very large");
  sockets[0]?.disconnect(1009);
  expect(await large.catch(({ code }) => code)).toBe("message_too_long");
  await clock.advance(500);
  await begin([summary("a"), summary("b")]);
  expect(sockets[1]?.sentTexts).toEqual(["small"]);
  sockets[1]?.receiveAck();
  expect(await small).toEqual({ seq: 1, rev: 1 });
});
