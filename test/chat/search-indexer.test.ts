import { afterEach, beforeEach, expect, jest, test } from "bun:test";

import { SearchIndexer } from "../../src/chat/search-indexer.ts";
import { settle } from "../support/samples.ts";

/** Lets whatever has been started go on to its next timer. */
const goOn = async () => {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
};

/**
 * An index whose parts take so long each, in milliseconds. Afterwards nothing remains. `share` of a core is what the server
 * uses.
 */
function createIndexerOn(share: number, ...parts: (number | Error)[]) {
  let now = 0;
  const log: string[] = [];
  const indexer = new SearchIndexer({
    index: {
      roomChanged: (room) => void log.push(`room ${room}`),
      anythingChanged: () => void log.push("anything"),
      async update() {
        log.push(`update at ${now}`);
        const part = parts.shift();
        if (part instanceof Error) throw part;
        now += part ?? 0;
        return part !== undefined;
      },
    },
    failed: (error) => void log.push(String(error)),
    monotonic: () => now,
    cpuTime: () => now * share,
  });
  const advance = async (milliseconds: number) => {
    await goOn();
    for (let passed = 0; passed < milliseconds; passed++) {
      now++;
      jest.advanceTimersByTime(1);
      await goOn();
    }
  };
  return { indexer, log, advance };
}

const createIndexer = (...parts: (number | Error)[]) => createIndexerOn(1, ...parts);

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test("rests eleven times as long as each part took, and then looks every 200 ms", async () => {
  const { indexer, log, advance } = createIndexer(4, 2);
  indexer.start();
  await advance(600);
  expect(log.slice(0, 4)).toEqual(["update at 0", "update at 48", "update at 72", "update at 272"]);
  await indexer.stop();
});

test("rests three times as long on a server that is not busy", async () => {
  const { indexer, log, advance } = createIndexerOn(0.2, 4, 4, 2);
  indexer.start();
  await advance(400);
  expect(log.slice(0, 4)).toEqual(["update at 0", "update at 48", "update at 64", "update at 72"]);
  await indexer.stop();
});

test("rests half a second at most, even after a part that waited for another process", async () => {
  const { indexer, log, advance } = createIndexer(4000);
  indexer.start();
  await advance(600);
  expect(log.slice(0, 2)).toEqual(["update at 0", "update at 4500"]);
  await indexer.stop();
});

test("says once that it fails, and tries again each second", async () => {
  const broken = new Error("disk full");
  const { indexer, log, advance } = createIndexer(broken, broken, broken);
  indexer.start();
  await advance(3500);
  await indexer.stop();
  expect(log.filter((line) => line.startsWith("Error"))).toEqual(["Error: disk full"]);
  expect(log.filter((line) => line.startsWith("update")).slice(0, 4)).toEqual([
    "update at 0",
    "update at 1000",
    "update at 2000",
    "update at 3000",
  ]);
});

test("tells the index what has changed, and stops at once", async () => {
  jest.useRealTimers();
  const { indexer, log } = createIndexer();
  indexer.start();
  await settle();
  indexer.receive({ kind: "changes", room: 7, changes: [] });
  indexer.receive({ kind: "invalidate" });
  indexer.receive({ kind: "room_deleted", room: 8 });
  await indexer.stop();
  await Bun.sleep(1);
  expect(log).toEqual(["update at 0", "room 7", "anything"]);
});
