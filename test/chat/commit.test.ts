import { expect, test } from "bun:test";

import { Commit } from "../../src/chat/commit-queue.ts";
import { ChatError } from "../../src/chat/errors.ts";
import type { Draft, RoomKey } from "../../src/chat/model.ts";
import { type Outcome, StoreError } from "../../src/chat/store.ts";
import { actor as somebody, draft, message, settle } from "../support/people.ts";
import { waitUntil } from "../support/wait.ts";

/** A store whose batches are answered by the test, and what became of them. */
function setUp() {
  const batches: {
    drafts: readonly Draft[];
    resolve(outcomes: Outcome[]): void;
    reject(error: Error): void;
  }[] = [];
  const happened: string[] = [];
  const append = (drafts: readonly Draft[]) =>
    new Promise<Outcome[]>((resolve, reject) => batches.push({ drafts, resolve, reject }));
  const commit = new Commit(
    { append },
    (room, changes) => {
      happened.push(
        `publish ${room}: ${changes.map((change) => `${change.kind} ${change.message.rev}`).join()}`,
      );
    },
    ({ actor }, seq) => void happened.push(`read ${actor.key} ${seq}`),
    (error) => void happened.push(error instanceof Error ? `failed: ${error.message}` : "stored"),
  );
  /** Sends a text, and notes how it ends. */
  const send = (room: RoomKey, text: string) =>
    commit.add(draft(room, text)).then(
      ({ seq }) => void happened.push(`ack ${text} ${seq}`),
      (error: unknown) =>
        void happened.push(`${text} ${error instanceof ChatError ? error.code : String(error)}`),
    );
  const texts = () =>
    batches.map(({ drafts }) =>
      drafts.map(({ action }) => ("text" in action ? action.text : action.type)).join(""),
    );
  return { commit, batches, happened, send, texts };
}

const read = (who: number): Draft => ({ ...draft(1, "", somebody(who)), action: { type: "read", seq: 9 } });
const created = (seq: number): Outcome => ({
  ack: { seq, rev: seq },
  change: { kind: "created", message: message(seq) },
});
const stored = (...seqs: number[]): Outcome[] => seqs.map(created);

test("what arrives in one turn is one batch, published once per room by rev, and then acknowledged", async () => {
  const { batches, happened, send, texts } = setUp();
  const all = [send(7, "a"), send(8, "b"), send(7, "c")];
  expect(texts()).toEqual([]);
  await settle();
  expect(texts()).toEqual(["abc"]);
  expect(happened).toEqual([]);
  batches[0]?.resolve(stored(4, 1, 5));
  await Promise.all(all);
  expect(happened).toEqual([
    "stored",
    "publish 7: created 4,created 5",
    "publish 8: created 1",
    "ack a 4",
    "ack b 1",
    "ack c 5",
  ]);
});

test("one batch is in flight; all that arrives meanwhile is the next one", async () => {
  const { batches, send, texts } = setUp();
  void send(1, "a");
  await settle();
  for (const text of ["b", "c", "d"]) {
    void send(1, text);
    await settle();
  }
  expect(texts()).toEqual(["a"]);
  batches[0]?.resolve(stored(1));
  await settle();
  expect(texts()).toEqual(["a", "bcd"]);
  batches[1]?.resolve(stored(2, 3, 4));
  await settle();
  void send(1, "e");
  await settle();
  expect(texts()).toEqual(["a", "bcd", "e"]);
});

test("of long texts a batch takes a part, in their order, and a single one whatever its length", async () => {
  const { batches, send, texts } = setUp();
  void send(1, "a");
  await settle();
  const long = ["b", "c", "d"].map((letter) => letter.repeat(100_000));
  for (const text of [...long, "e".repeat(300_000), "f"]) void send(1, text);
  const begun = () => texts().map((all) => all.replaceAll(/(.)\1*/g, "$1"));
  for (const expected of ["a", "bc", "d", "e", "f"]) {
    await waitUntil("the next batch begins", () => begun().length > 0);
    expect(begun().at(-1)).toBe(expected);
    batches.at(-1)?.resolve(stored(...Array.from(expected, (_, index) => index + 1)));
    await settle();
  }
  expect(begun()).toEqual(["a", "bc", "d", "e", "f"]);
});

test("after a batch of many, the next one waits a moment for the others", async () => {
  const { batches, send, texts } = setUp();
  const many = Array.from("abcdefgh", (text) => send(1, text));
  await settle();
  batches[0]?.resolve(stored(...many.keys().map((index) => index + 1)));
  await Promise.all(many);
  void send(1, "i");
  setImmediate(() => void send(1, "j"));
  await waitUntil("the next batch begins", () => texts().length > 1);
  expect(texts()).toEqual(["abcdefgh", "ij"]);
});

test("a store that fails refuses the whole batch, publishes nothing of it, and the next batch works", async () => {
  const { batches, happened, send } = setUp();
  const failing = [send(1, "a"), send(1, "b")];
  await settle();
  const next = send(1, "c");
  batches[0]?.reject(new StoreError("disk full"));
  await Promise.all(failing);
  expect(happened).toEqual(["failed: disk full", "a storage_unavailable", "b storage_unavailable"]);
  await settle();
  batches[1]?.resolve(stored(1));
  await next;
  expect(happened.slice(3)).toEqual(["stored", "publish 1: created 1", "ack c 1"]);
});

test("a store that throws at once is a store that fails", async () => {
  const told: unknown[] = [];
  const commit = new Commit(
    {
      append() {
        throw new StoreError("closed");
      },
    },
    () => expect.unreachable(),
    () => expect.unreachable(),
    (error) => void told.push(error),
  );
  const refusals = await Promise.allSettled([commit.add(draft(1, "a")), commit.add(draft(1, "b"))]);
  expect(refusals).toMatchObject([
    { reason: { code: "storage_unavailable" } },
    { reason: { code: "storage_unavailable" } },
  ]);
  expect(told).toEqual([new StoreError("closed")]);
  await commit.idle();
});

test("a refused draft fails alone; a repeated one is acknowledged as before; neither is published", async () => {
  const { batches, happened, send } = setUp();
  const all = ["a", "b", "c", "d", "e"].map((text) => send(1, text));
  await settle();
  batches[0]?.resolve([
    created(9),
    { refused: "removed" },
    { ack: { seq: 3, rev: 3 } },
    { refused: "room_deleted" },
  ]);
  await Promise.all(all);
  expect(happened).toEqual([
    "stored",
    "publish 1: created 9",
    "ack a 9",
    "b removed",
    "ack c 3",
    "d room_deleted",
    // Fewer answers than drafts.
    "e internal",
  ]);
});

test("a read mark that moved is told once it is stored, after what he may have read, and is no change of the room", async () => {
  const { commit, batches, happened } = setUp();
  const acks = [commit.add(read(1)), commit.add(read(2)), commit.add(draft(1, "a")), commit.add(read(3))];
  await settle();
  expect(happened).toEqual([]);
  const refused: Outcome = { refused: "removed" };
  batches[0]?.resolve([
    { ack: { seq: 6, rev: 8 }, marked: true },
    { ack: { seq: 7, rev: 8 } },
    created(9),
    refused,
  ]);
  expect(await Promise.allSettled(acks)).toMatchObject([
    { value: { seq: 6, rev: 8 } },
    { value: { seq: 7, rev: 8 } },
    { value: { seq: 9, rev: 9 } },
    { reason: { code: "removed" } },
  ]);
  expect(happened).toEqual(["stored", "publish 1: created 9", "read 1 6"]);
});

test("whoever is refused hears which rule it was", async () => {
  for (const [refused, code] of [
    ["removed", "removed"],
    ["room_deleted", "room_deleted"],
    ["no_message", "message_not_found"],
    ["deleted", "message_not_found"],
    ["not_sender", "forbidden"],
    ["not_moderator", "forbidden"],
    ["too_many_reactions", "forbidden"],
  ] as const) {
    const { commit, batches, happened } = setUp();
    const ack = commit.add(draft(1, "a"));
    await settle();
    batches[0]?.resolve([{ refused }]);
    const error = await ack.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ChatError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(/^[A-Z].*\.$/) });
    expect(happened).toEqual(["stored"]);
  }
});

test("nothing but what was stored is published: a batch without is silent", async () => {
  const { batches, happened, send } = setUp();
  const sent = send(1, "a");
  await settle();
  batches[0]?.resolve([{ refused: "removed" }]);
  await sent;
  expect(happened).toEqual(["stored", "a removed"]);
});

test("what waits for the disk is bounded; more is refused at once, and all that was taken is stored", async () => {
  const { commit, batches, happened, send, texts } = setUp();
  void send(1, "first");
  await settle();
  const limit = 65_536;
  const taken = Array.from({ length: limit }, () => commit.add(draft(1, "x")));
  await send(1, "one too many");
  expect(happened).toEqual(["one too many storage_unavailable"]);
  batches[0]?.resolve(stored(1));
  await settle();
  expect(batches[1]?.drafts.length).toBe(limit);
  void send(1, "taken again");
  batches[1]?.resolve(stored(...Array.from({ length: limit }, (_, index) => index + 2)));
  expect((await Promise.all(taken)).length).toBe(limit);
  await waitUntil("the next batch begins", () => texts().length > 2);
  expect(texts()[2]).toBe("taken again");
});

test("the texts that wait are bounded together, those of edits included", async () => {
  const { commit, batches, send } = setUp();
  void send(1, "first");
  await settle();
  const text = "x".repeat(1 << 20);
  const edit = { ...draft(1, ""), action: { type: "edit", seq: 1, text } as const };
  const taken = Array.from({ length: 32 }, (_, index) => commit.add(index % 2 ? edit : draft(1, text)));
  const refused = await commit.add(draft(1, "late")).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "storage_unavailable" });
  batches[0]?.resolve(stored(1));
  await settle();
  // One of so long ones is a batch.
  for (let n = 1; n <= taken.length; n++) {
    batches[n]?.resolve(stored(n + 1));
    await taken[n - 1];
    await settle();
  }
  void commit.add(draft(1, "taken again"));
  await waitUntil("the next batch begins", () => batches.length > taken.length + 1);
});

test("idle resolves when nothing waits any more, not when the first batch is done", async () => {
  const { commit, batches, happened, send } = setUp();
  await commit.idle();
  void send(1, "a");
  const idle = commit.idle().then(() => happened.push("idle"));
  await settle();
  void send(1, "b");
  batches[0]?.resolve(stored(1));
  await settle();
  expect(happened).not.toContain("idle");
  batches[1]?.reject(new StoreError("disk full"));
  await idle;
  expect(happened.slice(-2)).toEqual(["b storage_unavailable", "idle"]);
});
