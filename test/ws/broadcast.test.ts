import { expect, test } from "bun:test";

import type { Message } from "../../src/chat/model.ts";
import { defaultClassic } from "../../src/protocol/classic/classic.ts";
import { createBroadcaster, type TopicServer } from "../../src/ws/broadcast.ts";
import { message } from "../support/samples.ts";

const room = { key: 7, id: "lobby" };

/** A broadcaster to so many subscribers of each dialect, and what was published. */
function createRecorder(subscribers: { classic: number; v2: number }) {
  const published: [topic: string, frame: unknown][] = [];
  const server: TopicServer = {
    subscriberCount: (topic) => subscribers[topic.endsWith("classic") ? "classic" : "v2"],
    publish(topic, frame, compress) {
      // Compression is the most expensive part of a broadcast.
      expect(compress).toBe(false);
      return published.push([topic, JSON.parse(frame)]);
    },
  };
  const broadcaster = createBroadcaster({
    server,
    classic: defaultClassic.frames,
    roomName: () => "Room",
    checkSessions: () => undefined,
  });
  const framesOf = (dialect: string) =>
    published.filter(([topic]) => topic === `room:7:${dialect}`).map(([, frame]) => frame);
  return { broadcaster, published, framesOf };
}

/** A message that counts how often it is encoded. */
function countEncodings(original: Message) {
  const count = { encodings: 0 };
  const counted = Object.defineProperty({ ...original }, "text", {
    get: () => (count.encodings++, original.text),
    enumerable: true,
  });
  return { count, counted };
}

test.each([
  { classic: 1000, v2: 1000, frames: 2 },
  { classic: 0, v2: 1000, frames: 1 },
  { classic: 1000, v2: 0, frames: 1 },
  { classic: 0, v2: 0, frames: 0 },
])("with $classic and $v2 subscribers a change is encoded $frames times", ({ frames, ...subscribers }) => {
  const { broadcaster, published } = createRecorder(subscribers);
  const { count, counted } = countEncodings(message(3));
  broadcaster.publish(room, [{ kind: "created", message: counted }]);
  expect([published.length, count.encodings]).toEqual([frames, frames]);
});

test("changes that were missed are not encoded for a dialect without subscribers", () => {
  const { broadcaster, published } = createRecorder({ classic: 1, v2: 0 });
  broadcaster.publishMissed(room, { messages: [message(3)], rev: 3 }, []);
  expect(published).toEqual([]);
});

test("classic is sent new messages, chat.v2 every change", () => {
  const { broadcaster, framesOf } = createRecorder({ classic: 1, v2: 1 });
  broadcaster.publish(room, [
    { kind: "created", message: message(1) },
    { kind: "edited", message: message(1, 2, "edited") },
  ]);
  expect(framesOf("classic")).toEqual([{ message: "text 1" }]);
  expect(framesOf("v2")).toMatchObject([
    { type: "change", room: "lobby", kind: "created", message: { rev: 1 } },
    { type: "change", room: "lobby", kind: "edited", message: { rev: 2, text: "edited" } },
  ]);
});

test("of what was missed, classic is sent messages that are new and not deleted, chat.v2 everything", () => {
  const { broadcaster, framesOf } = createRecorder({ classic: 1, v2: 1 });
  const deleted: Message = { ...message(5, 8), text: null, deletedAt: 1 };
  const [created, edited] = [message(4), message(6, 9, "created and edited")];
  const messages = [created, message(2, 7, "edited"), deleted, edited];
  broadcaster.publishMissed(room, { messages, rev: 9 }, [created, deleted, edited]);
  expect(framesOf("classic")).toEqual([{ message: "text 4" }, { message: "created and edited" }]);
  expect(framesOf("v2")).toMatchObject([
    { type: "changes", room: "lobby", rev: 9, messages: messages.map(({ seq }) => ({ seq })) },
  ]);
});
