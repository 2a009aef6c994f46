import { describe, expect, test } from "bun:test";

import type { Bus, BusEvent } from "../../src/chat/bus.ts";
import { asChatError } from "../../src/chat/errors.ts";
import { operator } from "../../src/chat/model.ts";
import { Rooms } from "../../src/chat/rooms.ts";
import { StoreHarness } from "../contract/store-harness.ts";
import { noLimits } from "../support/chat-harness.ts";
import { openSqliteStore } from "../support/sqlite-store.ts";

/** The room "lobby" with an owner, a moderator and a member, and the events that were published. */
async function openLobby() {
  const opened = openSqliteStore();
  const { store, client } = opened;
  const events: BusEvent[] = [];
  const bus: Bus = {
    publish: (event) => void events.push(event),
    subscribe: () => undefined,
    close: () => undefined,
  };
  let failedWrites = 0;
  const rooms = new Rooms({ store, bus, limits: noLimits, now: () => 9, writeFailed: () => failedWrites++ });
  const h = new StoreHarness(store);
  const [owner, moderator, member] = [
    await h.signIn("owner"),
    await h.signIn("moderator"),
    await h.signIn("member"),
  ];
  const room = await rooms.create(owner, "lobby", "Lobby");
  await rooms.setMember(owner, "lobby", { sub: "moderator" }, "moderator");
  await rooms.setMember(owner, "lobby", { sub: "member" });
  events.length = 0;
  return {
    rooms,
    room,
    owner,
    moderator,
    member,
    client,
    stranger: await h.signIn("stranger"),
    failedWrites: () => failedWrites,
    published: () => events.splice(0),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error: unknown) => asChatError(error).code,
  );

describe("what a change of a room or its members announces", () => {
  test("a new name, in NFC", async () => {
    await using at = await openLobby();
    const membership = await at.rooms.change(at.owner, "lobby", { name: " Cafe\u0301 " });
    expect(membership).toMatchObject({ room: { id: "lobby", name: "Café" }, role: "owner" });
    expect(at.published()).toMatchObject([
      { kind: "notice", notice: { type: "room", room: { name: "Café" } } },
    ]);
  });

  test("a member or a role", async () => {
    await using at = await openLobby();
    const granted = await at.rooms.setMember(at.moderator, "lobby", { email: "friend@example.com" });
    expect(granted).toMatchObject({ added: true, member: { role: "member", joinedAt: 9 } });
    const { user } = granted.member;
    const room = at.room.key;
    expect(at.published()).toEqual([
      { kind: "member_added", room, user: user.key },
      { kind: "notice", room, notice: { type: "member", user, role: "member" } },
    ]);
    await at.rooms.setMember(at.owner, "lobby", { email: "friend@example.com" }, "moderator");
    expect(at.published()).toEqual([
      { kind: "notice", room, notice: { type: "member", user, role: "moderator" } },
    ]);
  });

  test("a new room, to its owner", async () => {
    await using at = await openLobby();
    const { key } = await at.rooms.create(at.member, "hall", "Hall");
    expect(at.published()).toEqual([{ kind: "member_added", room: key, user: at.member.key }]);
    await at.rooms.create(operator, "annex", "Annex");
    expect(at.published()).toEqual([]);
  });

  test.each([
    ["owner", "removed"],
    ["member", "left"],
  ] as const)("a removal by the %s, first to the removed user's connections, as %s", async (by, reason) => {
    await using at = await openLobby();
    const { room, member } = at;
    expect(await at.rooms.removeMember(at[by], "lobby", { sub: "member" })).toMatchObject({ role: "member" });
    expect(at.published()).toMatchObject([
      { kind: "member_removed", room: room.key, user: member.key, reason },
      { kind: "notice", notice: { type: "member", user: { id: "member" }, role: null } },
    ]);
    expect(await at.rooms.removeMember(at.owner, "lobby", { sub: "member" })).toBeUndefined();
    expect(at.published()).toEqual([]);
  });

  test("a deletion", async () => {
    await using at = await openLobby();
    await at.rooms.delete(at.owner, "lobby");
    expect(at.published()).toEqual([{ kind: "room_deleted", room: at.room.key }]);
    expect(await codeOf(at.rooms.enter(at.owner, "lobby"))).toBe("room_not_found");
  });

  test("nothing, when it is refused", async () => {
    await using at = await openLobby();
    const { rooms, owner, member } = at;
    const codes = await Promise.all([
      codeOf(rooms.change(member, "lobby", { name: "Mine" })),
      codeOf(rooms.change(owner, "lobby", { name: "\u200b" })),
      codeOf(rooms.delete(member, "lobby")),
      codeOf(rooms.setMember(member, "lobby", { sub: "stranger" })),
      codeOf(rooms.removeMember(owner, "lobby", { sub: "owner" })),
      codeOf(rooms.create(owner, "lobby", "Lobby")),
      codeOf(rooms.create(owner, ".lobby", "Lobby")),
    ]);
    const [forbidden, invalid] = ["forbidden", "invalid_command"];
    expect(codes).toEqual([forbidden, invalid, forbidden, forbidden, "conflict", "conflict", invalid]);
    expect([at.published(), at.failedWrites()]).toEqual([[], 0]);
  });

  test("nothing, when it cannot be stored, which is noted", async () => {
    await using at = await openLobby();
    at.client.run("PRAGMA query_only = ON");
    expect(await codeOf(at.rooms.change(at.owner, "lobby", { name: "New" }))).toBe("storage_unavailable");
    expect([at.published(), at.failedWrites()]).toEqual([[], 1]);
    at.client.run("PRAGMA query_only = OFF");
  });
});

test("a room that a user may not be in looks like one that is not there", async () => {
  await using at = await openLobby();
  const { rooms, stranger } = at;
  const errors = await Promise.all(
    ["lobby", "nowhere"].map((id) => rooms.enter(stranger, id).catch((error: unknown) => asChatError(error))),
  );
  expect(errors[0]).toMatchObject({ code: "room_not_found" });
  expect(errors[0]).toEqual(errors[1] ?? expect.unreachable());
  expect(await rooms.enter({ ...stranger, admin: true }, "lobby")).toMatchObject({ role: null });
});

test("the operator's rooms have no owner, and a user's have them", async () => {
  await using at = await openLobby();
  await at.rooms.create(operator, "hall", "Hall");
  expect(await at.rooms.members(operator, "hall")).toEqual([]);
  expect(await at.rooms.members(at.member, "lobby")).toMatchObject([
    { user: { id: "owner" }, role: "owner" },
    { user: { id: "moderator" } },
    { user: { id: "member" } },
  ]);
  expect((await at.rooms.all()).map(({ id }) => id)).toEqual(["hall", "lobby"]);
});

/** Requests that were admitted at the same moment, as while another process holds the database. */
const codesOf = (...requests: Promise<unknown>[]) => Promise.all(requests.map(codeOf));

describe("a role that is lost between the request and the write", () => {
  test("refuses a moderator who was removed", async () => {
    await using at = await openLobby();
    const { rooms, owner, moderator } = at;
    const codes = await codesOf(
      rooms.removeMember(owner, "lobby", { sub: "moderator" }),
      rooms.setMember(moderator, "lobby", { email: "friend@example.com" }),
      rooms.setMember(moderator, "lobby", { sub: "moderator" }),
    );
    expect(codes).toEqual(["done", "removed", "removed"]);
    expect(await rooms.members(owner, "lobby")).toHaveLength(2);
  });

  test("refuses an owner who is one no more", async () => {
    await using at = await openLobby();
    const { rooms, owner } = at;
    await rooms.setMember(owner, "lobby", { sub: "moderator" }, "owner");
    const codes = await codesOf(
      rooms.setMember(operator, "lobby", { sub: "owner" }, "member"),
      rooms.change(owner, "lobby", { name: "Mine" }),
      rooms.delete(owner, "lobby"),
    );
    expect(codes).toEqual(["done", "forbidden", "forbidden"]);
    expect(await rooms.enter(owner, "lobby")).toMatchObject({ room: { name: "Lobby" }, role: "member" });
  });
});
