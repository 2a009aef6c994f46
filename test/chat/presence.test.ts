import { afterEach, beforeEach, expect, jest, test } from "bun:test";

import * as fc from "fast-check";

import type { Notice, RoomKey, User } from "../../src/chat/model.ts";
import { Presence } from "../../src/chat/presence.ts";
import { actor } from "../support/people.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const room = 7;

function setUp() {
  const told: string[] = [];
  const hearers = new Set<(user: User, online: boolean) => void>();
  const tell = (where: RoomKey, notice: Notice) => {
    if (notice.type !== "presence") throw new Error(`told of ${notice.type}`);
    const { user, online } = notice;
    told.push(`${where}: ${user.key} ${online ? "here" : "gone"}`);
    for (const hear of hearers) if (where === room) hear(user, online);
  };
  const presence = new Presence(tell);
  const enter = (...users: number[]) => {
    for (const user of users) presence.enter(room, actor(user));
  };
  const leave = (...users: number[]) => {
    for (const user of users) presence.leave(room, user);
  };
  const online = () => presence.online(room).map(({ key }) => key);
  /** What is told until nothing more comes. */
  const flushed = () => {
    jest.advanceTimersByTime(1000);
    return told.splice(0);
  };
  return { presence, told, hearers, enter, leave, online, flushed };
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

test("what happens within a tenth of a second is told at once, in the order in which it came", () => {
  const { told, enter, leave, online } = setUp();
  enter(1, 2);
  jest.advanceTimersByTime(60);
  enter(3);
  leave(2);
  // Who asks is not kept waiting.
  expect(online()).toEqual([1, 3]);
  jest.advanceTimersByTime(39);
  expect(told).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(told.splice(0)).toEqual(["7: 1 here", "7: 2 gone", "7: 3 here"]);
  jest.advanceTimersByTime(1000);
  expect(told).toEqual([]);
  leave(3);
  jest.advanceTimersByTime(100);
  expect(told).toEqual(["7: 3 gone"]);
});

test("a user is online from his first socket until his last one has left", () => {
  const { enter, leave, online, flushed } = setUp();
  enter(1, 2);
  flushed();
  enter(2, 2);
  leave(2, 2);
  expect(flushed()).toEqual([]);
  expect(online()).toEqual([1, 2]);
  leave(2);
  expect(flushed()).toEqual(["7: 2 gone"]);
  expect(online()).toEqual([1]);
  // Once too often, and one who never came.
  leave(2, 9);
  expect(flushed()).toEqual([]);
});

test("who leaves and comes back within a moment is there", () => {
  const { enter, leave, online, flushed } = setUp();
  enter(1, 2);
  flushed();
  leave(2);
  enter(2);
  expect(online()).toEqual([1, 2]);
  expect(flushed()).not.toContain("7: 2 gone");
});

test("a user is shown as his newest socket has him", () => {
  const { presence, enter } = setUp();
  enter(1);
  presence.enter(room, { ...actor(1), name: "Alice" });
  expect(presence.online(room)).toMatchObject([{ key: 1, name: "Alice" }]);
});

test("what is still gathered is not yet told", () => {
  const { presence, enter, leave, flushed } = setUp();
  const told = () => [...presence.told(room).keys()].toSorted((a, b) => a - b);
  enter(1, 2);
  expect(told()).toEqual([]);
  flushed();
  expect(told()).toEqual([1, 2]);
  enter(3);
  leave(2);
  expect(told()).toEqual([1, 2]);
  flushed();
  expect(told()).toEqual([1, 3]);
  // There and back, and back and there, between one flush and the next.
  leave(3);
  enter(3, 4);
  leave(4);
  expect(told()).toEqual([1, 3]);
  flushed();
  expect(told()).toEqual([1, 3]);
});

test("a user who brings another name is shown with it", () => {
  const { presence, enter, leave, online, flushed } = setUp();
  enter(1, 2);
  flushed();
  presence.rename(room, { ...actor(2), name: "Bob" });
  expect(presence.online(room)[1]).toMatchObject({ key: 2, name: "Bob" });
  leave(2);
  // Who is gone is not brought back by it.
  presence.rename(room, { ...actor(2), name: "Robert" });
  presence.rename(8, actor(2));
  expect(online()).toEqual([1]);
  expect(flushed()).toEqual(["7: 2 gone"]);
});

test("rooms know nothing of each other", () => {
  const { presence, enter, leave, online, flushed } = setUp();
  enter(1, 2);
  presence.enter(8, actor(1));
  expect(flushed()).toEqual(["7: 1 here", "7: 2 here", "8: 1 here"]);
  leave(1);
  expect(flushed()).toEqual(["7: 1 gone"]);
  expect([online(), presence.online(8).map(({ key }) => key)]).toEqual([[2], [1]]);
});

test("of a room that is empty nobody is told, and whoever comes then finds himself alone", () => {
  const { presence, enter, leave, online, flushed } = setUp();
  enter(1, 2);
  leave(1, 2);
  expect(flushed()).toEqual([]);
  expect([online(), presence.count(room)]).toEqual([[], 0]);
  enter(1, 2);
  flushed();
  leave(1, 2);
  enter(3);
  expect(flushed()).toEqual(["7: 3 here"]);
  expect(online()).toEqual([3]);
});

test("of a crowd five hundred are shown; when one of them leaves, who has waited longest moves up", () => {
  const { presence, enter, leave, online, flushed } = setUp();
  enter(...numbers(1, 503));
  expect(flushed()).toEqual(numbers(1, 500).map((user) => `7: ${user} here`));
  expect([online(), presence.count(room)]).toEqual([numbers(1, 500), 500]);
  // One who is not shown comes and goes unseen, with however many sockets.
  enter(501, 504);
  leave(502, 504, 501);
  expect(flushed()).toEqual([]);
  leave(7);
  expect(flushed()).toEqual(["7: 7 gone", "7: 501 here"]);
  expect(online()).toEqual([...numbers(1, 6), ...numbers(8, 501)]);
  // He has a socket left, and no more.
  leave(501);
  expect(flushed()).toEqual(["7: 501 gone", "7: 503 here"]);
  leave(1);
  expect(flushed()).toEqual(["7: 1 gone"]);
  enter(7);
  expect(flushed()).toEqual(["7: 7 here"]);
});

test("whoever asks at any moment, and hears what is told after it, knows who is there", () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ what: fc.constantFrom("enter", "leave"), user: fc.integer({ min: 1, max: 5 }) }),
    },
    { weight: 1, arbitrary: fc.record({ what: fc.constantFrom("wait", "ask"), user: fc.constant(0) }) },
  );
  // A full house to begin with, now and then.
  const property = fc.property(
    fc.constantFrom(0, 497, 499),
    fc.array(step, { maxLength: 40 }),
    (others, steps) => {
      const { hearers, enter, leave, online, flushed } = setUp();
      const sockets = new Map<number, number>();
      const watchers: Set<number>[] = [];
      const ask = () => {
        const seen = new Set(online());
        watchers.push(seen);
        hearers.add(({ key }, here) => void (here ? seen.add(key) : seen.delete(key)));
      };
      enter(...numbers(100, 99 + others), 99);
      ask();
      for (const { what, user } of steps) {
        const open = sockets.get(user) ?? 0;
        if (what === "wait") flushed();
        else if (what === "ask") ask();
        else if (what === "enter") {
          enter(user);
          sockets.set(user, open + 1);
        } else if (open > 0) {
          leave(user);
          sockets.set(user, open - 1);
        }
      }
      flushed();
      const open = [...sockets].filter(([, count]) => count > 0).map(([user]) => user);
      expect(online().length).toBe(Math.min(500, others + 1 + open.length));
      if (others === 0)
        expect(online().toSorted((a, b) => a - b)).toEqual([...open, 99].toSorted((a, b) => a - b));
      for (const seen of watchers) expect(seen).toEqual(new Set(online()));
    },
  );
  fc.assert(property, { numRuns: 300 });
});
