import { expect, setDefaultTimeout, test } from "bun:test";

import * as fc from "fast-check";

import type { Ack } from "../../src/client/index.ts";
import { settle } from "../support/samples.ts";
import { FakeRoom } from "./support/fake-room.ts";
import { connectToFake, type FakeSocket, type Harness, me } from "./support/fake-server.ts";
import { weighted } from "./support/weighted.ts";

/** A thousand runs take seconds on a busy machine. */
setDefaultTimeout(60_000);

/** A server that answers the client's commands one by one, over a network that the test controls. */
class Server {
  readonly room: FakeRoom;
  /** The ack for each `client_id`. */
  readonly acks = new Map<string, Ack>();
  #socket: FakeSocket | undefined;
  /** Number of commands from the socket that have been executed. */
  #executed = 0;

  constructor(
    private readonly client: Harness,
    pageSize: number,
  ) {
    this.room = new FakeRoom(pageSize);
  }

  /** Accepts the client's newest connection, and returns its socket while it is open. */
  accept(): FakeSocket | undefined {
    const newest = this.client.sockets.at(-1);
    if (newest && newest !== this.#socket && !newest.closed) {
      this.#socket = newest;
      this.#executed = 0;
      const since = /since=(\d+)/.exec(newest.url)?.[1];
      this.room.connect(since === undefined ? undefined : Number(since));
    }
    return this.#socket?.closed ? undefined : this.#socket;
  }

  /** Executes the next command. */
  execute(): void {
    const command = this.accept()?.sent[this.#executed];
    if (!command) return;
    this.#executed++;
    const { room } = this;
    const sendAck = (ack: Ack) => void room.frames.push({ type: "ack", id: command.id ?? "", ...ack });
    if (command.type === "send") {
      const clientId = command.client_id ?? "";
      const known = this.acks.get(clientId);
      if (known) return sendAck(known);
      room.change("created");
      const stored = room.messages.at(-1);
      if (!stored) return;
      Object.assign(stored, { sender: me, text: command.text, client_id: clientId });
      const ack = { seq: stored.seq, rev: stored.rev };
      this.acks.set(clientId, ack);
      sendAck(ack);
    } else if (command.type === "edit" || command.type === "delete" || command.type === "react") {
      const kind = ({ edit: "edited", delete: "deleted", react: "reacted" } as const)[command.type];
      room.change(kind, command.seq - 1);
      sendAck({ seq: command.seq, rev: room.rev });
    } else sendAck({ seq: 0, rev: room.rev });
  }

  /** Delivers the next frame, if there is one. */
  deliver(times = 1): void {
    const socket = this.accept();
    const [frame] = this.room.frames;
    if (!socket || !frame) return;
    this.room.frames.shift();
    for (let n = 0; n < times; n++) socket.receive(frame);
  }
}

const anyStep = fc.oneof(
  weighted(4, fc.record({ action: fc.constantFrom("send", "edit", "remove", "react"), n: fc.nat(99) })),
  // Changes by other clients.
  weighted(
    4,
    fc.record({ action: fc.constantFrom("created", "edited", "deleted", "reacted"), n: fc.nat(99) }),
  ),
  weighted(14, fc.record({ action: fc.constantFrom("execute", "deliver", "deliver"), n: fc.nat(9) })),
  weighted(
    3,
    fc.record({
      action: fc.constantFrom("disconnect", "lose change", "continue resume", "wait"),
      n: fc.nat(3),
    }),
  ),
);
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

const scenario = fc.record({
  keep: fc.constantFrom(1, 5, 10_000),
  pageSize: fc.constantFrom(1, 3, 1_000),
  steps: fc.array(anyStep, { maxLength: 80 }),
});

/** Runs a step. If it sends a message, adds the promise for its ack to `sent`. */
async function runStep({ action, n }: Step, client: Harness, server: Server, sent: Promise<Ack>[]) {
  const { room } = client;
  const seq = 1 + (n % Math.max(1, server.room.messages.length));
  server.accept();
  switch (action) {
    case "send":
      sent.push(room.send(`text ${n}`));
      break;
    case "edit":
      void room.edit(seq, "edited");
      break;
    case "remove":
      void room.remove(seq);
      break;
    case "react":
      void room.react(seq, "+");
      break;
    case "execute":
      server.execute();
      break;
    case "deliver":
      server.deliver(n === 0 ? 2 : 1);
      break;
    case "disconnect":
      client.socket.disconnect();
      break;
    case "lose change":
      server.room.loseChange();
      break;
    case "continue resume":
      server.room.continueResume();
      break;
    case "wait":
      await client.clock.advance(10 ** (n + 1));
      break;
    case "created":
    case "edited":
    case "deleted":
    case "reacted":
      server.room.change(action, n);
      break;
  }
}

/** Lets the client and the server go on until both have everything, or for 2,000 turns. */
async function drain({ room, clock }: Harness, server: Server, acks: Promise<unknown>): Promise<void> {
  let isAcked = false;
  void acks.then(() => (isAcked = true));
  // Reveals a live change that was lost.
  server.room.change("created");
  for (let turn = 0; turn < 2_000; turn++) {
    server.accept();
    server.execute();
    server.room.continueResume();
    server.deliver();
    if (turn % 50 === 49) await clock.advance(1_000);
    else await settle();
    const isInSync = server.room.isDelivered && room.position?.rev === server.room.rev;
    if (isAcked && isInSync && room.pending.length === 0) break;
  }
}

test("whatever the network does, messages are stored once, in order, and the client ends up as the server", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ keep, pageSize, steps }) => {
      const client = await connectToFake({ keep });
      const { room, clock } = client;
      const server = new Server(client, pageSize);
      const timesCreated = new Map<number, number>();
      room.on("change", ({ kind, message: { seq } }) => {
        if (kind === "created") timesCreated.set(seq, (timesCreated.get(seq) ?? 0) + 1);
      });
      server.accept();
      server.deliver();
      const sent: Promise<Ack>[] = [];
      for (const step of steps) {
        await runStep(step, client, server, sent);
        await settle();
        // No message is both pending and among the messages.
        const pendingIds = new Set(room.pending.map(({ clientId }) => clientId));
        expect(room.messages.filter(({ client_id }) => pendingIds.has(client_id ?? ""))).toEqual([]);
        expect(room.messages.length).toBeLessThanOrEqual(keep);
      }
      await drain(client, server, Promise.all(sent));

      const { messages, rev } = server.room;
      expect(room.pending).toEqual([]);
      expect(room.position?.rev).toBe(rev);
      // The room was empty when the client connected, so that its window has all messages up to `keep`.
      if (keep === 10_000) expect(room.messages).toEqual(messages);
      else expect(room.messages).toEqual(messages.slice(-room.messages.length));
      // Messages that were deleted while the client was away are reported as deleted only.
      const unreported = messages.filter(
        ({ seq, deleted_at }) => deleted_at === undefined && !timesCreated.has(seq),
      );
      expect(unreported).toEqual([]);
      expect([...timesCreated.values()].filter((times) => times !== 1)).toEqual([]);
      const own = messages.filter(({ sender }) => sender.id === me.id);
      expect(own.map(({ seq }) => seq)).toEqual((await Promise.all(sent)).map(({ seq }) => seq));
      expect(own.map(({ client_id }) => client_id)).toEqual([...server.acks.keys()]);
      room.close();
      expect(clock.timers).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
});
