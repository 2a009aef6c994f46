import { expect, test } from "bun:test";

import * as fc from "fast-check";

import type { Message } from "../../src/chat/model.ts";
import type { Hello, MessageBody } from "../../src/protocol/frames.ts";
import { encodeMessage } from "../../src/protocol/serialize.ts";
import { ack, change, changes, chunks, hello, lastMessages } from "../../src/protocol/v2.ts";
import { actor, message } from "../support/people.ts";

const read = (json: string): unknown => JSON.parse(json);
const list = (json: string) => read(`[${json}]`) as MessageBody[];

/** Whatever a text, a name or an id may hold. */
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom('"', "\\", "\u2028", "</script>", "\u0000", "\ud800"),
);
const time = fc.integer({ min: 0, max: 4_000_000_000_000 });
const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 2 });
const seq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const anyMessage: fc.Arbitrary<Message> = fc.record({
  seq,
  rev: seq,
  sender: fc.record({ key: seq, id: some(text), email: some(text), name: some(text) }),
  text: some(text),
  sentAt: time,
  editedAt: some(time),
  deletedAt: some(time),
  replyTo: some(seq),
  clientId: some(text),
  reactions: fc.array(fc.record({ emoji: text, by: fc.array(text) }), { maxLength: 3 }),
});

const at = (when: number) => new Date(when).toISOString();

test("a message is encoded as JSON would be, whatever it holds, and without what it lacks", () => {
  const property = fc.property(anyMessage, (any) => {
    const { sender, sentAt, editedAt, deletedAt, replyTo, clientId } = any;
    const body: MessageBody = {
      seq: any.seq,
      rev: any.rev,
      sender: { id: sender.id, email: sender.email, name: sender.name },
      text: any.text ?? "",
      sent_at: at(sentAt),
      ...(editedAt !== null && { edited_at: at(editedAt) }),
      ...(deletedAt !== null && { deleted_at: at(deletedAt) }),
      ...(replyTo !== null && { reply_to: replyTo }),
      ...(clientId !== null && { client_id: clientId }),
      reactions: any.reactions.map(({ emoji, by }) => ({ emoji, by: [...by] })),
    };
    expect(encodeMessage(any)).toBe(JSON.stringify(body));
    expect(read(change({ kind: "edited", message: any }))).toEqual({
      type: "change",
      kind: "edited",
      message: body,
    });
  });
  fc.assert(property, { numRuns: 1000 });
});

test("an ack gives back whatever id it was asked with", () => {
  const property = fc.property(text, (id) => {
    expect(read(ack(id, { seq: 3, rev: 4 }))).toEqual({ type: "ack", id, seq: 3, rev: 4 });
  });
  fc.assert(property);
});

test("a hello holds its messages, and has no other keys than a client knows", () => {
  const about: Omit<Hello, "type" | "messages"> = {
    room: {
      id: "r",
      name: '"messages":[',
      role: "member",
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
    const frame = hello(about, (rest) => {
      expect(rest).toBe(Buffer.byteLength(hello(about, () => "")) - '"messages":[],'.length - 1);
      return encoded;
    });
    expect(read(frame)).toEqual({ type: "hello", ...about, messages: list(encoded) });
  }
});

test("a page goes out in frames that bring the cursor on, in order, each message in one of them", () => {
  const lengths = fc.array(fc.constantFrom(1, 1000, 30_000, 70_000), { maxLength: 12 });
  const property = fc.property(lengths, fc.nat(3), (plan, further) => {
    const messages = plan.map((length, index) => message(index + 1, 2 * index + 2, "x".repeat(length)));
    const rev = (messages.at(-1)?.rev ?? 7) + further;
    const frames = [...chunks({ messages, rev })];
    const sent = frames.map((chunk) => read(changes(chunk)) as { rev: number; messages: MessageBody[] });
    expect(sent.flatMap((frame) => frame.messages.map(({ seq: of }) => of))).toEqual(
      messages.map(({ seq: of }) => of),
    );
    expect(frames.map(({ count }) => count)).toEqual(sent.map((frame) => frame.messages.length));
    // Each goes as far as its last message, and the last one as far as the page; none is empty but an empty page's.
    for (const frame of sent.slice(0, -1)) expect(frame.rev).toBe(frame.messages.at(-1)?.rev ?? 0);
    expect(sent.at(-1)?.rev).toBe(rev);
    if (messages.length > 0) for (const frame of sent) expect(frame.messages).not.toBeEmpty();
    for (const frame of sent)
      expect(JSON.stringify(frame.messages.slice(0, -1)).length).toBeLessThan(65_536 + 100);
  });
  fc.assert(property, { numRuns: 200 });
});

test("last messages that are too long lose the oldest, and no more than they must", () => {
  const messages = [5, 300, 20, 10].map((length, index) => message(index + 1, index + 1, "€".repeat(length)));
  const seqs = (most: number) => list(lastMessages(messages, most)).map(({ seq: of }) => of);
  const size = (from: number) =>
    Buffer.byteLength(
      messages
        .slice(from)
        .map((each) => `${encodeMessage(each)},`)
        .join(""),
    );
  for (const from of [0, 1, 2, 3]) {
    const kept = [1, 2, 3, 4].slice(from);
    expect(seqs(size(from))).toEqual(kept);
    expect(seqs(size(from) - 1)).toEqual(kept.slice(1));
  }
});

test("a sender's new name is shown from his next message on", () => {
  const before = actor(1);
  const sent = { ...message(1), sender: before };
  expect(encodeMessage(sent)).toContain('"name":null');
  expect(encodeMessage({ ...sent, sender: { ...before, name: "New" } })).toContain('"name":"New"');
});
