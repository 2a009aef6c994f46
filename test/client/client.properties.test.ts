import { expect, setDefaultTimeout, test } from "bun:test";

import * as fc from "fast-check";

import type { Ack, ConnectOptions, Room, Snapshot } from "../../src/client/index.ts";
import { settle } from "../support/samples.ts";
import { connectChat } from "./support/fake-server.ts";
import { FakeSession, roomIds } from "./support/fake-session.ts";
import { MemoryStorage } from "./support/storage.ts";
import { weighted } from "./support/weighted.ts";

/** Hundreds of runs take seconds on a busy machine. */
setDefaultTimeout(120_000);
/** Less than the test's timeout, so that a run that hangs and a counterexample that is shrunk for long report their seed. */
const TIME_LIMIT_MS = 90_000;

const room = fc.nat(roomIds.length - 1);
const anyStep = fc.oneof(
  weighted(
    5,
    fc.record({ action: fc.constantFrom("send", "edit", "remove", "react", "read"), room, n: fc.nat(99) }),
  ),
  weighted(2, fc.record({ action: fc.constantFrom("open", "close"), room, n: fc.nat(2) })),
  // What other users do, and this user on another device.
  weighted(
    5,
    fc.record({
      action: fc.constantFrom("created", "created", "edited", "deleted", "reacted", "read elsewhere"),
      room,
      n: fc.nat(99),
    }),
  ),
  weighted(1, fc.record({ action: fc.constantFrom("removed", "added"), room, n: fc.nat(9) })),
  weighted(16, fc.record({ action: fc.constantFrom("execute", "deliver", "deliver"), room, n: fc.nat(9) })),
  weighted(1, fc.record({ action: fc.constantFrom("reload"), room, n: fc.nat(1) })),
  weighted(
    4,
    fc.record({
      action: fc.constantFrom("disconnect", "lose change", "continue", "wait"),
      room,
      n: fc.nat(3),
    }),
  ),
);
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

const scenario = fc.record({
  keep: fc.constantFrom(1, 5, 10_000),
  pageSize: fc.constantFrom(1, 3, 1_000),
  listSize: fc.constantFrom(1, 2, 100),
  steps: fc.array(anyStep, { maxLength: 90, size: "max" }),
});

/** A client and its server, with what the client has done. */
class Run {
  /** The rooms that the client holds open, by id. */
  readonly open = new Map<string, Room>();
  readonly sent: { id: string; ack: Promise<Ack> }[] = [];
  readonly changes: Promise<Ack>[] = [];
  /** Whether every command has been acknowledged or has failed. */
  isSettled = false;

  client: Awaited<ReturnType<typeof connectChat>>;

  private constructor(
    client: Run["client"],
    readonly server: FakeSession,
    private readonly options: Partial<ConnectOptions> & { storage: MemoryStorage },
  ) {
    this.client = client;
    server.sockets = client.sockets;
  }

  static async start(server: FakeSession, keep: number): Promise<Run> {
    const options = { keep, storage: new MemoryStorage(), fetch: async (url: string) => server.fetch(url) };
    return new Run(await connectChat(options), server, options);
  }

  /** The page is closed, and opened again with what it knew. */
  async reload(): Promise<void> {
    const { chat, clock } = this.client;
    const snapshot = JSON.parse(JSON.stringify(chat.snapshot() ?? null)) as Snapshot | null;
    chat.close();
    expect(clock.timers).toEqual([]);
    this.client = await connectChat({ ...this.options, snapshot: snapshot ?? undefined });
    this.server.sockets = this.client.sockets;
    for (const [id, { status }] of this.open)
      if (status === "closed") this.open.set(id, this.client.chat.open(id));
  }

  async step({ action, room: index, n }: Step): Promise<void> {
    const { client, server } = this;
    const id = roomIds[index] ?? "";
    const known = this.open.get(id);
    const truth = server.room(id);
    const seq = 1 + (n % Math.max(1, truth.messages.length));
    server.accept();
    switch (action) {
      case "open":
        if (!known || known.status === "closed") this.open.set(id, client.chat.open(id));
        break;
      case "close":
        known?.close();
        this.open.delete(id);
        if (n === 0) await client.clock.advance(100);
        break;
      case "send":
        if (known) this.sent.push({ id, ack: known.send(`text ${n}`) });
        break;
      case "edit":
        if (known) this.changes.push(known.edit(seq, "edited"));
        break;
      case "remove":
        if (known) this.changes.push(known.remove(seq));
        break;
      case "react":
        if (known) this.changes.push(known.react(seq, "+"));
        break;
      case "read":
        if (known) this.changes.push(known.read());
        break;
      case "read elsewhere":
        server.read(id, seq);
        break;
      case "removed":
        server.removeUser(id);
        break;
      case "added":
        server.addUser(id);
        break;
      case "execute":
        server.execute();
        break;
      case "deliver":
        server.deliver(n === 0 ? 2 : 1);
        break;
      case "reload":
        await this.reload();
        break;
      case "disconnect":
        client.socket.disconnect();
        break;
      case "lose change":
        server.loseChange();
        break;
      case "continue":
        server.continue();
        break;
      case "wait":
        await client.clock.advance(10 ** (n + 1));
        break;
      case "created":
      case "edited":
      case "deleted":
      case "reacted":
        server.change(id, action, n);
        break;
    }
    await settle();
  }

  /** Lets the client and the server go on until both have everything, or for 3,000 turns. */
  async drain(): Promise<void> {
    const { client, server } = this;
    const acks = this.sent.map(({ ack }) => ack);
    void Promise.allSettled([...acks, ...this.changes]).then(() => (this.isSettled = true));
    // Reveals a live change that was lost.
    for (const id of roomIds) server.change(id, "created");
    for (let turn = 0; turn < 3_000; turn++) {
      server.accept();
      server.execute();
      server.continue();
      server.deliver();
      if (turn % 50 === 49) await client.clock.advance(1_000);
      else await settle();
      if (this.isSettled && this.#isStorageEmpty && server.isDelivered && this.#isInSync) break;
    }
  }

  /** Whether no command waits, not even one from before a reload. */
  get #isStorageEmpty(): boolean {
    return this.options.storage.keys.length === 0;
  }

  get #isInSync(): boolean {
    return [...this.open].every(
      ([id, each]) =>
        each.status === "closed" ||
        (each.position?.rev === this.server.room(id).rev &&
          each.pending.every(({ status }) => status === "failed")),
    );
  }
}

test("whatever the network does, each message is stored once, and the client ends up as the server, in every room", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ keep, pageSize, listSize, steps }) => {
      const server = new FakeSession(pageSize, listSize);
      const run = await Run.start(server, keep);
      server.accept();
      for (const id of roomIds.slice(0, 2)) run.open.set(id, run.client.chat.open(id));
      for (const step of steps) {
        await run.step(step);
        for (const each of run.open.values()) {
          // No message is both pending and among the messages.
          const pending = new Set(each.pending.map(({ client_id }) => client_id));
          expect(each.messages.filter(({ client_id }) => pending.has(client_id ?? ""))).toEqual([]);
          expect(each.messages.length).toBeLessThanOrEqual(keep);
        }
      }
      await run.drain();
      const { client } = run;
      const { chat, clock } = client;

      for (const [id, each] of run.open) {
        if (!server.isMember(id)) {
          expect(each.status).toBe("closed");
          continue;
        }
        if (each.status === "closed") continue;
        const { messages, rev } = server.room(id);
        expect(each.position?.rev).toBe(rev);
        expect(each.messages).toEqual(messages.slice(messages.length - each.messages.length));
        if (keep > 1) expect(each.messages.length).toBeGreaterThanOrEqual(Math.min(messages.length, 5));
        expect(each.pending.filter(({ status }) => status !== "failed")).toEqual([]);
      }
      // What was lost of a room before it was closed is told on the next connection.
      if (server.hasLost) {
        client.socket.disconnect();
        await clock.advance(30_000);
        await run.drain();
      }
      // The list of rooms is the server's, with exact counts.
      expect(chat.rooms).toEqual(server.summaries);
      expect(run.isSettled).toBe(true);
      const stored = run.sent.map(({ id, ack }) =>
        ack.then(
          ({ seq }) => [`${id} ${seq}`],
          () => [],
        ),
      );
      const acked = (await Promise.all(stored)).flat();
      // Each ack is of a message of its own.
      expect(acked).toEqual([...new Set(acked)]);
      server.expectStoredOnce();
      chat.close();
      expect(clock.timers).toEqual([]);
    }),
    { numRuns: 400, interruptAfterTimeLimit: TIME_LIMIT_MS, markInterruptAsFailure: true },
  );
});
