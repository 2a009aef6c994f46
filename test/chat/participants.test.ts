import { expect, test } from "bun:test";

import type { Actor } from "../../src/chat/model.ts";
import { type Participant, Participants } from "../../src/chat/participants.ts";
import { actor } from "../support/samples.ts";

function setUp() {
  const events: string[] = [];
  const participants = new Participants({
    roomOccupied: ({ key, id }) => events.push(`${key} occupied as ${id}`),
    userJoined: (room, user) => events.push(`${user.key} joined ${room}`),
    userLeft: (room, user) => events.push(`${user} left ${room}`),
    roomEmptied: (room) => events.push(`${room} emptied`),
  });
  return { participants, heard: () => events.splice(0) };
}

const room = (key: number) => ({ key, id: `room-${key}`, name: `Room ${key}` });
const connection = (user: Actor): Participant => ({ user, expel: () => undefined });

test("a user is in a room from their first connection to their last", () => {
  const { participants, heard } = setUp();
  const [first, second] = [connection(actor(1)), connection(actor(1))];
  participants.add(room(7), first);
  participants.add(room(7), second);
  expect(heard()).toEqual(["7 occupied as room-7", "1 joined 7"]);
  expect([participants.remove(7, first), heard()]).toEqual([true, []]);
  expect([participants.remove(7, second), heard()]).toEqual([true, ["1 left 7", "7 emptied"]]);
});

test("a room is occupied from its first user to its last", () => {
  const { participants, heard } = setUp();
  const [one, two] = [connection(actor(1)), connection(actor(2))];
  participants.add(room(7), one);
  participants.add(room(7), two);
  participants.add(room(8), two);
  expect(heard()).toEqual([
    "7 occupied as room-7",
    "1 joined 7",
    "2 joined 7",
    "8 occupied as room-8",
    "2 joined 8",
  ]);
  expect(participants.rooms()).toEqual([7, 8]);
  participants.remove(7, one);
  expect(heard()).toEqual(["1 left 7"]);
  participants.remove(7, two);
  expect([heard(), participants.rooms()]).toEqual([["2 left 7", "7 emptied"], [8]]);
});

test("a connection that is not in the room is not removed from it", () => {
  const { participants, heard } = setUp();
  const one = connection(actor(1));
  participants.add(room(7), one);
  heard();
  for (const [key, other] of [
    [8, one],
    [7, connection(actor(1))],
    [7, connection(actor(2))],
  ] as const) {
    expect(participants.remove(key, other)).toBe(false);
  }
  participants.remove(7, one);
  heard();
  expect([participants.remove(7, one), heard()]).toEqual([false, []]);
});

test("the connections of a room, and of one user in it, are snapshots", () => {
  const { participants } = setUp();
  const [one, another, two] = [connection(actor(1)), connection(actor(1)), connection(actor(2))];
  for (const each of [one, another, two]) participants.add(room(7), each);
  const [all, own] = [participants.in(7), participants.of(7, 1)];
  for (const each of all) participants.remove(7, each);
  expect([all, own]).toEqual([
    [one, another, two],
    [one, another],
  ]);
  expect([participants.in(7), participants.of(7, 1)]).toEqual([[], []]);
});

test("it is known which rooms are occupied, under which id, and who follows them", () => {
  const { participants } = setUp();
  const [one, another] = [connection(actor(1)), connection(actor(1))];
  for (const each of [one, another]) participants.add(room(7), each);
  const known = () => [participants.idOf(7), participants.has(7, 1), participants.has(7, 2)];
  participants.remove(7, one);
  expect(known()).toEqual(["room-7", true, false]);
  participants.remove(7, another);
  expect([known(), participants.idOf(8)]).toEqual([[undefined, false, false], undefined]);
});
