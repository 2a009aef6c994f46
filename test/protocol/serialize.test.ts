import { expect, test } from "bun:test";

import type { RoomSummary } from "../../src/chat/model.ts";
import { memberBody, summaryBody } from "../../src/protocol/serialize.ts";
import { actor, message } from "../support/samples.ts";

const room = { key: 7, id: "lobby", name: "Lobby", seq: 3, rev: 4, createdAt: 0 };
const summary = (text?: string): RoomSummary => ({
  room,
  role: "member",
  read: 1,
  unread: 2,
  lastMessage: text === undefined ? null : message(1, 1, text),
});

test("a room list shows what a user needs to know of a room, and nothing of the store", () => {
  expect(summaryBody(summary())).toEqual({
    id: "lobby",
    name: "Lobby",
    role: "member",
    seq: 3,
    rev: 4,
    created_at: "1970-01-01T00:00:00.000Z",
    read: 1,
    unread: 2,
    last_message: null,
  });
});

test("a name may hold anything, and the role may be that of nobody", () => {
  const name = '"\\ \u2028 </script>';
  expect(summaryBody({ ...summary(), room: { ...room, name }, role: null })).toMatchObject({
    name,
    role: null,
  });
});

test.each([
  ["x".repeat(200), "x".repeat(200)],
  ["x".repeat(201), "x".repeat(200)],
  // Not in the middle of a surrogate pair.
  [`${"x".repeat(199)}😀`, "x".repeat(199)],
  [`${"x".repeat(198)}😀x`, `${"x".repeat(198)}😀`],
])("a last message is cut after 200 UTF-16 units", (text, shown) => {
  expect(summaryBody(summary(text)).last_message).toMatchObject({ seq: 1, text: shown });
});

test("a member is a user with a role", () => {
  expect(memberBody({ user: actor(1), role: "owner", joinedAt: 1 })).toEqual({
    id: "sub|1",
    email: "user-1@example.com",
    name: null,
    role: "owner",
    joined_at: "1970-01-01T00:00:00.001Z",
  });
});
