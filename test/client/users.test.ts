import { describe, expect, test } from "bun:test";

import { settle } from "../support/samples.ts";
import { connectToFake, created, createdAt, me, message, opened, other } from "./support/fake-server.ts";

const third = { id: "user|third", email: "third@example.com", name: "Third" };

describe("the users who are typing", () => {
  test("are shown for five seconds after the last sign of it", async () => {
    const { room, socket, clock, welcome, eventsOf } = await connectToFake();
    await welcome();
    socket.receiveInLobby({ type: "typing", user: other });
    const { typingUsers } = room;
    expect(typingUsers).toEqual([other]);
    await clock.advance(4_000);
    socket.receiveInLobby({ type: "typing", user: other });
    socket.receiveInLobby({ type: "typing", user: third });
    await clock.advance(4_999);
    expect(room.typingUsers).toEqual([other, third]);
    expect(typingUsers).toEqual([other]);
    await clock.advance(1);
    expect(room.typingUsers).toEqual([]);
    expect(eventsOf("typingUsers")).toHaveLength(4);
  });

  test("are shown until their next message, or the loss of the connection", async () => {
    const { room, socket, welcome } = await connectToFake();
    await welcome();
    for (const user of [other, third]) socket.receiveInLobby({ type: "typing", user });
    socket.receive(created(1));
    expect(room.typingUsers).toEqual([third]);
    socket.disconnect();
    expect(room.typingUsers).toEqual([]);
  });
});

describe("the read marks of others", () => {
  test("are those of `opened`, and move by `read` frames and by messages", async () => {
    const { room, socket, welcome, eventsOf } = await connectToFake();
    const reads = [
      { user: me, seq: 3 },
      { user: other, seq: 2 },
      { user: third, seq: 1 },
    ];
    await welcome(opened(3, [message(1), message(2), message(3, 3, { sender: third })], { reads }));
    expect([...room.reads]).toEqual([
      [other.id, 2],
      [third.id, 1],
    ]);
    expect(room.seenBy(1)).toEqual([third]);
    const before = room.reads;
    socket.receiveInLobby({ type: "read", user: third, seq: 3 });
    socket.receiveInLobby({ type: "read", user: third, seq: 2 });
    socket.receiveInLobby({ type: "read", user: me, seq: 3 });
    expect(eventsOf("read")).toHaveLength(3);
    expect(room.reads).not.toBe(before);
    expect([...room.reads]).toEqual([
      [other.id, 2],
      [third.id, 3],
    ]);
    // Its sender is not among those who have seen it.
    expect(room.seenBy(3)).toEqual([]);
    expect(room.seenBy(2)).toEqual([third]);
    socket.receive(created(4));
    expect(room.reads.get(other.id)).toBe(4);
    expect(room.seenBy(3)).toEqual([other]);
    socket.receiveInLobby({ type: "member", user: other, role: null });
    expect([...room.reads.keys()]).toEqual([third.id]);
  });
});

test("the mark of a member who has left is not set by a message that was missed", async () => {
  const { room, sockets, clock, welcome } = await connectToFake();
  const invited = { id: null, email: "invited@example.com", name: null };
  await welcome(opened(1, [message(1)], { reads: [{ user: other, seq: 1 }] }));
  sockets[0]?.disconnect();
  await clock.advance(500);
  const missed = [message(2), message(3, 3, { sender: third })];
  const reads = [
    { user: third, seq: 1 },
    { user: invited, seq: 0 },
  ];
  await welcome(opened(3, missed, { resumed: true, reads }));
  expect([...room.reads]).toEqual([[third.id, 3]]);
});

const member = (user: typeof me, role = "member") => ({ ...user, role, joined_at: createdAt });

describe("the members", () => {
  test("are loaded once, and again when they have changed", async () => {
    const urls: string[] = [];
    let members = [member(me), member(other)];
    const { room, socket, sockets, clock, welcome, eventsOf } = await connectToFake({
      fetch: async (url) => {
        urls.push(url);
        return Response.json({ members });
      },
    });
    await welcome();
    socket.receiveInLobby({ type: "member", user: third, role: "member" });
    await settle();
    expect([room.members, urls]).toEqual([[], []]);
    const loaded = await Promise.all([room.loadMembers(), room.loadMembers()]);
    expect(loaded).toEqual([members, members] as never);
    expect(room.members).toBe(room.members);
    expect(urls).toEqual(["http://chat.example.com/api/rooms/lobby/members?limit=1000"]);
    members = [...members, member(third, "owner")];
    socket.receiveInLobby({ type: "member", user: third, role: "owner" });
    await settle();
    expect(room.members).toEqual(members as never);
    expect(eventsOf("members")).toHaveLength(2);
    members = [member(me)];
    sockets[0]?.disconnect();
    await clock.advance(500);
    await welcome(opened(0, [], { resumed: true }));
    expect(room.members).toEqual(members as never);
  });

  test("that change while they are loaded are loaded again", async () => {
    const answers: ((response: Response) => void)[] = [];
    const { room, socket, welcome } = await connectToFake({
      fetch: () => new Promise((resolve) => answers.push(resolve)),
    });
    await welcome();
    const loaded = room.loadMembers();
    await settle();
    for (const user of [other, third]) socket.receiveInLobby({ type: "member", user, role: "member" });
    await settle();
    answers[0]?.(Response.json({ members: [member(me)] }));
    await settle();
    answers[1]?.(Response.json({ members: [member(me), member(other), member(third)] }));
    await loaded;
    await settle();
    expect(answers).toHaveLength(2);
    expect(room.members).toHaveLength(3);
  });

  test("that could not be loaded are loaded by the next call", async () => {
    const responses = [new Response("", { status: 502 }), Response.json({ members: [member(me)] })];
    const { room, welcome } = await connectToFake({
      fetch: async () => responses.shift() ?? Response.error(),
    });
    await welcome();
    expect(await room.loadMembers().catch(({ code }) => code)).toBe("internal");
    expect(await room.loadMembers()).toHaveLength(1);
  });
});

test("a mute is that of `opened`, and changes by `mute` frames", async () => {
  const { room, sockets, socket, clock, welcome, eventsOf } = await connectToFake();
  expect(room.mute).toBeUndefined();
  await welcome(opened(0, [], { mute: { until: null } }));
  expect(room.mute).toEqual({ until: null });
  socket.receiveInLobby({ type: "mute", mute: null });
  expect(room.mute).toBeUndefined();
  socket.receiveInLobby({ type: "mute", mute: { until: createdAt } });
  expect(room.mute).toEqual({ until: createdAt });
  expect(eventsOf("mute")).toHaveLength(2);
  sockets[0]?.disconnect();
  await clock.advance(500);
  await welcome(opened(0, [], { resumed: true }));
  expect(room.mute).toBeUndefined();
});
