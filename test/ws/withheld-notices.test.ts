import { expect, spyOn, test } from "bun:test";

import { defaultSettings } from "../../src/chat/model.ts";
import { Notices } from "../../src/ws/notices.ts";
import { topics } from "../../src/ws/topics.ts";
import { createChat } from "../support/chat-harness.ts";
import { RecordedConnection, type RecordedConnectionOptions } from "../support/recorded-connection.ts";
import { actor } from "../support/samples.ts";

/** Bytes that may wait for a reader that is sent notices. */
const LIMIT = 65_536;
const topic = topics.notices(7);

/** Notices to a room's connections, for at least one of which bytes wait. */
function setUp() {
  const { store, room, chat, admit } = createChat();
  const published: string[] = [];
  const server = {
    subscriberCount: () => 1,
    publish(_: string, frame: string) {
      published.push(frame);
      return -1;
    },
  };
  const notices = new Notices(chat, { of: () => new Set() }, server);
  const join = async (options: RecordedConnectionOptions & { waitingBytes?: number } = {}) => {
    const connection = new RecordedConnection(options);
    store.roles.set(connection.user.key, "member");
    const open = connection.room ?? expect.unreachable();
    const joined = chat.join(open, admit(), { historyOptional: false });
    await store.answerAll();
    await joined;
    connection.subscribe(topic);
    connection.waitingBytes = options.waitingBytes ?? 0;
    return { connection, open };
  };
  return { chat, room, notices, published, join };
}

test("notices are withheld from readers for whom more than 64 KiB wait", async () => {
  const { room, notices, published, join } = setUp();
  const readers = [];
  for (const waitingBytes of [0, LIMIT, LIMIT + 1]) readers.push(await join({ waitingBytes }));
  notices.publish(room, { type: "typing", user: actor(9) });
  expect(published).toHaveLength(1);
  expect(readers.map(({ connection }) => connection.topics.has(topic))).toEqual([true, true, false]);
  expect(readers.map(({ open }) => open.knownOnline)).toEqual([undefined, undefined, new Map()]);
});

test("a reader that keeps up again is told who came and went, and is sent notices from there on", async () => {
  const { chat, room, notices, join } = setUp();
  const { connection: reader, open } = await join({ user: 1, waitingBytes: LIMIT + 1 });
  const leaver = await join({ user: 2 });
  notices.withhold(open, chat.listOnline(room, 1));
  reader.unsubscribe(topic);
  chat.leave(leaver.open, room);
  await join({ user: 3 });
  notices.resume(open);
  expect([reader.sent, reader.topics.size]).toEqual([[], 0]);
  reader.waitingBytes = LIMIT;
  notices.resume(open);
  expect(reader.sent).toMatchObject([
    { type: "presence", room: "lobby", user: { id: "sub|2" }, online: false },
    { type: "presence", room: "lobby", user: { id: "sub|3" }, online: true },
  ]);
  expect(reader.topics).toEqual(new Set([topic]));
  // Nothing is withheld any more.
  notices.resume(open);
  expect(reader.sent).toHaveLength(2);
});

test("connections of classic, which have no notices, are left alone", async () => {
  const { room, notices, join } = setUp();
  const { connection, open } = await join({ protocol: "classic", waitingBytes: LIMIT + 1 });
  notices.publish(room, { type: "typing", user: actor(9) });
  expect([open.knownOnline, connection.topics.size]).toEqual([undefined, 1]);
});

test("one in 32 notices of a burst looks for slow readers, and the first one in another room does", async () => {
  const { chat, room, notices, join } = setUp();
  const { connection: reader } = await join();
  // A join under way occupies the other room.
  const hall = { key: room + 1, id: "hall", name: "Hall", ...defaultSettings, seq: 0, rev: 0, createdAt: 0 };
  const visitor = new RecordedConnection().room ?? expect.unreachable();
  void chat.join(visitor, { room: hall, role: "member" }, { historyOptional: true });
  const looks = spyOn(chat, "participants");
  const burst = (count: number, where = room) => {
    for (let each = 0; each < count; each++) notices.publish(where, { type: "typing", user: actor(9) });
    return looks.mock.calls.length;
  };
  expect(burst(32)).toBe(1);
  reader.waitingBytes = LIMIT + 1;
  expect([burst(1), reader.topics.size]).toEqual([2, 0]);
  expect([burst(1, room + 1), burst(31, room + 1), burst(1)]).toEqual([3, 3, 4]);
});
