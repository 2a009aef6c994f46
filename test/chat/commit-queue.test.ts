import { afterEach, describe, expect, jest, test } from "bun:test";

import { CommitQueue } from "../../src/chat/commit-queue.ts";
import { asChatError, StoreError } from "../../src/chat/errors.ts";
import type { Draft, RoomKey } from "../../src/chat/model.ts";
import type { Outcome } from "../../src/chat/store.ts";
import { actor, draft, message, range, send as sendAction, settle } from "../support/samples.ts";

afterEach(() => void jest.useRealTimers());

/** A queue before a store whose batches the test answers, and what came of them, in order. */
function createQueue() {
  const batches: PromiseWithResolvers<Outcome[]>[] = [];
  const drafts: (readonly Draft[])[] = [];
  const log: string[] = [];
  const queue = new CommitQueue({
    store: {
      append(batch) {
        drafts.push(batch);
        const answer = Promise.withResolvers<Outcome[]>();
        batches.push(answer);
        return answer.promise;
      },
    },
    publish: (room, changes) =>
      void log.push(
        `publish ${room}: ${changes.map(({ kind, message: { rev } }) => `${kind} ${rev}`).join()}`,
      ),
    readMarkMoved: (by, { seq, unread }) => void log.push(`read ${by.actor.key} ${seq}, ${unread} unread`),
    settled: (error) => void log.push(error instanceof Error ? `failed: ${error.message}` : "stored"),
  });
  /** Adds a message, and logs how it ends. */
  const send = (text: string, room: RoomKey = 1) =>
    queue.add(draft(room, text)).then(
      ({ seq }) => void log.push(`ack ${text} ${seq}`),
      (error: unknown) => void log.push(`${text} ${asChatError(error).code}`),
    );
  /** The texts of each batch. */
  const texts = () =>
    drafts.map((batch) => batch.map(({ action }) => ("text" in action ? action.text : action.type)).join(""));
  return { queue, batches, drafts, log, send, texts };
}

const created = (seq: number): Outcome => ({
  ack: { seq, rev: seq },
  change: { kind: "created", message: message(seq) },
});
const stored = (from: number, to = from): Outcome[] => range(from, to).map(created);
const read = (user: number): Draft => ({ ...draft(1, "", actor(user)), action: { type: "read", seq: 9 } });

describe("batches", () => {
  test("the drafts of one turn are one batch, published once for each room, and then acknowledged", async () => {
    const { batches, log, send, texts } = createQueue();
    const all = [send("a", 7), send("b", 8), send("c", 7)];
    expect(texts()).toEqual([]);
    await settle();
    expect([texts(), log]).toEqual([["abc"], []]);
    batches[0]?.resolve([created(4), created(1), created(5)]);
    await Promise.all(all);
    expect(log).toEqual([
      "stored",
      "publish 7: created 4,created 5",
      "publish 8: created 1",
      "ack a 4",
      "ack b 1",
      "ack c 5",
    ]);
  });

  test("one batch is in flight; what arrives meanwhile is the next one", async () => {
    const { batches, send, texts } = createQueue();
    void send("a");
    await settle();
    for (const text of ["b", "c", "d"]) {
      void send(text);
      await settle();
    }
    expect(texts()).toEqual(["a"]);
    batches[0]?.resolve(stored(1));
    await settle();
    expect(texts()).toEqual(["a", "bcd"]);
    batches[1]?.resolve(stored(2, 4));
    await settle();
    void send("e");
    await settle();
    expect(texts()).toEqual(["a", "bcd", "e"]);
  });

  test("a reaction counts for 16 Ki of text, because its message is published again", async () => {
    const { queue, batches, drafts, send } = createQueue();
    void send("a");
    await settle();
    for (const seq of range(1, 10))
      void queue.add({ ...draft(1, ""), action: { type: "react", seq, emoji: "👍", on: true } });
    batches[0]?.resolve(stored(1));
    await settle();
    expect(drafts.map((batch) => batch.length)).toEqual([1, 8]);
  });

  test("an edit counts for 8 Ki more than its text, because the metadata is published again, and mentions twice", async () => {
    const { queue, batches, drafts, send } = createQueue();
    void send("a");
    await settle();
    for (const seq of range(1, 40))
      void queue.add({ ...draft(1, ""), action: { type: "edit", seq, text: "" } });
    batches[0]?.resolve(stored(1));
    await settle();
    expect(drafts.map((batch) => batch.length)).toEqual([1, 16]);
  });

  test("metadata counts as text does", async () => {
    const { queue, batches, drafts, send } = createQueue();
    void send("a");
    await settle();
    const action = sendAction("x", null, null, "m".repeat(4095));
    for (const _ of range(1, 40)) void queue.add({ ...draft(1, ""), action });
    batches[0]?.resolve(stored(1));
    await settle();
    expect(drafts.map((batch) => batch.length)).toEqual([1, 32]);
  });

  test("a batch takes up to 128 Ki of text, and a single text of any length", async () => {
    const { batches, send, texts } = createQueue();
    void send("a");
    await settle();
    const long = ["b", "c", "d"].map((letter) => letter.repeat(50_000));
    for (const text of [...long, "e".repeat(150_000), "f"]) void send(text);
    const letters = () => texts().map((all) => all.replaceAll(/(.)\1*/g, "$1"));
    for (const expected of ["a", "bc", "d", "e", "f"]) {
      expect(letters().at(-1)).toBe(expected);
      batches.at(-1)?.resolve(stored(1, expected.length));
      await settle();
    }
    expect(texts().length).toBe(5);
  });
});

/** A queue that has stored a batch of this size. */
async function afterBatchOf(size: number) {
  jest.useFakeTimers();
  const at = createQueue();
  const all = range(1, size).map(() => at.send("x"));
  await settle();
  at.batches[0]?.resolve(stored(1, size));
  await Promise.all(all);
  return at;
}

describe("after a batch of 8 or more", () => {
  test("the next one waits a millisecond for others", async () => {
    const { send, texts } = await afterBatchOf(8);
    void send("a");
    await settle();
    void send("b");
    await settle();
    expect(texts().length).toBe(1);
    jest.advanceTimersByTime(1);
    expect(texts()[1]).toBe("ab");
  });

  test("the next one begins as soon as it has as many", async () => {
    const { send, texts } = await afterBatchOf(8);
    for (let each = 0; each < 7; each++) void send("a");
    await settle();
    expect(texts().length).toBe(1);
    void send("b");
    await settle();
    expect(texts()[1]).toBe("aaaaaaab");
    jest.advanceTimersByTime(1);
    expect(texts().length).toBe(2);
  });

  test("the next one does not wait when as many are there already", async () => {
    const at = createQueue();
    jest.useFakeTimers();
    for (let each = 0; each < 8; each++) void at.send("a");
    await settle();
    for (let each = 0; each < 8; each++) void at.send("b");
    at.batches[0]?.resolve(stored(1, 8));
    await settle();
    expect(at.texts()[1]).toBe("bbbbbbbb");
  });

  test("the one after the next does not wait, if that was smaller", async () => {
    const { batches, send, texts } = await afterBatchOf(8);
    void send("a");
    await settle();
    jest.advanceTimersByTime(1);
    batches[1]?.resolve(stored(9));
    await settle();
    void send("b");
    await settle();
    expect(texts().slice(1)).toEqual(["a", "b"]);
  });
});

test("after a batch of 7 the next one does not wait", async () => {
  jest.useFakeTimers();
  const { batches, send, texts } = createQueue();
  for (let each = 0; each < 7; each++) void send("a");
  await settle();
  batches[0]?.resolve(stored(1, 7));
  await settle();
  void send("b");
  await settle();
  expect(texts()[1]).toBe("b");
});

describe("refusals", () => {
  test("a store that fails refuses the whole batch, publishes nothing, and takes the next one", async () => {
    const { batches, log, send } = createQueue();
    const failing = [send("a"), send("b")];
    await settle();
    const next = send("c");
    batches[0]?.reject(new StoreError("disk full"));
    await Promise.all(failing);
    expect(log.splice(0)).toEqual(["failed: disk full", "a storage_unavailable", "b storage_unavailable"]);
    await settle();
    batches[1]?.resolve(stored(1));
    await next;
    expect(log).toEqual(["stored", "publish 1: created 1", "ack c 1"]);
  });

  test("a store that throws at once is a store that fails", async () => {
    const errors: unknown[] = [];
    const queue = new CommitQueue({
      store: {
        append() {
          throw new StoreError("closed");
        },
      },
      publish: () => expect.unreachable(),
      readMarkMoved: () => expect.unreachable(),
      settled: (error) => void errors.push(error),
    });
    const reason = { code: "storage_unavailable" };
    const outcomes = await Promise.allSettled([queue.add(draft(1, "a")), queue.add(draft(1, "b"))]);
    expect(outcomes).toMatchObject([{ reason }, { reason }]);
    expect(errors).toEqual([new StoreError("closed")]);
    await queue.idle();
  });

  test("a refused draft fails alone, and only new changes are published", async () => {
    const { batches, log, send } = createQueue();
    const all = ["a", "b", "c", "d", "e"].map((text) => send(text));
    await settle();
    batches[0]?.resolve([
      created(9),
      { refused: "removed" },
      { ack: { seq: 3, rev: 3 } },
      { refused: "room_deleted" },
    ]);
    await Promise.all(all);
    expect(log).toEqual([
      "stored",
      "publish 1: created 9",
      "ack a 9",
      "b removed",
      "ack c 3",
      "d room_deleted",
      // The store has answered fewer drafts than it was given.
      "e internal",
    ]);
  });

  test.each([
    ["removed", "removed", {}],
    ["room_deleted", "room_deleted", {}],
    ["message_not_found", "message_not_found", {}],
    ["message_deleted", "message_not_found", {}],
    ["client_id_used", "conflict", { seq: 4 }],
    ["not_sender", "forbidden", {}],
    ["not_moderator", "forbidden", {}],
    ["too_many_reactions", "forbidden", {}],
  ] as const)(
    "%s reaches the sender as %s, with a sentence and its details",
    async (refused, code, details) => {
      const { queue, batches, log } = createQueue();
      const error = queue.add(draft(1, "a")).catch((reason: unknown) => reason);
      await settle();
      batches[0]?.resolve([{ refused, details }]);
      expect(await error).toMatchObject({ code, details, message: expect.stringMatching(/^[A-Z].*\.$/) });
      expect(log).toEqual(["stored"]);
    },
  );
});

test("a read mark that moved is announced before the changes, and one that did not is not", async () => {
  const { queue, batches, log } = createQueue();
  const acks = [queue.add(read(1)), queue.add(read(2)), queue.add(draft(1, "a")), queue.add(read(3))];
  await settle();
  batches[0]?.resolve([
    { ack: { seq: 6, rev: 8 }, mark: { seq: 6, unread: 2, mentions: 0, head: { seq: 8, rev: 8 } } },
    { ack: { seq: 7, rev: 8 } },
    { ...created(9), mark: { seq: 9, unread: 0, mentions: 0, head: { seq: 9, rev: 9 } } },
    { refused: "removed" },
  ]);
  expect(await Promise.allSettled(acks)).toMatchObject([
    { value: { seq: 6, rev: 8 } },
    { value: { seq: 7, rev: 8 } },
    { value: { seq: 9, rev: 9 } },
    { reason: { code: "removed" } },
  ]);
  expect(log).toEqual(["stored", "read 1 6, 2 unread", "read 1 9, 0 unread", "publish 1: created 9"]);
});

describe("what waits for the disk is bounded", () => {
  const MAX_DRAFTS = 65_536;

  test("by the number of drafts: one more is refused at once, and all the others are stored", async () => {
    const { queue, batches, drafts, log, send } = createQueue();
    void send("first");
    await settle();
    const accepted = range(1, MAX_DRAFTS).map(() => queue.add(draft(1, "x")));
    await send("one too many");
    expect(log).toEqual(["one too many storage_unavailable"]);
    batches[0]?.resolve(stored(1));
    await settle();
    expect(drafts[1]?.length).toBe(MAX_DRAFTS);
    void send("accepted again");
    batches[1]?.resolve(stored(1, MAX_DRAFTS));
    expect((await Promise.all(accepted)).length).toBe(MAX_DRAFTS);
  });

  test("by their texts, those of edits included", async () => {
    const { queue, batches, send } = createQueue();
    void send("first");
    await settle();
    const text = "x".repeat(1 << 20);
    const edit = { ...draft(1, ""), action: { type: "edit", seq: 1, text } as const };
    const accepted = range(1, 32).map((each) => queue.add(each % 2 ? edit : draft(1, text)));
    const refused = queue.add(draft(1, "late")).catch((error: unknown) => error);
    expect(await refused).toMatchObject({ code: "storage_unavailable" });
    batches[0]?.resolve(stored(1));
    await settle();
    // Each of the long texts is a batch.
    for (const [index, ack] of accepted.entries()) {
      batches[index + 1]?.resolve(stored(1));
      await ack;
      await settle();
    }
    void queue.add(draft(1, "accepted again"));
    await settle();
    expect(batches.length).toBe(34);
  });
});

test("idle resolves when nothing waits any more, be it stored or refused", async () => {
  const { queue, batches, log, send } = createQueue();
  await queue.idle();
  void send("a");
  const idle = queue.idle().then(() => log.push("idle"));
  await settle();
  void send("b");
  batches[0]?.resolve(stored(1));
  await settle();
  expect(log).not.toContain("idle");
  batches[1]?.reject(new StoreError("disk full"));
  await idle;
  expect(log.slice(-2)).toEqual(["b storage_unavailable", "idle"]);
});
