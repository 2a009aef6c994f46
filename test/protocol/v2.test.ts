import { expect, test } from "bun:test";

import * as fc from "fast-check";

import { ChatError } from "../../src/chat/errors.ts";
import { defaultSettings } from "../../src/chat/model.ts";
import type { Message, Meta } from "../../src/chat/model.ts";
import type { HelloFrame, MentionsBody, MessageBody } from "../../src/protocol/frames.ts";
import type { Command } from "../../src/protocol/schemas.ts";
import { encodeMessage } from "../../src/protocol/serialize.ts";
import {
  encodeAck,
  encodeChange,
  encodeChanges,
  encodeChunks,
  encodeError,
  encodeHello,
  encodeMessages,
  encodeNotice,
  encodePresence,
  encodeRead,
  parseCommand,
} from "../../src/protocol/v2.ts";
import { actor, defaultSettingsBody, message, range } from "../support/samples.ts";

const read = (json: string): unknown => JSON.parse(json);
const readList = (json: string) => read(`[${json}]`) as MessageBody[];

/** Anything that a text, a name or an id may hold. */
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom('"', "\\", "\u2028", "</script>", "\u0000", "\ud800"),
);
const time = fc.integer({ min: 0, max: 4_000_000_000_000 });
const nullable = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 2 });
const seq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const anyMessage: fc.Arbitrary<Message> = fc.record({
  seq,
  rev: seq,
  sender: fc.record({ key: seq, id: nullable(text), email: nullable(text), name: nullable(text) }),
  text: nullable(text),
  sentAt: time,
  editedAt: nullable(time),
  deletedAt: nullable(time),
  replyTo: nullable(seq),
  clientId: nullable(text),
  meta: nullable(fc.dictionary(text, fc.jsonValue()).map((meta) => JSON.stringify(meta))),
  mentions: nullable(fc.array(text).map((users) => JSON.stringify({ users }))),
  reactions: fc.array(fc.record({ emoji: text, by: fc.array(text) }), { maxLength: 3 }),
});

const toTime = (at: number) => new Date(at).toISOString();

test("a message is encoded as JSON.stringify would, without the keys that it lacks", () => {
  const property = fc.property(anyMessage, (any) => {
    const { sender, sentAt, editedAt, deletedAt, replyTo, clientId, meta, mentions } = any;
    const body: MessageBody = {
      seq: any.seq,
      rev: any.rev,
      sender: { id: sender.id, email: sender.email, name: sender.name },
      text: any.text ?? "",
      sent_at: toTime(sentAt),
      ...(editedAt !== null && { edited_at: toTime(editedAt) }),
      ...(deletedAt !== null && { deleted_at: toTime(deletedAt) }),
      ...(replyTo !== null && { reply_to: replyTo }),
      ...(clientId !== null && { client_id: clientId }),
      ...(meta !== null && { meta: JSON.parse(meta) as Meta }),
      ...(mentions !== null && { mentions: JSON.parse(mentions) as MentionsBody }),
      reactions: any.reactions.map(({ emoji, by }) => ({ emoji, by: [...by] })),
    };
    expect(encodeMessage(any)).toBe(JSON.stringify(body));
    expect(read(encodeChange("lobby", { kind: "edited", message: any }))).toEqual({
      type: "change",
      room: "lobby",
      kind: "edited",
      message: body,
    });
    const before = [null, '{"users":[],"room":true}'].map((mentionsBefore) =>
      read(encodeChange("lobby", { kind: "edited", message: any, mentionsBefore })),
    );
    expect(before).toMatchObject([{ mentions_before: null }, { mentions_before: { users: [], room: true } }]);
  });
  fc.assert(property, { numRuns: 1000 });
});

test("a sender's new name is shown from their next message on", () => {
  const sent = message(1);
  expect(encodeMessage(sent)).toContain('"name":null');
  const renamed = { ...sent, sender: { ...sent.sender, name: "New" } };
  expect(encodeMessage(renamed)).toContain('"name":"New"');
});

test("an ack returns the id of its command, and its room and position where there are any", () => {
  const property = fc.property(text, (id) => {
    const room = "lobby";
    expect(read(encodeAck(room, id, { seq: 3, rev: 4 }))).toEqual({ type: "ack", room, id, seq: 3, rev: 4 });
    expect(read(encodeAck(room, id))).toEqual({ type: "ack", room, id });
    expect(read(encodeAck(undefined, id))).toEqual({ type: "ack", id });
  });
  fc.assert(property);
});

test("an error has the room, the id, the time to wait and the details, where there are any", () => {
  expect(read(encodeError(undefined, undefined, new ChatError("forbidden", "No.")))).toEqual({
    type: "error",
    code: "forbidden",
    message: "No.",
  });
  const conflict = new ChatError("conflict", "Taken.", { retryAfterMs: 5, details: { seq: 3 } });
  expect(read(encodeError("lobby", "a", conflict))).toEqual({
    type: "error",
    room: "lobby",
    id: "a",
    code: "conflict",
    message: "Taken.",
    retry_after_ms: 5,
    seq: 3,
  });
});

test("a hello has its messages among its other keys, and tells how long those are", () => {
  const parts: Omit<HelloFrame, "type" | "messages"> = {
    room: {
      id: "r",
      name: '"messages":[',
      role: "member",
      ...defaultSettingsBody,
      seq: 1,
      rev: 2,
      created_at: "2026-01-01T00:00:00.000Z",
    },
    me: { id: "}", email: null, name: null },
    rev: 2,
    resumed: true,
    online: [],
    token_expires_at: "2026-01-01T00:00:00.000Z",
    limits: { text_bytes: 1, frame_bytes: 2, rate: 3, burst: 4 },
  };
  for (const messages of [[], [message(1)], [message(1), message(2)]]) {
    const encoded = messages.map(encodeMessage).join(",");
    const frame = encodeHello(parts, (restBytes) => {
      expect(restBytes).toBe(Buffer.byteLength(encodeHello(parts, () => "")) - '"messages":[],'.length - 1);
      return encoded;
    });
    expect(read(frame)).toEqual({ type: "hello", ...parts, messages: readList(encoded) });
  }
});

test("a page is sent in frames that advance the cursor in order, with each message in one of them", () => {
  const lengths = fc.array(fc.constantFrom(1, 1000, 30_000, 70_000), { maxLength: 12 });
  const property = fc.property(lengths, fc.nat(3), (plan, further) => {
    const messages = plan.map((length, index) => message(index + 1, 2 * index + 2, "x".repeat(length)));
    const rev = (messages.at(-1)?.rev ?? 7) + further;
    const chunks = [...encodeChunks({ messages, rev })];
    const frames = chunks.map(
      (chunk) =>
        read(encodeChanges("lobby", chunk)) as { room: string; rev: number; messages: MessageBody[] },
    );
    expect(new Set(frames.map((frame) => frame.room))).toEqual(new Set(["lobby"]));
    expect(frames.flatMap((frame) => frame.messages.map((each) => each.seq))).toEqual(
      messages.map((each) => each.seq),
    );
    expect(chunks.map(({ count }) => count)).toEqual(frames.map((frame) => frame.messages.length));
    // Each goes as far as its last message, the last one as far as the page. Only the frame of an empty page is empty.
    for (const frame of frames.slice(0, -1)) expect(frame.rev).toBe(frame.messages.at(-1)?.rev ?? 0);
    expect(frames.at(-1)?.rev).toBe(rev);
    if (messages.length > 0) for (const frame of frames) expect(frame.messages).not.toBeEmpty();
    for (const frame of frames)
      expect(JSON.stringify(frame.messages.slice(0, -1)).length).toBeLessThan(65_536 + 100);
  });
  fc.assert(property, { numRuns: 200 });
});

test("of messages that are too long together the oldest are left out, and no more than must be", () => {
  const messages = [5, 300, 20, 10].map((length, index) => message(index + 1, index + 1, "€".repeat(length)));
  const seqs = (maxBytes: number) => readList(encodeMessages(messages, maxBytes)).map((each) => each.seq);
  const bytesFrom = (start: number) =>
    Buffer.byteLength(
      messages
        .slice(start)
        .map((each) => `${encodeMessage(each)},`)
        .join(""),
    );
  for (const start of range(0, 3)) {
    const kept = range(start + 1, 4);
    expect(seqs(bytesFrom(start))).toEqual(kept);
    expect(seqs(bytesFrom(start) - 1)).toEqual(kept.slice(1));
  }
});

test.each([
  ["{", {}, "A frame must be one JSON object."],
  ["null", {}, /^frame: /],
  ['{"type":"shout","id":"a","room":"r"}', { id: "a", room: "r" }, /^type: /],
  ['{"type":"send","id":"a"}', { id: "a" }, "text: is missing"],
  ['{"type":"send","id":"a","text":"x","clientid":"c"}', { id: "a" }, "clientid: is not a known key"],
  [
    '{"type":"react","id":"a","room":"r","seq":1,"emoji":"\u200b","on":true}',
    { id: "a", room: "r" },
    /^emoji: must be one emoji/,
  ],
  ['{"type":"send","id":7,"room":"r","text":"x"}', { room: "r" }, /^id: /],
  ['{"type":"send","id":"a","room":"a/b","text":"x"}', { id: "a" }, /^room: /],
  ['{"type":"close","id":"a"}', { id: "a" }, "room: is missing"],
  ['{"type":"open","id":"a","room":"r","since":-1}', { id: "a", room: "r" }, /^since: /],
])("the frame %s is refused, and answered with the id and the room that it has", (frame, address, reason) => {
  const { id, room, command } = parseCommand(frame);
  expect({ id, room }).toEqual({ id: undefined, room: undefined, ...address });
  expect(command).toMatchObject({ code: "invalid_command" });
  const { message: sentence } = command instanceof ChatError ? command : expect.unreachable();
  expect(sentence).toMatch(reason);
});

test("a command is parsed into what the schema says", () => {
  const command: Command = { type: "send", id: "a", text: "x", client_id: "c", reply_to: 3 };
  expect(parseCommand(JSON.stringify(command))).toEqual({ id: "a", room: undefined, command });
  const inRoom = { ...command, room: "lobby" };
  expect(parseCommand(JSON.stringify(inRoom))).toEqual({ id: "a", room: "lobby", command: inRoom });
  const [typing, ping] = [{ type: "typing" } as const, { type: "ping", id: "p" } as const];
  expect(parseCommand(JSON.stringify(typing))).toEqual({ id: undefined, room: undefined, command: typing });
  expect(parseCommand(JSON.stringify(ping))).toEqual({ id: "p", room: undefined, command: ping });
});

test("a notice names its room", () => {
  const user = actor(1);
  const body = { id: "sub|1", email: "user-1@example.com", name: null };
  expect(read(encodeNotice("lobby", { type: "member", user, role: null }))).toEqual({
    type: "member",
    room: "lobby",
    user: body,
    role: null,
  });
  const room = { key: 7, id: "lobby", name: "Hall", ...defaultSettings, seq: 1, rev: 1, createdAt: 0 };
  expect(read(encodeNotice("lobby", { type: "room", room }))).toEqual({
    type: "room",
    room: { id: "lobby", name: "Hall", ...defaultSettingsBody },
  });
  expect(read(encodePresence("lobby", user, true))).toEqual({
    type: "presence",
    room: "lobby",
    user: body,
    online: true,
  });
});

test("a read mark comes with its user's unread messages, and the position as of which they were counted", () => {
  const frame = encodeRead("lobby", actor(1), { seq: 4, unread: 3, mentions: 2, head: { seq: 8, rev: 12 } });
  expect(read(frame)).toEqual({
    type: "read",
    room: "lobby",
    user: { id: "sub|1", email: "user-1@example.com", name: null },
    seq: 4,
    unread: 3,
    mentions: 2,
    room_seq: 8,
    room_rev: 12,
  });
});
