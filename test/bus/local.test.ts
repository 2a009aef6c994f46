import { afterEach, beforeEach, expect, jest, test } from "bun:test";

import { createLocalBus } from "../../src/bus/local.ts";
import type { BusEvent } from "../../src/chat/bus.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A bus on a database whose version the test sets, and what its listener heard. */
function createBus() {
  const failures: unknown[] = [];
  const heard: BusEvent[] = [];
  const database = { version: 1, locked: false };
  const bus = createLocalBus({
    dataVersion() {
      if (database.locked) throw new Error("locked");
      return database.version;
    },
    failed: (error) => void failures.push(error),
  });
  bus.subscribe((event) => void heard.push(event));
  return { bus, database, heard, failures };
}

test("events are heard in their order by every listener, even when another one throws", () => {
  const { bus, heard, failures } = createBus();
  bus.subscribe(() => {
    throw new Error("broken");
  });
  const last: BusEvent[] = [];
  bus.subscribe((event) => void last.push(event));
  const events: BusEvent[] = [
    { kind: "room_deleted", room: 7 },
    { kind: "member_removed", room: 7, user: 1, reason: "removed" },
  ];
  for (const event of events) bus.publish(event);
  expect([heard, last]).toEqual([events, events]);
  expect(failures).toEqual([new Error("broken"), new Error("broken")]);
});

test("an event is published when another process has written, and not otherwise", () => {
  const { database, heard } = createBus();
  jest.advanceTimersByTime(5000);
  expect(heard).toEqual([]);
  database.version = 2;
  jest.advanceTimersByTime(500);
  expect(heard).toEqual([{ kind: "invalidate" }]);
  jest.advanceTimersByTime(5000);
  expect(heard.length).toBe(1);
});

test("a version that cannot be read is reported once, and what was missed is made up for", () => {
  const { database, heard, failures } = createBus();
  database.locked = true;
  database.version = 2;
  jest.advanceTimersByTime(5000);
  expect([heard, failures]).toEqual([[], [new Error("locked")]]);
  database.locked = false;
  jest.advanceTimersByTime(500);
  expect(heard).toEqual([{ kind: "invalidate" }]);
  database.locked = true;
  jest.advanceTimersByTime(500);
  expect(failures.length).toBe(2);
});

test("a bus that is closed does not look at the database any more", () => {
  const { bus, database, heard } = createBus();
  bus.close();
  database.version = 2;
  jest.advanceTimersByTime(5000);
  expect(heard).toEqual([]);
});
