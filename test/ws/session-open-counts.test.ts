import { expect, test } from "bun:test";

import { useServer } from "../support/server.ts";

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0" } });
const [alice, bob] = ["alice@example.com", "bob@example.com"] as const;

test("a deletion that no activity has told of yet is counted when the room is opened", async () => {
  const room = await server.createRoom([alice, bob]);
  const writer = await server.connectV2(room, bob);
  await Promise.all(Array.from({ length: 60 }, (_, index) => writer.say(`Number ${index + 1}`)));
  const session = await server.connectSession(alice);
  // The first deletion is told at once, the second one after an interval. Both are older than the last 50 messages.
  await writer.ack({ type: "delete", seq: 1 });
  await session.next("activity");
  await writer.ack({ type: "delete", seq: 2 });
  const opened = await session.command({ type: "open", room });
  const summaries = session.unread("rooms");
  expect(opened).toMatchObject({ resumed: false, rev: 62 });
  expect(summaries).toMatchObject([{ rooms: [{ id: room, rev: 62, unread: 58 }] }]);
});
