import { expect, test } from "bun:test";

import { defaultSettings } from "../../src/chat/model.ts";
import type { RoomSummary } from "../../src/chat/model.ts";
import type { SessionHelloFrame } from "../../src/protocol/frames.ts";
import { encodeMessage, userBody } from "../../src/protocol/serialize.ts";
import {
  encodeActivity,
  encodeJoined,
  encodeLeft,
  encodeOpened,
  encodeRoomPages,
  encodeRooms,
  encodeSessionHello,
} from "../../src/protocol/session.ts";
import { actor, defaultSettingsBody, message, range, summaryBody } from "../support/samples.ts";

const read = (json: string): unknown => JSON.parse(json);

const summary = (key: number, name = `Room ${key}`): RoomSummary => ({
  room: { key, id: `room-${key}`, name, ...defaultSettings, seq: 3, rev: 4, createdAt: 0 },
  role: "member",
  read: 1,
  unread: 2,
  mentions: 0,
  lastMessage: message(3, 4),
});
const listed = () => true;
const pages = (rooms: readonly RoomSummary[]) =>
  Array.from(
    encodeRoomPages(rooms, listed),
    (page) => read(encodeRooms(page)) as { rooms: { id: string }[]; more: boolean },
  );

test("a session's hello has no room, and begins the list of rooms", () => {
  const parts: Omit<SessionHelloFrame, "type" | "rooms" | "more"> = {
    me: userBody(actor(1)),
    token_expires_at: "2026-01-01T00:00:00.000Z",
    limits: { text_bytes: 1, frame_bytes: 2, rate: 3, burst: 4, open_rooms: 5 },
  };
  const rooms = [summary(1), summary(2)];
  const [page = expect.unreachable()] = encodeRoomPages(rooms, listed);
  expect(read(encodeSessionHello(parts, page))).toEqual({
    type: "hello",
    ...parts,
    rooms: rooms.map(summaryBody),
    more: false,
  });
});

test("a list of rooms is sent in pages of 100, each of which tells whether another one follows", () => {
  for (const [count, lengths] of [
    [0, [0]],
    [1, [1]],
    [100, [100]],
    [101, [100, 1]],
    [250, [100, 100, 50]],
  ] as const) {
    const sent = pages(range(1, count).map((key) => summary(key)));
    expect(sent.map(({ rooms }) => rooms.length)).toEqual([...lengths]);
    expect(sent.flatMap(({ rooms }) => rooms.map(({ id }) => id))).toEqual(
      range(1, count).map((key) => `room-${key}`),
    );
    expect(sent.map(({ more }) => more)).toEqual(lengths.map((_, index) => index < lengths.length - 1));
  }
});

test("a page ends at 48 KiB, too, but has at least one room", () => {
  const long = range(1, 30).map((key) => summary(key, "x".repeat(5000)));
  const sent = pages(long);
  expect(sent.length).toBeGreaterThan(2);
  expect(sent.flatMap(({ rooms }) => rooms).length).toBe(30);
  for (const { rooms } of sent) expect(JSON.stringify(rooms).length).toBeLessThanOrEqual(49_152 + 200);
  expect(pages([summary(1, "x".repeat(60_000)), summary(2)]).map(({ rooms }) => rooms.length)).toEqual([
    1, 1,
  ]);
});

test("a page leaves out rooms that are not listed any more when it is asked for", () => {
  const present = new Set(range(1, 150));
  const list = encodeRoomPages(
    range(1, 150).map((key) => summary(key)),
    (key) => present.has(key),
  );
  const next = () => {
    const { value = expect.unreachable() } = list.next();
    return read(encodeRooms(value)) as { rooms: { id: string }[] };
  };
  expect(next().rooms).toHaveLength(100);
  present.delete(120);
  const ids = next().rooms.map(({ id }) => id);
  expect([ids.length, ids.includes("room-120")]).toEqual([49, false]);
});

test("an opened room has its messages among its other keys", () => {
  const room = { ...summary(1).room, created_at: "2026-01-01T00:00:00.000Z" };
  const parts = {
    id: "o",
    room: {
      id: room.id,
      name: room.name,
      role: "owner" as const,
      ...defaultSettingsBody,
      seq: 3,
      rev: 4,
      created_at: room.created_at,
    },
    rev: 4,
    resumed: false,
    online: [userBody(actor(1))],
    reads: [{ user: userBody(actor(1)), seq: 2 }],
  };
  const encoded = encodeMessage(message(3));
  expect(read(encodeOpened(parts, () => encoded))).toEqual({
    type: "opened",
    ...parts,
    messages: [read(encoded)],
  });
});

test("activity has the room's position and last message, and deletions where there are any", () => {
  const lastMessage = message(3, 7);
  const activity = { type: "activity", room: "lobby", seq: 3, rev: 9 };
  expect(read(encodeActivity("lobby", { seq: 3, rev: 9, lastMessage, deleted: [], mentions: [] }))).toEqual({
    ...activity,
    last_message: read(encodeMessage(lastMessage)),
  });
  const deleted = [
    { seq: 2, rev: 8 },
    { seq: 1, rev: 9 },
  ];
  expect(read(encodeActivity("lobby", { seq: 3, rev: 9, lastMessage: null, deleted, mentions: [] }))).toEqual(
    {
      ...activity,
      last_message: null,
      deleted: [2, 1],
      deleted_revs: [8, 9],
    },
  );
});

test("activity has the changes of mentions where there are any, or says that there were too many", () => {
  const activity = { seq: 3, rev: 9, lastMessage: null, deleted: [] };
  const [now, before] = ['{"users":["sub|1"]}', '{"users":[],"room":true}'];
  const mentions = [
    { seq: 2, rev: 8, now, before: null },
    { seq: 1, rev: 9, now: null, before },
  ];
  expect(read(encodeActivity("lobby", { ...activity, mentions }))).toMatchObject({
    mentions: [
      { seq: 2, rev: 8, now: { users: ["sub|1"] }, before: null },
      { seq: 1, rev: 9, now: null, before: { users: [], room: true } },
    ],
  });
  expect(read(encodeActivity("lobby", { ...activity, mentions: undefined }))).toEqual({
    type: "activity",
    room: "lobby",
    seq: 3,
    rev: 9,
    last_message: null,
    recount: true,
  });
});

test("the last message of an activity is cut, like that of a room list", () => {
  const lastMessage = message(3, 3, "x".repeat(201));
  const frame = read(encodeActivity("lobby", { seq: 3, rev: 3, lastMessage, deleted: [], mentions: [] }));
  expect(frame).toMatchObject({ last_message: { text: "x".repeat(200) } });
});

test("a new membership has the room's summary, the end of one has its reason", () => {
  expect(read(encodeJoined(summary(1)))).toEqual({ type: "joined", room: summaryBody(summary(1)) });
  expect(read(encodeLeft("lobby", "left"))).toEqual({ type: "left", room: "lobby", reason: "left" });
});
