import { expect, test } from "bun:test";

import type { RoomSummary } from "../../src/client/index.ts";
import { defaultSettingsBody } from "../support/samples.ts";
import type { StoredMessage, StoredRoom, StoredSummary } from "./database.ts";
import type { Counted } from "./history.ts";
import { checkCounts, checkList, missingInList } from "./list-checker.ts";

const ALICE = { id: "user|alice", email: null, name: null };
const at = (second: number) => `2026-01-01T00:00:0${second}.000Z`;

function message(seq: number, rev: number, second: number, deleted = false): StoredMessage {
  const text = deleted ? "" : `${seq} ${"🙂".repeat(150)}`;
  const deletion = deleted && { deleted_at: at(9) };
  return {
    createdRev: seq,
    body: { seq, rev, sender: ALICE, text, sent_at: at(second), ...deletion, reactions: [] },
  };
}

function stored(id: string, messages: StoredMessage[], rev: number): StoredRoom {
  const marks = { members: new Set<string>(), readMarks: new Map<string, number>() };
  return { id, created_at: at(0), seq: messages.length, rev, messages, ...marks };
}

const rooms = new Map(
  [
    // Messages 2 and 4 of the first room were deleted, at revs 5 and 6.
    stored("busy", [message(1, 1, 1), message(2, 5, 2, true), message(3, 3, 3), message(4, 6, 4, true)], 6),
    stored("new", [message(1, 1, 5)], 1),
    stored("empty", [], 0),
  ].map((room) => [room.id, room]),
);

const summaries: StoredSummary[] = [
  summary("busy", { seq: 4, rev: 6, read: 1, unread: 1, last: 3 }),
  summary("new", { seq: 1, rev: 1, read: 1, unread: 0, last: 1 }),
  summary("empty", { seq: 0, rev: 0, read: 0, unread: 0, last: null }),
];

function summary(id: string, counts: Pick<StoredSummary, "seq" | "rev" | "read" | "unread" | "last">) {
  return { id, name: id, role: "member", created_at: at(0), ...counts };
}

/** What a client shows that has received everything. */
function shown(): RoomSummary[] {
  return ["new", "busy", "empty"].map(shownRoom);
}

function shownRoom(id: string): RoomSummary {
  const { last, ...rest } = summaries.find((each) => each.id === id) as StoredSummary;
  const body = last === null ? undefined : rooms.get(id)?.messages[last - 1]?.body;
  // The cut falls into an emoji.
  const last_message = body ? { ...body, text: `${last} ${"🙂".repeat(99)}` } : null;
  return { ...rest, ...defaultSettingsBody, role: "member", mentions: 0, last_message };
}

function violations(list: RoomSummary[], unread = 1): string[] {
  const found: string[] = [];
  checkList({ name: "client", rooms: list, unread }, summaries, rooms, (violation) => found.push(violation));
  return found;
}

test("the checker accepts a list that is as stored", () => {
  expect(missingInList({ name: "client", rooms: shown() }, summaries)).toEqual([]);
  expect(violations(shown())).toEqual([]);
});

/** Each fault of a list, and the violation that tells of it. `inject` gets the rooms: new, busy, empty. */
const faults: Record<string, [violation: string, inject: (list: RoomSummary[]) => unknown]> = {
  "a room that is not shown": ["does not show empty", (list) => list.pop()],
  "a room that was lost": [
    "shows other, which its user is not in",
    (list) => list.push({ ...(list[2] as RoomSummary), id: "other" }),
  ],
  "a room that is another one": ["with created_at", (list) => change(list, 1, { created_at: at(1) })],
  "an old name": ["with name old", (list) => change(list, 1, { name: "old" })],
  "an old role": ["with role owner", (list) => change(list, 1, { role: "owner" })],
  "an activity that was missed": ["with rev 5, stored is 6", (list) => change(list, 1, { rev: 5 })],
  "an old mark": ["with read 0, stored is 1", (list) => change(list, 1, { read: 0 })],
  "a deletion that was not counted": ["counts 2 unread in busy", (list) => change(list, 1, { unread: 2 })],
  "a deletion that was counted twice": ["counts 0 unread in busy", (list) => change(list, 1, { unread: 0 })],
  "a message that was not counted": ["with seq 3, stored is 4", (list) => change(list, 1, { seq: 3 })],
  "a wrong last message": [
    "shows 1 as the last message of busy, stored is 3",
    (list) => change(list, 1, { last_message: shown()[0]?.last_message ?? null }),
  ],
  "no last message": ["shows null as the last", (list) => change(list, 1, { last_message: null })],
  "a last message with an old text": [
    "as the last message of busy; stored is",
    (list) => change(list, 1, { last_message: rooms.get("busy")?.messages[2]?.body ?? null }),
  ],
  "a wrong order": ["not new,busy,empty", (list) => list.push(...list.splice(0, 1))],
};

function change(list: RoomSummary[], index: number, fields: Partial<RoomSummary>): void {
  Object.assign(list[index] ?? {}, fields);
}

test.each(Object.entries(faults))("the checker reports %s in a list", (_, [violation, inject]) => {
  const list = shown();
  inject(list);
  expect(violations(list).join("\n")).toContain(violation);
});

test("the checker reports a wrong sum of unread messages", () => {
  expect(violations(shown(), 2)).toEqual(["client counts 2 unread in all rooms, not 1"]);
});

function countErrors(...counted: Counted[]): number {
  const found: string[] = [];
  const observed = counted.map((each) => Object.assign({ client: "client" }, each));
  checkCounts(rooms.get("busy") as StoredRoom, observed, (violation) => found.push(violation));
  return found.length;
}

test("what a list counts must be right as of its rev", () => {
  expect(countErrors({ seq: 4, rev: 4, read: 0, unread: 4 })).toBe(0);
  expect(countErrors({ seq: 4, rev: 5, read: 0, unread: 3 }, { seq: 4, rev: 5, read: 2, unread: 2 })).toBe(0);
  expect(countErrors({ seq: 4, rev: 6, read: 0, unread: 2 })).toBe(0);
  expect(countErrors({ seq: 4, rev: 5, read: 0, unread: 4 })).toBe(1);
  expect(countErrors({ seq: 4, rev: 5, read: 2, unread: 1 })).toBe(1);
  expect(countErrors({ seq: 2, rev: 4, read: 0, unread: 2 })).toBe(1);
  expect(countErrors({ seq: 4, rev: 3, read: 0, unread: 3 })).toBe(1);
  // Message 4 was changed again at rev 6.
  expect(countErrors({ seq: 3, rev: 4, read: 0, unread: 3 })).toBe(0);
  expect(countErrors({ seq: 4, rev: 7, read: 0, unread: 2 })).toBe(1);
});
