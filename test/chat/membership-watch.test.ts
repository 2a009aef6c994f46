import { afterEach, beforeEach, expect, jest, test } from "bun:test";

import { MembershipWatch } from "../../src/chat/membership-watch.ts";
import type { Actor, Departure } from "../../src/chat/model.ts";
import { type Participant, Participants } from "../../src/chat/participants.ts";
import { ManualStore } from "../support/manual-store.ts";
import { actor, settle } from "../support/samples.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const nothing = () => undefined;

/** A connection that counts how often somebody asks whose it is. */
class CountingConnection implements Participant {
  expelled: string[] = [];
  looks = 0;

  constructor(private readonly owner: Actor) {}

  get user(): Actor {
    this.looks++;
    return this.owner;
  }

  expel(reason: Departure): void {
    this.expelled.push(reason);
  }
}

/** Users 1 and 2, both members, and an administrator who is not, are in room 7. */
function setUp() {
  const store = new ManualStore();
  for (const user of [1, 2]) store.roles.set(user, "member");
  const listener = { roomOccupied: nothing, userJoined: nothing, userLeft: nothing, roomEmptied: nothing };
  const participants = new Participants(listener);
  const failures: unknown[] = [];
  const watch = new MembershipWatch(store, participants, (error) => failures.push(error));
  const connections = [actor(1), actor(2), actor(3, true)].map((user) => new CountingConnection(user));
  for (const each of connections) participants.add({ key: store.key, id: "lobby", name: "Lobby" }, each);
  for (const each of connections) each.looks = 0;
  const expelled = () => connections.map((each) => each.expelled.splice(0).join());
  return { store, participants, watch, connections, failures, expelled };
}

test("a removal expels the removed user, and looks at nobody else", () => {
  const { store, watch, connections, expelled } = setUp();
  watch.memberRemoved(store.key, 1, "removed");
  expect(expelled()).toEqual(["removed", "", ""]);
  expect(connections.slice(1).map(({ looks }) => looks)).toEqual([0, 0]);
  expect(store.waiting).toEqual([]);
  watch.memberRemoved(8, 2, "removed");
  // An administrator needs no membership.
  watch.memberRemoved(store.key, 3, "removed");
  expect(expelled()).toEqual(["", "", ""]);
});

test("a member who leaves is expelled for that reason", () => {
  const { store, watch, expelled } = setUp();
  watch.memberRemoved(store.key, 2, "left");
  expect(expelled()).toEqual(["", "left", ""]);
});

test("the deletion of a room expels everybody, administrators included", () => {
  const { store, watch, expelled } = setUp();
  watch.roomDeleted(store.key);
  expect(expelled()).toEqual(Array(3).fill("room_deleted"));
});

test("a recheck expels those who are not members any more", async () => {
  const { store, watch, expelled } = setUp();
  store.roles.delete(2);
  watch.recheckAll();
  expect(store.waiting).toEqual(["memberKeys"]);
  await store.answerAll();
  expect(expelled()).toEqual(["", "removed", ""]);
  store.exists = false;
  watch.recheckAll();
  await store.answerAll();
  expect(expelled()).toEqual(Array(3).fill("room_deleted"));
});

test("a recheck spares those who join while the members are read", async () => {
  const { store, participants, watch } = setUp();
  watch.recheckAll();
  store.roles.set(4, "member");
  const late = new CountingConnection(actor(4));
  participants.add({ key: store.key, id: "lobby", name: "Lobby" }, late);
  await store.answerAll();
  expect(late.expelled).toEqual([]);
});

test("a recheck that fails is reported once, and tried again a second later", async () => {
  const { store, watch, failures, expelled } = setUp();
  store.roles.delete(1);
  watch.recheckAll();
  watch.recheckAll();
  store.fail();
  store.fail();
  await settle();
  expect([failures.length, store.waiting]).toEqual([1, []]);
  jest.advanceTimersByTime(1000);
  expect(store.waiting).toEqual(["memberKeys"]);
  await store.answerAll();
  expect(expelled()).toEqual(["removed", "", ""]);
});

test("a scheduled recheck of a room is one read, however often it is asked for", () => {
  const { store, watch } = setUp();
  expect([watch.scheduleRecheck(store.key), watch.scheduleRecheck(store.key)]).toEqual([true, false]);
  jest.advanceTimersByTime(5000);
  expect(store.waiting).toEqual(["memberKeys"]);
  expect(watch.scheduleRecheck(store.key)).toBe(true);
});
