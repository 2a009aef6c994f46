import { expect, test } from "bun:test";

import pino from "pino";

import { asChatError, ChatError, type Code } from "../../src/chat/errors.ts";
import { createMetrics } from "../../src/http/metrics.ts";
import { FrameGuard } from "../../src/ws/frame-guard.ts";
import { Notices } from "../../src/ws/notices.ts";
import { RoomFeeds } from "../../src/ws/room-feeds.ts";
import { Session } from "../../src/ws/session.ts";
import { createChat, noLimits } from "../support/chat-harness.ts";
import { RecordedConnection } from "../support/recorded-connection.ts";
import { range } from "../support/samples.ts";

/** Encodes an error as its code. */
const encode = ({ code }: ChatError) => JSON.stringify(code);

/** A guard that accepts one change a second from a user. */
function createGuard({ isSession = false } = {}) {
  const { chat, clock } = createChat({ limits: { messageRate: 1, messageBurst: 1 } });
  const metrics = createMetrics();
  const logged: unknown[] = [];
  const log = pino({}, { write: (line) => void logged.push(JSON.parse(line)) });
  const guard = new FrameGuard(chat, metrics, log);
  const connection = new RecordedConnection();
  if (isSession) {
    const server = { subscriberCount: () => 0, publish: () => 0 };
    const notices = new Notices(chat, { of: () => new Set() }, server);
    const feeds = new RoomFeeds({ chat, notices, log });
    connection.session = new Session(connection, { chat, feeds, limits: noLimits, log });
  }
  /** Sends a frame: accepted or not, and answered if not. */
  const frame = (budget: "changes" | "reads" = "changes") => {
    try {
      guard.charge(connection, budget);
      return true;
    } catch (error) {
      guard.refuse(connection, asChatError(error), encode);
      return false;
    }
  };
  return { guard, metrics, clock, logged, connection, frame };
}

test.each<[Code, closed: boolean]>([
  ["removed", true],
  ["room_deleted", true],
  ["forbidden", false],
  ["rate_limited", false],
  ["storage_unavailable", false],
])("a frame that is refused with %s is answered; the connection is closed: %p", async (code, closed) => {
  const { guard, metrics, logged, connection } = createGuard();
  guard.refuse(connection, new ChatError(code, "No."), encode);
  expect([connection.sent, connection.closes]).toEqual([[code], closed ? [code] : []]);
  expect(await metrics.registry.metrics()).toContain(`parley_refusals_total{code="${code}"} 1`);
  expect(logged).toEqual([]);
  // A connection that is closed is not answered.
  connection.close("restarting");
  guard.refuse(connection, new ChatError(code, "No."), encode);
  expect(connection.sent).toHaveLength(1);
});

test.each(["removed", "room_deleted"] as const)(
  "a session lives on when a frame is refused with %s: it has other rooms",
  (code) => {
    const { guard, connection, frame } = createGuard({ isSession: true });
    guard.refuse(connection, new ChatError(code, "No."), encode);
    expect([connection.sent, connection.closes]).toEqual([[code], []]);
    for (let each = 0; each < 51; each++) frame();
    expect(connection.closes).toEqual(["rate_limited"]);
  },
);

test("an unexpected error is logged, and answered without its message", () => {
  const { guard, logged, connection } = createGuard();
  guard.refuse(connection, new Error("broken"), ({ message }) => JSON.stringify(message));
  expect(logged).toMatchObject([{ err: { message: "broken" } }]);
  expect(connection.sent).toEqual([expect.not.stringContaining("broken")]);
});

test("after 50 refused frames more than were accepted the connection is closed", () => {
  const { connection, frame } = createGuard();
  expect(frame()).toBe(true);
  for (let each = 1; each < 50; each++) expect(frame()).toBe(false);
  expect(connection.closes).toEqual([]);
  frame();
  expect(connection.closes).toEqual(["rate_limited"]);
});

test("a sender who exceeds the rate a little is never closed: each accepted frame cancels one refusal", () => {
  const { clock, connection, frame } = createGuard();
  for (const each of range(0, 400)) {
    clock.now = each * 500;
    expect(frame()).toBe(each % 2 === 0);
  }
  expect(connection.closes).toEqual([]);
});

test("refused changes and refused reads are counted apart", () => {
  const { connection, frame } = createGuard();
  for (let each = 0; each < 40; each++) frame();
  for (let each = 0; each < 50; each++) frame("reads");
  expect(connection.sent).toHaveLength(39 + 40);
  expect(connection.closes).toEqual([]);
});
