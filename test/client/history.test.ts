import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import { type Change, History } from "../../src/client/history.ts";
import type { MessageBody } from "../../src/protocol/frames.ts";
import { settle } from "../support/people.ts";
import { ModelRoom } from "./support/fake-room.ts";
import { createdAt as born, hello, message } from "./support/fake-server.ts";

/** A client that talks to a model of the server, over a network that the test plays. */
class Reader {
  readonly history: History;
  readonly server: ModelRoom;
  /** What was told of each message since the last reset. */
  told = new Map<number, Change[]>();
  /** The room's `rev`, and its newest message, at the last reset. */
  begun = { rev: 0, seq: 0 };
  #asked:
    { before: number; limit: number; page?: MessageBody[]; answer(page?: MessageBody[]): void } | undefined;

  constructor(keep: number, page: number) {
    this.history = new History(keep);
    this.server = new ModelRoom(page);
  }

  connect(): void {
    this.server.connect(this.history.cursor);
  }

  /** Takes the next frame in, if there is one. */
  deliver(times = 1): void {
    const [frame] = this.server.frames;
    if (!frame) return;
    this.server.frames.shift();
    for (let time = 0; time < times; time++) {
      if (frame.type === "hello") {
        const outcome = this.history.hello(frame);
        if (outcome === "foreign") this.connect();
        else if (outcome === "reset") {
          this.told.clear();
          this.begun = { rev: frame.rev, seq: frame.messages.at(-1)?.seq ?? 0 };
        } else this.#note(outcome);
      } else if (frame.type === "changes") {
        this.#note(this.history.changes(frame));
      } else if (frame.type === "change") {
        const outcome = this.history.change(frame);
        if (outcome === "gap") this.connect();
        else if (outcome) this.#note([outcome]);
      }
    }
  }

  ask(limit: number): void {
    if (this.#asked) return;
    void this.history
      .older(limit, (before, count) => {
        const { promise, resolve, reject } = Promise.withResolvers<MessageBody[]>();
        const answer = (page?: MessageBody[]) => (page ? resolve(page) : reject(new Error("lost")));
        this.#asked = { before, limit: count, answer };
        return promise;
      })
      .catch(() => []);
  }

  /** The server reads the page that was asked for; the answer is still under way. */
  read(): void {
    if (this.#asked) this.#asked.page ??= this.server.older(this.#asked.before, this.#asked.limit);
  }

  async answered(): Promise<void> {
    this.read();
    this.#asked?.answer(this.#asked.page);
    this.#asked = undefined;
    await settle();
  }

  async losesAnswer(): Promise<void> {
    this.#asked?.answer();
    this.#asked = undefined;
    await settle();
  }

  /** The network holds, until there is nothing left to say. */
  async drain(): Promise<void> {
    for (let turn = 0; !this.server.level && turn < 10_000; turn++) {
      if (this.server.frames.length === 0) this.server.resume();
      this.deliver();
    }
    await this.answered();
  }

  #note(changes: Change[]): void {
    for (const change of changes) {
      const { seq } = change.message;
      this.told.set(seq, [...(this.told.get(seq) ?? []), change]);
    }
  }
}

/** Something that happens to one of the newest messages, counted back from the last. */
const recent = fc.record({
  kind: fc.constantFrom(
    "created" as const,
    "created" as const,
    "edited" as const,
    "deleted" as const,
    "reacted" as const,
  ),
  back: fc.nat(4),
});

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("away" as const),
      missed: fc.array(recent, { minLength: 1, maxLength: 12 }),
      meanwhile: fc.array(recent, { maxLength: 6 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("create" as const), times: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("edited" as const, "deleted" as const, "reacted" as const),
      pick: fc.nat(200),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant("deliver" as const), times: fc.integer({ min: 1, max: 2 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("resume" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("lose" as const, "cut" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("ask" as const), limit: fc.integer({ min: 1, max: 20 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("read" as const, "answered" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("restore" as const, "recreate" as const), pick: fc.nat(9) }),
  },
);

async function play(reader: Reader, steps: (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) {
  const { server } = reader;
  for (const now of steps) {
    switch (now.do) {
      case "create":
        for (let time = 0; time < now.times; time++) server.change("created", 0);
        break;
      case "edited":
      case "deleted":
      case "reacted":
        server.change(now.do, now.pick);
        break;
      case "deliver":
        reader.deliver(now.times);
        break;
      case "resume":
        server.resume();
        break;
      case "lose":
        server.lose();
        break;
      case "cut":
        reader.connect();
        break;
      case "ask":
        reader.ask(now.limit);
        break;
      case "read":
        reader.read();
        break;
      case "answered":
        await reader.answered();
        break;
      case "away": {
        const happen = ({
          kind,
          back,
        }: {
          kind: "created" | "edited" | "deleted" | "reacted";
          back: number;
        }) => server.change(kind, Math.max(0, server.messages.length - 1 - back));
        for (const change of now.missed) happen(change);
        reader.connect();
        reader.deliver();
        // While it catches up, frame by frame.
        for (const change of now.meanwhile) {
          happen(change);
          server.resume();
          reader.deliver();
        }
        break;
      }
      case "restore": {
        await reader.drain();
        server.restore();
        await reader.losesAnswer();
        reader.connect();
        // Once the room has come as far again, nobody can tell any more.
        reader.deliver();
        break;
      }
      case "recreate":
        await reader.losesAnswer();
        server.messages = [];
        server.rev = 0;
        server.createdAt++;
        server.frames.length = 0;
        for (let time = 0; time < now.pick * 10; time++) server.change("created", 0);
        reader.connect();
        break;
    }
  }
}

function expectTheServers({ history, server }: Reader): void {
  expect(history.cursor).toBe(server.rev);
  expect(history.last).toBe(server.messages.length);
  expect(history.messages.length).toBeLessThanOrEqual(history.keep);
  expect(history.messages).toEqual(server.messages.slice(history.first - 1));
}

describe("whatever the network does, and whenever older messages are read,", () => {
  const seeds = fc.record({
    keep: fc.constantFrom(0, 1, 5, 60, 10_000),
    page: fc.constantFrom(1, 2, 3, 1_000),
    history: fc.nat(120),
    steps: fc.array(step, { maxLength: 60 }),
  });

  test("the window ends as the server has it, without a gap", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async ({ keep, page, history, steps }) => {
        const reader = new Reader(keep, page);
        for (let made = 0; made < history; made++) reader.server.change("created", 0);
        reader.connect();
        await play(reader, steps);
        // A frame that was lost is missed at the next one.
        reader.server.change("created", 0);
        await reader.drain();
        expectTheServers(reader);
        // From then on it is live.
        reader.server.change("created", 0);
        reader.deliver();
        expectTheServers(reader);
        const { rev, messages, createdAt } = reader.server;
        expect(reader.history.position).toEqual({ seq: messages.length, rev, created_at: String(createdAt) });
      }),
      { numRuns: 1_000 },
    );
  });

  test("each change is told, in its last state at least, and each new message as new once", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async ({ page, history, steps }) => {
        const reader = new Reader(10_000, page);
        for (let made = 0; made < history; made++) reader.server.change("created", 0);
        reader.connect();
        await play(reader, steps);
        reader.server.change("created", 0);
        await reader.drain();
        const { begun, told, server } = reader;
        for (const each of server.messages.filter(({ rev }) => rev > begun.rev)) {
          const changes = told.get(each.seq) ?? [];
          expect(changes.at(-1)?.message).toEqual(each);
          const revs = changes.map((change) => change.message.rev);
          expect(revs).toEqual([...new Set(revs)].toSorted((a, b) => a - b));
          const news = changes.filter(({ kind }) => kind === "created").length;
          expect(news).toBeLessThanOrEqual(each.seq > begun.seq ? 1 : 0);
          if (each.seq > begun.seq && each.deleted_at === undefined) expect(news).toBe(1);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("a position that was told is one to go on from, in another process too", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, fc.nat(), async ({ keep, page, history, steps }, pick) => {
        const reader = new Reader(keep, page);
        for (let made = 0; made < history; made++) reader.server.change("created", 0);
        reader.connect();
        await play(reader, steps);
        reader.server.change("created", 0);
        await reader.drain();
        const { server, told } = reader;
        const changes = [...told.values()].flat();
        const since = changes[pick % Math.max(1, changes.length)]?.position ?? reader.history.position;
        const next = new History(keep, since);
        server.connect(next.cursor);
        while (!server.level) {
          const frame = server.frames.shift();
          if (frame?.type === "hello") next.hello(frame);
          else if (frame?.type === "changes") next.changes(frame);
          else server.resume();
        }
        expect(next.messages).toEqual(server.messages.slice(next.first - 1));
        expect(next.last).toBe(server.messages.length);
        expect(next.cursor).toBe(server.rev);
      }),
      { numRuns: 1_000 },
    );
  });
});

test("a change to an older message, while a page with it is read, is in the page", async () => {
  const history = new History(100);
  history.hello(hello(10, [message(9), message(10)]));
  const { promise, resolve } = Promise.withResolvers<MessageBody[]>();
  const older = history.older(50, () => promise);
  const edited = message(8, 12, { text: "newer" });
  history.change({ type: "change", kind: "edited", message: message(8, 11, { text: "new" }) });
  history.change({ type: "change", kind: "edited", message: edited });
  resolve([message(7), message(8)]);
  expect(await older).toEqual([message(7), edited]);
  expect(history.messages).toEqual([message(7), edited, message(9), message(10)]);
});

test("a page that is newer than what came live stays, and the change that then comes counts", async () => {
  const history = new History(100);
  history.hello(hello(10, [message(9), message(10)]));
  const edited = message(8, 11, { text: "new" });
  await history.older(50, () => Promise.resolve([edited]));
  expect(history.change({ type: "change", kind: "edited", message: edited })).toMatchObject({
    kind: "edited",
  });
  expect(history.cursor).toBe(11);
  expect(history.messages).toEqual([edited, message(9), message(10)]);
});

test("a page that arrives after everything was replaced is left out", async () => {
  const history = new History(100);
  history.hello(hello(10, [message(9), message(10)]));
  const { promise, resolve } = Promise.withResolvers<MessageBody[]>();
  const older = history.older(50, () => promise);
  history.hello(hello(3, [message(3)]));
  resolve([message(2), message(8)]);
  expect(await older).toEqual([]);
  expect(history.messages).toEqual([message(3)]);
});

test("with as many messages as are kept, older ones are not even asked for", async () => {
  const history = new History(2);
  history.hello(hello(10, [message(8), message(9), message(10)]));
  expect(history.messages).toEqual([message(9), message(10)]);
  expect(await history.older(50, () => Promise.reject(new Error("asked")))).toEqual([]);
});

test("the array of messages is the same until one of them changes", () => {
  const history = new History(10);
  history.hello(hello(10, [message(9), message(10)]));
  const { messages } = history;
  history.change({ type: "change", kind: "edited", message: message(3, 11) });
  expect(history.messages).toBe(messages);
  history.change({ type: "change", kind: "edited", message: message(9, 12) });
  expect(history.messages).not.toBe(messages);
  expect(messages).toEqual([message(9), message(10)]);
});

test("a message that was missed twice is new once", () => {
  const history = new History(10);
  history.hello(hello(1, [message(1)]));
  // The second was edited while the client caught up, the first missed one before.
  const missed = [
    history.hello(hello(3, [message(3)], { resumed: true })),
    history.changes({ rev: 5, messages: [message(3, 5, { edited_at: "now" })] }),
    history.changes({ rev: 6, messages: [message(2, 6, { edited_at: "now" })] }),
  ].flat() as Change[];
  expect(missed.map(({ kind, message: { seq } }) => [kind, seq])).toEqual([
    ["created", 3],
    ["edited", 3],
    ["created", 2],
  ]);
  expect(missed.map(({ position }) => [position.seq, position.rev])).toEqual([
    [1, 1],
    [1, 1],
    [3, 6],
  ]);
});

test("what was told stays told, however few messages are kept", () => {
  const history = new History(3, { seq: 0, rev: 0, created_at: born });
  const later = [2, 3, 4, 5, 6].map((seq) => message(seq));
  const missed = [
    history.hello(hello(6, later, { resumed: true })),
    history.changes({ rev: 8, messages: [message(1, 7), message(2, 8)] }),
  ].flat() as Change[];
  const created = missed.filter(({ kind }) => kind === "created").map((change) => change.message.seq);
  expect(created).toEqual([2, 3, 4, 5, 6, 1]);
  expect(history.position).toMatchObject({ seq: 6, rev: 8 });
});

test("a frame brings the cursor to its rev, whatever is in it", () => {
  const history = new History(10);
  history.hello(hello(1, [message(1)]));
  history.changes({ rev: 4, messages: [] });
  expect(history.cursor).toBe(4);
  history.changes({ rev: 2, messages: [] });
  expect(history.cursor).toBe(4);
});

test("no more messages than are kept wait for one that is still to come", () => {
  const history = new History(2);
  history.hello(hello(1, [message(1)]));
  history.hello(hello(5, [message(3), message(4), message(5)], { resumed: true }));
  expect(history.messages).toEqual([message(4), message(5)]);
  const late = { rev: 7, messages: [message(6), message(2, 7)] };
  expect(history.changes(late)).toMatchObject([{ kind: "created" }, { kind: "created" }]);
  expect(history.messages).toEqual([message(5), message(6)]);
});

describe("a room that goes on where this one was not", () => {
  test("is another one when it was created at another time", () => {
    const history = new History(10);
    history.hello(hello(10, [message(10)]));
    const another = hello(12, [message(11)], { resumed: true });
    another.room.created_at = "2026-06-06T00:00:00.000Z";
    expect(history.hello(another)).toBe("foreign");
    expect(history.cursor).toBeUndefined();
    expect(history.messages).toEqual([]);
  });

  test("is one restored from a backup when its rev is lower: all is dropped", () => {
    const history = new History(10);
    history.hello(hello(10, [message(9), message(10)]));
    expect(history.hello(hello(4, [message(4)]))).toBe("reset");
    expect(history.messages).toEqual([message(4)]);
    expect(history.cursor).toBe(4);
  });
});

const kinds = (changes: unknown) => (changes as Change[]).map(({ kind, message: { seq } }) => [kind, seq]);

describe("of what was missed", () => {
  test("only what is newer than the position is new", () => {
    const history = new History(10, { seq: 3, rev: 5, created_at: born });
    const missed = [message(2, 6, { edited_at: "now" }), message(3, 7), message(4, 8)];
    expect(kinds(history.hello(hello(8, missed, { resumed: true })))).toEqual([
      ["edited", 2],
      ["reacted", 3],
      ["created", 4],
    ]);
  });

  test("a message that was edited before is not told as edited again when it was reacted to", () => {
    const history = new History(10);
    const edited = message(1, 2, { edited_at: "then" });
    history.hello(hello(2, [edited]));
    const missed = [{ ...edited, rev: 3 }];
    expect(kinds(history.hello(hello(3, missed, { resumed: true })))).toEqual([["reacted", 1]]);
  });

  test("nothing is taken of a room that goes on from before", () => {
    const history = new History(10);
    history.hello(hello(10, [message(10)]));
    expect(history.hello(hello(9, [], { resumed: true }))).toBe("foreign");
    expect(history.cursor).toBeUndefined();
  });
});
