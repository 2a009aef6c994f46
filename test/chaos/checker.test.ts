import { expect, test } from "bun:test";

import { checkRoom } from "./checker.ts";
import type { StoredMessage, StoredRoom } from "./database.ts";
import { type Command, History, type Operation, type Outcome } from "./history.ts";
import { checkClassic, checkReads, checkView, presenceErrors } from "./view-checker.ts";

const ALICE = "user|alice";
const BOB = "user|bob";
const ROOM = { id: "room", created_at: "2025-12-31T00:00:00.000Z" };
const SENT_AT = "2026-01-01T00:00:00.000Z";

/** A correct run: four messages, of which the first was edited, the second got a reaction and the third was deleted. */
class Run {
  readonly history = new History();
  readonly room: StoredRoom = {
    ...ROOM,
    seq: 4,
    rev: 7,
    messages: [],
    members: new Set([ALICE, BOB]),
    readMarks: new Map([
      [ALICE, 4],
      [BOB, 2],
    ]),
  };
  readonly operations: Operation[] = [];

  constructor() {
    for (const seq of [1, 2, 3, 4]) {
      this.invoke(ALICE, { kind: "send", clientId: `c${seq}`, text: `text ${seq}` }, { seq, rev: seq });
      this.room.messages.push(stored(seq));
    }
    this.invoke(ALICE, { kind: "edit", seq: 1, text: "edited" }, { seq: 1, rev: 5 });
    this.invoke(BOB, { kind: "react", seq: 2, emoji: "👍", on: true }, { seq: 2, rev: 6 });
    this.invoke(ALICE, { kind: "delete", seq: 3 }, { seq: 3, rev: 7 });
    this.invoke(BOB, { kind: "read", seq: 2 }, { seq: 2, rev: 7 });
    this.set(1, { rev: 5, text: "edited" });
    this.set(2, { rev: 6, reactions: [{ emoji: "👍", by: [BOB] }] });
    this.set(3, { rev: 7, text: "", deleted_at: SENT_AT });
    for (const { body } of this.room.messages) this.history.observe("observer", ROOM, body);
  }

  invoke(user: string, command: Command, ack: { seq: number; rev: number }): void {
    const operation = this.history.invoke({ ...command, room: "room", client: user, user });
    this.history.settle(operation, { type: "acked", ...ack }, 0);
    this.operations.push(operation);
  }

  message(seq: number): StoredMessage {
    return this.room.messages[seq - 1] as StoredMessage;
  }

  set(seq: number, changes: Partial<StoredMessage["body"]>): void {
    Object.assign(this.message(seq).body, changes);
  }

  answer(index: number, outcome: Outcome, losses = 0): void {
    this.history.settle(this.operations[index] as Operation, outcome, losses);
  }

  violations(): string[] {
    const found: string[] = [];
    checkRoom(this.room, this.history, (violation) => found.push(violation));
    return [...this.history.violations, ...found];
  }
}

function stored(seq: number): StoredMessage {
  const sender = { id: ALICE, email: null, name: null };
  const content = { text: `text ${seq}`, sent_at: SENT_AT, client_id: `c${seq}`, reactions: [] };
  return { createdRev: seq, body: { seq, rev: seq, sender, ...content } };
}

test("the checker accepts a correct run", () => {
  expect(new Run().violations()).toEqual([]);
});

/** Each fault, and the violation that tells of it. */
const faults: Record<string, [violation: string, inject: (run: Run) => void]> = {
  "a lost message": ["c4 was acked, and is lost", ({ room }) => void room.messages.pop()],
  "a message stored twice": ["stored twice", (run) => run.set(4, { client_id: "c2" })],
  "a message from nobody": ["sent by nobody", (run) => run.set(4, { client_id: "c5" })],
  "a message from someone else": [
    `stored as sent by ${BOB}`,
    (run) => run.set(4, { sender: { id: BOB, email: null, name: null } }),
  ],
  "a lost reply": ["replies to", (run) => run.set(4, { reply_to: 1 })],
  "metadata from nobody": ["c4 has the metadata", (run) => run.set(4, { meta: { of: "c4" } })],
  "metadata of a deleted message": ["c3 has the metadata", (run) => run.set(3, { meta: { of: "c3" } })],
  "messages out of order": [
    "out of order",
    (run) => [run.set(3, { client_id: "c4" }), run.set(4, { client_id: "c3" })],
  ],
  "a gap in seq": ["message 4 has seq 5", (run) => run.set(4, { seq: 5 })],
  "a wrong count": ["the room's seq is 5", ({ room }) => room.seq++],
  "a rev given twice": ["two messages have rev 7", (run) => run.set(4, { rev: 7 })],
  "a rev beyond the room's": ["outside 4 to 7", (run) => run.set(4, { rev: 8 })],
  "revs that nobody saw": ["nobody saw 1 revs", ({ room }) => room.rev++],
  "a message created too early": ["created at rev 2, after 3", (run) => (run.message(4).createdRev = 2)],
  "an ack with another seq": ["stored as 4 at 4", (run) => run.answer(3, { type: "acked", seq: 2, rev: 4 })],
  "an ack ahead of the room": [
    "rev 9 was reported",
    (run) => run.answer(3, { type: "acked", seq: 4, rev: 9 }),
  ],
  "an edit acked for another message": [
    "was acked for 2",
    (run) => run.answer(4, { type: "acked", seq: 2, rev: 5 }),
  ],
  "an edit acked later than the message's rev": [
    "was acked at 6 > 5",
    (run) => run.answer(4, { type: "acked", seq: 1, rev: 6 }),
  ],
  "a refused message that is stored": [
    "and was answered with",
    (run) => run.answer(3, { type: "refused", code: "forbidden" }),
  ],
  "a refused edit that is stored": [
    "was refused, and its text",
    (run) => run.answer(4, { type: "refused", code: "forbidden" }),
  ],
  "a wrong text": ["message 2 reads text 4", (run) => run.set(2, { text: "text 4" })],
  "a lost edit": ["message 1 reads text 1", (run) => run.set(1, { text: "text 1" })],
  "a lost reaction": [`message 2 has 👍 ${BOB}: false`, (run) => run.set(2, { reactions: [] })],
  "a reaction from nobody": [
    "from nobody",
    (run) => run.set(4, { reactions: [{ emoji: "👍", by: [ALICE] }] }),
  ],
  "a lost deletion": ["message 3 is deleted: false", (run) => delete run.message(3).body.deleted_at],
  "a deletion by nobody": ["message 4 is deleted: true", (run) => run.set(4, { deleted_at: SENT_AT })],
  "a deleted text": ["has a text or reactions", (run) => run.set(3, { text: "text 3" })],
  "a read mark behind what was sent": [
    `${ALICE} has read up to 0`,
    ({ room }) => room.readMarks.delete(ALICE),
  ],
  "a read mark behind what was acked": [`${BOB} has read up to 1`, ({ room }) => room.readMarks.set(BOB, 1)],
  "a read mark beyond the room": [`${BOB} has read up to 5`, ({ room }) => room.readMarks.set(BOB, 5)],
  "a read mark of somebody else": ["is not a member", ({ room }) => room.members.delete(BOB)],
  "two states at one rev": [
    "saw another state at rev 6",
    ({ history }) => history.observe("client", ROOM, { ...stored(2).body, rev: 6 }),
  ],
};

test.each(Object.entries(faults))("the checker reports %s", (_, [violation, inject]) => {
  const run = new Run();
  inject(run);
  expect(run.violations().join("\n")).toContain(violation);
});

test("an operation with an unknown outcome may have taken effect or not", () => {
  for (const index of [4, 5, 6]) {
    const run = new Run();
    run.answer(index, { type: "unknown" });
    expect(run.violations()).toEqual([]);
  }
  const run = new Run();
  run.answer(3, { type: "unknown" });
  run.room.messages.pop();
  run.room.seq = 3;
  run.room.readMarks.set(ALICE, 3);
  expect(run.violations()).toEqual([]);
});

test("only a retried operation may take effect once more after a later one", () => {
  for (const losses of [1, 0]) {
    const run = new Run();
    run.answer(4, { type: "acked", seq: 1, rev: 5 }, losses);
    run.invoke(ALICE, { kind: "edit", seq: 1, text: "edited again" }, { seq: 1, rev: 8 });
    run.room.rev = 9;
    run.set(1, { rev: 9, text: "edited" });
    expect(run.violations().length).toBe(losses > 0 ? 0 : 1);
  }
});

/** Messages as a client shows them. */
const shown = (seqs: readonly number[]) => seqs.map((seq) => stored(seq).body);

test("a view must end with the newest message, without gaps, each message as stored", () => {
  const all = [1, 2, 3, 4].map(stored);
  const check = (messages: StoredMessage["body"][], keep?: number, pending = 0) => {
    const violations: string[] = [];
    const report = (violation: string) => violations.push(violation);
    checkView({ name: "client", messages, pending, keep }, all, report);
    return violations.length;
  };
  expect(check(shown([1, 2, 3, 4]))).toBe(0);
  expect(check(shown([3, 4]), 2)).toBe(0);
  expect(check(shown([1, 2, 3, 4]), 5)).toBe(0);
  expect(check(shown([4]), 2)).toBe(1);
  expect(check(shown([1, 2, 3]))).toBeGreaterThan(0);
  expect(check(shown([2, 3, 4]))).toBeGreaterThan(0);
  expect(check(shown([2, 4]), 2)).toBeGreaterThan(0);
  expect(check(shown([2, 3, 4]), 2)).toBeGreaterThan(0);
  expect(check(shown([1, 2, 3, 4]), undefined, 1)).toBeGreaterThan(0);
  expect(check([...shown([1, 2, 3]), { ...stored(4).body, text: "other" }])).toBeGreaterThan(0);
});

function readErrors(...reads: [string, number][]): number {
  const violations: string[] = [];
  checkReads("client", new Map(reads), new Run().room, (violation) => violations.push(violation));
  return violations.length;
}

test("the marks of others must not be beyond those that are stored", () => {
  expect(readErrors([ALICE, 4], [BOB, 2])).toBe(0);
  expect(readErrors([BOB, 2])).toBe(0);
  expect(readErrors([BOB, 1])).toBe(0);
  expect(readErrors([BOB, 3])).toBe(1);
});

test("a classic connection must get known texts, in order and once", () => {
  const { room, operations } = new Run();
  const check = (history: string[], live: string[]) => {
    const violations: string[] = [];
    checkClassic([{ history, live }], room.messages, operations, (violation) => violations.push(violation));
    return violations.length;
  };
  expect(check(["edited", "text 2", ""], ["text 4"])).toBe(0);
  expect(check([], ["text 1", "text 3"])).toBe(0);
  expect(check(["text 2"], ["text 2"])).toBe(1);
  expect(check([], ["text 4", "text 3"])).toBe(1);
  expect(check([], ["text 5"])).toBe(1);
});

test("a client must show who is online, each user once", () => {
  const check = (...ids: string[]) =>
    presenceErrors(new Set([ALICE, BOB]), { name: "client", online: ids.map((id) => ({ id })) }).length;
  expect(check(ALICE, BOB)).toBe(0);
  expect(check(ALICE)).toBe(1);
  expect(check(ALICE, BOB, "user|carol")).toBe(1);
  expect(check(ALICE, BOB, BOB)).toBe(1);
});

test("only what was done in the present room counts after a room was deleted and created again", () => {
  const history = new History();
  const send = (text: string) =>
    history.invoke({ kind: "send", clientId: text, text, room: "room", client: ALICE, user: ALICE });
  const room: StoredRoom = {
    ...ROOM,
    seq: 2,
    rev: 2,
    messages: [],
    members: new Set([ALICE]),
    readMarks: new Map([[ALICE, 2]]),
  };
  const check = () => {
    const found: string[] = [];
    checkRoom(room, history, (violation) => found.push(violation));
    return found.join("\n");
  };
  const store = (seq: number, text: string) =>
    (room.messages[seq - 1] = { createdRev: seq, body: { ...stored(seq).body, text, client_id: text } });
  history.settle(send("before"), { type: "acked", seq: 1, rev: 1 }, 0);
  const [early, late] = [send("early"), send("late")];
  const isDeleted = history.deleteRoom("room");
  history.settle(early, { type: "acked", seq: 2, rev: 2 }, 0);
  isDeleted();
  history.settle(late, { type: "acked", seq: 1, rev: 1 }, 0);
  history.settle(send("after"), { type: "acked", seq: 2, rev: 2 }, 0);
  store(1, "late");
  store(2, "after");
  expect(check()).toBe("");
  // Either of those in flight may have been about the new room.
  store(1, "early");
  expect(check()).toBe("");
  store(1, "before");
  expect(check()).toContain("message 1 was sent by nobody");
  store(1, "late");
  room.messages.pop();
  expect(check()).toContain("after was acked, and is lost");
});
