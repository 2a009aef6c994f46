import { expect, spyOn, test } from "bun:test";

import * as fc from "fast-check";

import {
  accesses,
  defaultSettings,
  MAX_SLOW_MODE_S,
  type Message,
  postings,
  type Role,
  roles,
  type RoomSummary,
} from "../../src/chat/model.ts";
import {
  encodeLastMessage,
  encodeSummary,
  memberBody,
  messageBody,
  roomBody,
} from "../../src/protocol/serialize.ts";
import { actor, defaultSettingsBody, message, summaryBody } from "../support/samples.ts";

const room = { key: 7, id: "lobby", name: "Lobby", ...defaultSettings, seq: 3, rev: 4, createdAt: 0 };
const summary = (text?: string): RoomSummary => ({
  room,
  role: "member",
  read: 1,
  unread: 2,
  mentions: 1,
  lastMessage: text === undefined ? null : message(1, 1, text),
});

test("a room list shows what a user needs to know of a room, and nothing of the store", () => {
  expect(summaryBody(summary())).toEqual({
    id: "lobby",
    name: "Lobby",
    role: "member",
    ...defaultSettingsBody,
    seq: 3,
    rev: 4,
    created_at: "1970-01-01T00:00:00.000Z",
    read: 1,
    unread: 2,
    mentions: 1,
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

test.each([
  ["of 512 bytes of UTF-8 is kept", "x".repeat(504), true],
  ["of 513 bytes is left out", "x".repeat(505), false],
  ["is measured in bytes, not in characters", "é".repeat(252), true],
  ["is measured in bytes, not in characters: one more", "é".repeat(253), false],
])("the metadata of a last message %s", (_, a, isKept) => {
  const meta = { a };
  const lastMessage = { ...message(1), meta: JSON.stringify(meta) };
  const body = summaryBody({ ...summary(), lastMessage }).last_message;
  expect(body).toEqual(isKept ? messageBody(lastMessage) : messageBody(message(1)));
  expect(body?.meta).toEqual(isKept ? meta : undefined);
});

const name = fc.string({ unit: "binary" });
const time = fc.integer({ min: 0, max: 4e12 });
const seq = fc.nat();
const someUser = fc.record({
  key: fc.nat(),
  id: fc.option(name),
  email: fc.option(name),
  name: fc.option(name),
});
const someMessage: fc.Arbitrary<Message> = fc.record({
  seq,
  rev: seq,
  sender: someUser,
  text: fc.option(fc.string({ unit: "binary", maxLength: 300, size: "max" })),
  sentAt: time,
  editedAt: fc.option(time),
  deletedAt: fc.option(time),
  replyTo: fc.option(seq),
  clientId: fc.option(name),
  meta: fc.option(fc.dictionary(name, fc.jsonValue()).map((meta) => JSON.stringify(meta))),
  mentions: fc.option(fc.array(name).map((users) => JSON.stringify({ users }))),
  reactions: fc.array(fc.record({ emoji: name, by: fc.array(name) }), { maxLength: 3 }),
});
const someSummary: fc.Arbitrary<RoomSummary> = fc.record({
  room: fc.record({
    key: fc.nat(),
    id: name,
    name,
    access: fc.constantFrom(...accesses),
    posting: fc.constantFrom(...postings),
    slowMode: fc.nat(MAX_SLOW_MODE_S),
    seq,
    rev: seq,
    createdAt: time,
  }),
  role: fc.option(fc.constantFrom<Role[]>(...roles)),
  directWith: fc.option(someUser, { nil: undefined }),
  read: seq,
  unread: seq,
  mentions: seq,
  lastMessage: fc.option(someMessage),
});

/** The half of a surrogate pair at the cut goes. */
const cut = (text: string) => text.slice(0, 200).replace(/[\ud800-\udbff]$/, "");

test("the JSON of any summary is that of its parts", () => {
  fc.assert(
    fc.property(someSummary, (any) => {
      const { read, unread, mentions, lastMessage } = any;
      const whole = lastMessage && messageBody(lastMessage);
      const last_message = whole && {
        ...whole,
        text: whole.text.length > 200 ? cut(whole.text) : whole.text,
      };
      if (Buffer.byteLength(lastMessage?.meta ?? "") > 512) delete last_message?.meta;
      if (Buffer.byteLength(lastMessage?.mentions ?? "") > 512) delete last_message?.mentions;
      const expected = JSON.stringify({ ...roomBody(any), read, unread, mentions, last_message });
      // The second time from the cache.
      for (let round = 0; round < 2; round++) expect(encodeSummary(any)).toBe(expected);
      expect(JSON.stringify(summaryBody(any))).toBe(expected);
    }),
  );
});

test("a room and its last message are encoded once, however many users see them", () => {
  const shared = summary("hello");
  const first = encodeSummary(shared);
  const stringify = spyOn(JSON, "stringify");
  try {
    const other = encodeSummary({ ...shared, role: "owner", read: 3, unread: 0 });
    expect(other).toBe(
      first
        .replace('"role":"member"', '"role":"owner"')
        .replace('"read":1,"unread":2', '"read":3,"unread":0'),
    );
    expect(encodeLastMessage(shared.lastMessage ?? expect.unreachable())).toContain('"text":"hello"');
    expect(stringify).not.toHaveBeenCalled();
  } finally {
    stringify.mockRestore();
  }
});

test("a conversation is encoded for each of its users, with the other one", () => {
  const conversation = { ...summary("hello"), read: 3, unread: 0, role: "member" } as const;
  const encode = (key: number) => encodeSummary({ ...conversation, directWith: actor(key) });
  expect(encode(1)).toContain('"direct":{"id":"sub|1"');
  expect(encode(2)).toContain('"direct":{"id":"sub|2"');
  expect(encodeSummary(conversation)).not.toContain("direct");
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
