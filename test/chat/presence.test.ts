import { afterEach, beforeEach, expect, jest, test } from "bun:test";

import * as fc from "fast-check";

import { Presence } from "../../src/chat/presence.ts";
import { actor, range } from "../support/samples.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const room = 7;
/** Sees the room's list without being in it. */
const viewer = 0;

function setUp() {
  const announced: string[] = [];
  const presence = new Presence((where, notice) => {
    if (notice.type !== "presence") throw new Error(`announced ${notice.type}`);
    announced.push(`${where}: ${notice.user.key} ${notice.online ? "online" : "offline"}`);
  });
  presence.open(room, []);
  const arrive = (...users: number[]) => {
    for (const user of users) presence.arrive(room, actor(user));
  };
  const depart = (...users: number[]) => {
    for (const user of users) presence.depart(room, user);
  };
  const online = (who = viewer) => presence.listOnline(room, who).map(({ key }) => key);
  /** Everything that is announced until nothing more comes. */
  const flushed = () => {
    jest.advanceTimersByTime(1000);
    return announced.splice(0);
  };
  return { presence, announced, arrive, depart, online, flushed };
}

test("arrivals and departures of a tenth of a second are announced together, in their order", () => {
  const { announced, arrive, depart, online, flushed } = setUp();
  arrive(9);
  flushed();
  arrive(1, 2);
  jest.advanceTimersByTime(60);
  arrive(3);
  depart(9);
  // The list does not wait.
  expect(online()).toEqual([1, 2, 3]);
  jest.advanceTimersByTime(39);
  expect(announced).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(announced.splice(0)).toEqual(["7: 1 online", "7: 2 online", "7: 3 online", "7: 9 offline"]);
  jest.advanceTimersByTime(1000);
  expect(announced).toEqual([]);
});

test("a user who comes and goes between two flushes is not mentioned", () => {
  const { arrive, depart, flushed } = setUp();
  arrive(1);
  flushed();
  arrive(2);
  depart(2);
  expect(flushed()).toEqual([]);
  arrive(2, 3);
  depart(2);
  arrive(2);
  depart(2);
  expect(flushed()).toEqual(["7: 3 online"]);
});

test("a user who leaves and returns between two flushes is not mentioned", () => {
  const { arrive, depart, online, flushed } = setUp();
  arrive(1, 2);
  flushed();
  depart(2);
  arrive(2);
  expect(flushed()).toEqual([]);
  expect(online()).toEqual([1, 2]);
});

test("a user whom a newcomer saw in the list is announced though they come and go between two flushes", () => {
  const { arrive, depart, online, flushed } = setUp();
  arrive(1);
  flushed();
  arrive(2, 3);
  expect(online(3)).toEqual([1, 2, 3]);
  depart(2);
  expect(flushed()).toEqual(["7: 2 offline", "7: 3 online"]);
  // The newcomer's own place in the list counts for nothing.
  arrive(4);
  expect(online(4)).toEqual([1, 3, 4]);
  depart(4);
  expect(flushed()).toEqual([]);
});

test("a user whom a newcomer missed in the list is announced when they return", () => {
  const { arrive, depart, online, flushed } = setUp();
  arrive(1, 2);
  flushed();
  depart(2);
  arrive(3);
  expect(online(3)).toEqual([1, 3]);
  arrive(2);
  expect(flushed()).toEqual(["7: 2 online", "7: 3 online"]);
});

test("the announced users are those of the last flush", () => {
  const { presence, arrive, depart, flushed } = setUp();
  const announced = () => [...presence.announcedOnline(room).keys()];
  arrive(1, 2);
  expect(announced()).toEqual([]);
  flushed();
  expect(announced()).toEqual([1, 2]);
  arrive(3);
  depart(2);
  expect(announced()).toEqual([1, 2]);
  flushed();
  expect(announced()).toEqual([1, 3]);
});

test("a user is shown with their newest name", () => {
  const { presence, arrive, depart, online, flushed } = setUp();
  arrive(1, 2);
  presence.update(room, { ...actor(2), name: "Bob" });
  expect(presence.listOnline(room, viewer)[1]).toMatchObject({ key: 2, name: "Bob" });
  flushed();
  depart(2);
  // A user who is offline, or a room that is empty, is not brought back by it.
  presence.update(room, { ...actor(2), name: "Robert" });
  presence.update(8, actor(2));
  depart(9);
  expect([online(), presence.listOnline(8, viewer)]).toEqual([[1], []]);
  expect(flushed()).toEqual(["7: 2 offline"]);
});

test("rooms are independent", () => {
  const { presence, arrive, depart, online, flushed } = setUp();
  presence.open(8, []);
  arrive(1, 2);
  presence.arrive(8, actor(1));
  expect(flushed()).toEqual(["7: 1 online", "7: 2 online", "8: 1 online"]);
  depart(1);
  expect(flushed()).toEqual(["7: 1 offline"]);
  expect([online(), presence.listOnline(8, viewer).map(({ key }) => key)]).toEqual([[2], [1]]);
});

test("nothing is announced to an empty room, and nothing of it is left", () => {
  const { presence, arrive, depart, online, flushed } = setUp();
  arrive(1, 2);
  flushed();
  depart(1, 2);
  presence.close(room);
  expect([online(), presence.count(room), flushed()]).toEqual([[], 0, []]);
  presence.open(room, []);
  arrive(1, 2);
  depart(1, 2);
  presence.close(room);
  presence.open(room, []);
  arrive(3);
  expect([online(), flushed()]).toEqual([[3], ["7: 3 online"]]);
});

test("who is online in a room that is not open is not known", () => {
  const { presence, arrive, online, flushed } = setUp();
  presence.close(room);
  arrive(1);
  expect([online(), flushed()]).toEqual([[], []]);
});

test("users who are online already when a room opens are listed, and not announced as newcomers", () => {
  const { presence, arrive, depart, online, flushed } = setUp();
  presence.open(room, [actor(5), actor(4)]);
  arrive(6);
  expect([online(), flushed()]).toEqual([[5, 4, 6], ["7: 6 online"]]);
  expect([...presence.announcedOnline(room).keys()]).toEqual([5, 4, 6]);
  depart(4);
  expect(flushed()).toEqual(["7: 4 offline"]);
});

test("users who are online twice are announced once", () => {
  const { arrive, online, flushed } = setUp();
  arrive(1, 2, 1);
  expect([online(), flushed()]).toEqual([
    [1, 2],
    ["7: 1 online", "7: 2 online"],
  ]);
  arrive(2);
  expect([online(), flushed()]).toEqual([[1, 2], []]);
});

test("500 users are shown; when one leaves, the user who has waited longest moves up", () => {
  const { presence, arrive, depart, online, flushed } = setUp();
  arrive(...range(1, 503));
  expect(flushed()).toEqual(range(1, 500).map((user) => `7: ${user} online`));
  expect([online(), presence.count(room)]).toEqual([range(1, 500), 500]);
  // Users who are not shown come and go unseen.
  arrive(504);
  depart(502, 504);
  expect(flushed()).toEqual([]);
  depart(7);
  expect(flushed()).toEqual(["7: 7 offline", "7: 501 online"]);
  expect(online()).toEqual([...range(1, 6), ...range(8, 501)]);
  depart(501);
  expect(flushed()).toEqual(["7: 501 offline", "7: 503 online"]);
  depart(1);
  expect(flushed()).toEqual(["7: 1 offline"]);
  arrive(7);
  expect(flushed()).toEqual(["7: 7 online"]);
});

test("no more than 500 of the users who are online already are shown when a room opens", () => {
  const { presence, arrive, depart, online, flushed } = setUp();
  presence.open(
    room,
    range(1, 502).map((user) => actor(user)),
  );
  arrive(502);
  expect([online(), flushed()]).toEqual([range(1, 500), []]);
  depart(1);
  expect(flushed()).toEqual(["7: 1 offline", "7: 501 online"]);
});

test("a viewer who reads the list at any moment, and hears what is announced after it, knows who is online", () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ action: fc.constant("toggle"), user: fc.integer({ min: 1, max: 5 }) }),
    },
    { weight: 1, arbitrary: fc.record({ action: fc.constantFrom("flush", "view"), user: fc.constant(0) }) },
  );
  // The room may be full from the start.
  const crowds = fc.constantFrom(0, 497, 499);
  const property = fc.property(crowds, fc.array(step, { maxLength: 40 }), (crowd, steps) => {
    const { announced, arrive, depart, online } = setUp();
    const present = new Set<number>();
    const viewers: { known: Set<number>; from: number }[] = [];
    const view = () => viewers.push({ known: new Set(online()), from: announced.length });
    arrive(...range(100, 99 + crowd), 99);
    view();
    for (const { action, user } of steps) {
      if (action === "flush") jest.advanceTimersByTime(100);
      else if (action === "view") view();
      else if (present.delete(user)) depart(user);
      else arrive([...present.add(user)].at(-1) ?? user);
    }
    jest.advanceTimersByTime(100);
    expect(online().length).toBe(Math.min(500, crowd + 1 + present.size));
    if (crowd === 0) expect(new Set(online())).toEqual(new Set([...present, 99]));
    for (const { known, from } of viewers) {
      for (const line of announced.slice(from)) {
        const [, user = "", state] = line.split(" ");
        if (state === "online") known.add(Number(user));
        else known.delete(Number(user));
      }
      expect(known).toEqual(new Set(online()));
    }
  });
  fc.assert(property, { numRuns: 300 });
});
