import { expect, test } from "bun:test";

import pino from "pino";

import { createLocalBus } from "../../src/bus/local.ts";
import { Chat } from "../../src/chat/chat.ts";
import { defaultClassic } from "../../src/protocol/classic/classic.ts";
import { createBroadcaster } from "../../src/ws/broadcast.ts";
import { Connections } from "../../src/ws/connections.ts";
import { Notices } from "../../src/ws/notices.ts";
import { RoomFeeds } from "../../src/ws/room-feeds.ts";
import { Session } from "../../src/ws/session.ts";
import { noLimits } from "../support/chat-harness.ts";
import { RecordedConnection } from "../support/recorded-connection.ts";
import { range, settle } from "../support/samples.ts";
import { openSqliteStore } from "../support/sqlite-store.ts";

const ignore = () => undefined;

test("a list that a slow reader has not read to its end is replaced by the next one", async () => {
  await using opened = openSqliteStore();
  const { store } = opened;
  const server = { subscriberCount: () => 0, publish: () => 0 };
  const chat = new Chat({
    store,
    bus: createLocalBus({ dataVersion: () => 0, failed: ignore }),
    limits: noLimits,
    broadcaster: createBroadcaster({
      server,
      classic: defaultClassic.frames,
      roomName: () => "Room",
      checkSessions: () => undefined,
    }),
    observer: { historyFailed: ignore, commitFailed: ignore, syncFailed: ignore, recheckFailed: ignore },
    now: Date.now,
    monotonic: () => performance.now(),
  });
  const user = await chat.signIn({ sub: "one", admin: false });
  for (const n of range(1, 120)) await chat.rooms.create(user, `room-${n}`, "Room");
  const connection = new RecordedConnection();
  connection.user = user;
  const notices = new Notices(chat, new Connections({ perUser: 0, total: 0 }), server);
  const log = pino({ level: "silent" });
  const feeds = new RoomFeeds({ chat, notices, log });
  const session = new Session(connection, { chat, feeds, limits: noLimits, log });
  connection.session = session;
  const drainTo = async (bytes: number) => {
    connection.waitingBytes = bytes;
    connection.notifyDrained();
    session.drained();
    await settle();
  };

  connection.waitingBytes = 100_000;
  const started = chat.sessions.open(session);
  await session.started;
  for (let times = 0; times < 3; times++) {
    connection.waitingBytes = 100_000;
    session.checkReader();
    // Not slow any more, but not ready for the next page.
    await drainTo(30_000);
  }
  await drainTo(0);
  await started;
  const frames = connection.sent as { rooms: unknown[]; more: boolean }[];
  expect(frames.map(({ rooms, more }) => [rooms.length, more])).toEqual([
    [100, true],
    [100, true],
    [20, false],
  ]);
});
