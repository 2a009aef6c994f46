import { describe, expect, setDefaultTimeout, test } from "bun:test";

import * as fc from "fast-check";

import { type Change, History } from "../../src/client/history.ts";
import type { Message } from "../../src/client/index.ts";
import { settle } from "../support/samples.ts";
import { FakeRoom } from "./support/fake-room.ts";
import { weighted } from "./support/weighted.ts";

/** A thousand runs take seconds on a busy machine. */
setDefaultTimeout(60_000);

/** A history that is fed by a fake room, over a network and an HTTP API that the test controls. */
class Reader {
  readonly history: History;
  readonly server: FakeRoom;
  /** The changes that the history has returned since the last reset, by the `seq` of their message. */
  readonly changes = new Map<number, Change[]>();
  /** Where the history started at the last reset. */
  start = { rev: 0, seq: 0 };
  #request: { before: number; limit: number; page?: Message[]; answer(page?: Message[]): void } | undefined;

  constructor(keep: number, pageSize: number, messages: number) {
    this.history = new History(keep);
    this.server = new FakeRoom(pageSize);
    for (let n = 0; n < messages; n++) this.server.change("created");
    this.connect();
  }

  /** Whether a page of older messages has told of a change after the cursor. */
  get isAhead(): boolean {
    const { cursor = 0, messages } = this.history;
    return messages.some(({ rev }) => rev > cursor);
  }

  connect(): void {
    this.server.connect(this.history.cursor);
  }

  /** Delivers the next frame, if there is one. Frames about changes may come twice; the answer to an `open` comes once. */
  deliver(times = 1): void {
    const frame = this.server.frames.shift();
    for (let n = 0; n < (frame?.type === "opened" ? 1 : times); n++) {
      if (frame?.type === "opened") {
        const outcome = this.history.applyOpened(frame);
        if (outcome === "diverged") this.connect();
        else if (outcome === "reset") {
          this.changes.clear();
          this.start = { rev: frame.rev, seq: frame.messages.at(-1)?.seq ?? 0 };
        } else this.#record(outcome);
      } else if (frame?.type === "changes") {
        this.#record(this.history.applyChanges(frame));
      } else if (frame?.type === "change") {
        const outcome = this.history.applyChange(frame);
        if (outcome === "gap") this.connect();
        else if (outcome) this.#record([outcome]);
      }
    }
  }

  /** Requests a page of older messages, unless a request is in progress. */
  requestOlder(limit: number): void {
    if (this.#request) return;
    void this.history
      .loadOlder(limit, (before, count) => {
        const { promise, resolve, reject } = Promise.withResolvers<Message[]>();
        const answer = (page?: Message[]) => (page ? resolve(page) : reject(new Error("lost")));
        this.#request = { before, limit: count, answer };
        return promise;
      })
      .catch(() => []);
  }

  /** The server reads the page that was requested. Its response is not delivered yet. */
  readPage(): void {
    if (this.#request)
      this.#request.page ??= this.server.pageBefore(this.#request.before, this.#request.limit);
  }

  async deliverPage(): Promise<void> {
    this.readPage();
    this.#request?.answer(this.#request.page);
    this.#request = undefined;
    await settle();
  }

  async losePage(): Promise<void> {
    this.#request?.answer();
    this.#request = undefined;
    await settle();
  }

  /** Delivers everything. */
  async drain(): Promise<void> {
    for (let turn = 0; !this.server.isDelivered && turn < 10_000; turn++) {
      if (this.server.frames.length === 0) this.server.continueResume();
      this.deliver();
    }
    await this.deliverPage();
  }

  #record(changes: Change[]): void {
    for (const change of changes) {
      const { seq } = change.message;
      this.changes.set(seq, [...(this.changes.get(seq) ?? []), change]);
    }
  }
}

/** A change to one of the newest messages, counted back from the last. */
const recentChange = fc.record({
  kind: fc.constantFrom("created", "created", "edited", "deleted", "reacted"),
  back: fc.nat(4),
});

const anyStep = fc.oneof(
  weighted(
    3,
    fc.record({
      action: fc.constant("reconnect late"),
      missed: fc.array(recentChange, { minLength: 1, maxLength: 12 }),
      meanwhile: fc.array(recentChange, { maxLength: 6 }),
    }),
  ),
  weighted(6, fc.record({ action: fc.constant("create"), n: fc.integer({ min: 1, max: 4 }) })),
  weighted(6, fc.record({ action: fc.constantFrom("edited", "deleted", "reacted"), n: fc.nat(200) })),
  weighted(10, fc.record({ action: fc.constant("deliver"), n: fc.integer({ min: 1, max: 2 }) })),
  weighted(3, fc.record({ action: fc.constant("continue resume") })),
  weighted(2, fc.record({ action: fc.constantFrom("lose change", "reconnect") })),
  weighted(3, fc.record({ action: fc.constant("request older"), n: fc.integer({ min: 1, max: 20 }) })),
  weighted(3, fc.record({ action: fc.constantFrom("read page", "deliver page") })),
  weighted(1, fc.record({ action: fc.constantFrom("restore", "recreate"), n: fc.nat(9) })),
);
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

async function run(reader: Reader, steps: Step[]): Promise<void> {
  const { server } = reader;
  const changeRecent = ({ kind, back }: typeof recentChange extends fc.Arbitrary<infer T> ? T : never) =>
    server.change(kind, Math.max(0, server.messages.length - 1 - back));
  for (const step of steps) {
    switch (step.action) {
      case "create":
        for (let n = 0; n < step.n; n++) server.change("created");
        break;
      case "edited":
      case "deleted":
      case "reacted":
        server.change(step.action, step.n);
        break;
      case "deliver":
        reader.deliver(step.n);
        break;
      case "continue resume":
        server.continueResume();
        break;
      case "lose change":
        server.loseChange();
        break;
      case "reconnect":
        reader.connect();
        break;
      case "reconnect late":
        step.missed.forEach(changeRecent);
        reader.connect();
        reader.deliver();
        // More changes during the resume.
        for (const change of step.meanwhile) {
          changeRecent(change);
          server.continueResume();
          reader.deliver();
        }
        break;
      case "request older":
        reader.requestOlder(step.n);
        break;
      case "read page":
        reader.readPage();
        break;
      case "deliver page":
        await reader.deliverPage();
        break;
      case "restore":
        await reader.drain();
        // A client cannot detect a restore to its cursor, so it would keep a later change that a page has told it of. Here it
        // gets that change live first.
        if (reader.isAhead) {
          server.change("created");
          await reader.drain();
        }
        server.restore();
        await reader.losePage();
        reader.connect();
        // At once: when the room has reached the same `rev` again, a client cannot detect the restore.
        reader.deliver();
        break;
      case "recreate":
        await reader.losePage();
        server.recreate();
        for (let n = 0; n < step.n * 10; n++) server.change("created");
        reader.connect();
        break;
    }
  }
  // Reveals a live change that was lost.
  server.change("created");
  await reader.drain();
}

function expectSameAsServer({ history, server }: Pick<Reader, "history" | "server">): void {
  expect(history.cursor).toBe(server.rev);
  expect(history.last).toBe(server.messages.length);
  expect(history.messages.length).toBeLessThanOrEqual(history.keep);
  expect(history.messages).toEqual(server.messages.slice(history.first - 1));
}

const scenario = fc.record({
  keep: fc.constantFrom(0, 1, 5, 60, 10_000),
  pageSize: fc.constantFrom(1, 2, 3, 1_000),
  messages: fc.nat(120),
  steps: fc.array(anyStep, { maxLength: 60 }),
});

describe("whatever the network does, and whenever older messages are loaded,", () => {
  test("the window ends up as on the server, without gaps, and live", async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ keep, pageSize, messages, steps }) => {
        const reader = new Reader(keep, pageSize, messages);
        await run(reader, steps);
        expectSameAsServer(reader);
        reader.server.change("created");
        reader.deliver();
        expectSameAsServer(reader);
        const { rev, messages: stored, createdAt } = reader.server;
        expect(reader.history.position).toEqual({ seq: stored.length, rev, created_at: String(createdAt) });
      }),
      { numRuns: 1_000 },
    );
  });

  test("the last state of each message is reported, and each new message as created once", async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ pageSize, messages, steps }) => {
        const reader = new Reader(10_000, pageSize, messages);
        await run(reader, steps);
        const { start, server } = reader;
        for (const message of server.messages.filter(({ rev }) => rev > start.rev)) {
          const changes = reader.changes.get(message.seq) ?? [];
          expect(changes.at(-1)?.message).toEqual(message);
          const revs = changes.map((change) => change.message.rev);
          expect(revs).toEqual([...new Set(revs)].toSorted((a, b) => a - b));
          const timesCreated = changes.filter(({ kind }) => kind === "created").length;
          const isNew = message.seq > start.seq;
          expect(timesCreated).toBeLessThanOrEqual(isNew ? 1 : 0);
          if (isNew && message.deleted_at === undefined) expect(timesCreated).toBe(1);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("another process can resume from the position of any change", async () => {
    await fc.assert(
      fc.asyncProperty(scenario, fc.nat(), async ({ keep, pageSize, messages, steps }, pick) => {
        const reader = new Reader(keep, pageSize, messages);
        await run(reader, steps);
        const { server } = reader;
        const changes = [...reader.changes.values()].flat();
        const since = changes[pick % Math.max(1, changes.length)]?.position ?? reader.history.position;
        const history = new History(keep, since);
        server.connect(history.cursor);
        while (!server.isDelivered) {
          const frame = server.frames.shift();
          if (frame?.type === "opened") history.applyOpened(frame);
          else if (frame?.type === "changes") history.applyChanges(frame);
          else server.continueResume();
        }
        expectSameAsServer({ history, server });
      }),
      { numRuns: 1_000 },
    );
  });
});
