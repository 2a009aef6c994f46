import { expect, test } from "bun:test";

import { CatchUp } from "../../src/ws/catch-up.ts";
import { OpenRoom } from "../../src/ws/connection.ts";
import { RecordedConnection } from "../support/recorded-connection.ts";
import { range } from "../support/samples.ts";

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Rooms of which one page is missing, and those whose page has been read, in their order. */
function behind() {
  const read: number[] = [];
  const catchUp = new CatchUp({
    position: () => ({ seq: 1, rev: 1 }),
    changesSince: async (room) => {
      read.push(room);
      return { messages: [], rev: 1 };
    },
  });
  const open = (key: number) => {
    const room = new OpenRoom(new RecordedConnection(), { key, id: `room-${key}` }, () => undefined);
    return { room, caughtUp: catchUp.run(room, 0, () => undefined) };
  };
  return { read, open };
}

test("each room is caught up with in a turn of its own", async () => {
  const { read, open } = behind();
  range(1, 3).map(open);
  for (const turn of range(1, 3)) {
    await nextTurn();
    expect(read).toEqual(range(1, turn));
  }
});

test("rooms that have been closed meanwhile take no turn", async () => {
  const { read, open } = behind();
  const opened = range(1, 101).map(open);
  for (const { room } of opened.slice(0, 100)) room.close();
  await nextTurn();
  expect(read).toEqual([101]);
  await Promise.all(opened.map(({ caughtUp }) => caughtUp));
});
