import { expect, test } from "bun:test";

import * as fc from "fast-check";

import type { Ack } from "../../src/client/index.ts";
import { settle } from "../support/people.ts";
import { ModelRoom } from "./support/fake-room.ts";
import { me, type TestSocket, type World, world } from "./support/fake-server.ts";

// The whole client, outbox and all, against a model of the server over a network that the test plays.

/** The server's end: does what the client asks for, one command after the other, and remembers each `client_id`. */
class Server {
  readonly room: ModelRoom;
  readonly stored = new Map<string, Ack>();
  #socket: TestSocket | undefined;
  #taken = 0;

  constructor(
    private readonly client: World,
    page: number,
  ) {
    this.room = new ModelRoom(page);
  }

  /** Meets the client's newest connection, if it is another one. */
  meet(): TestSocket | undefined {
    const newest = this.client.sockets.at(-1);
    if (newest && newest !== this.#socket && !newest.closed) {
      this.#socket = newest;
      this.#taken = 0;
      const since = /since=(\d+)/.exec(newest.url)?.[1];
      this.room.connect(since === undefined ? undefined : Number(since));
    }
    return this.#socket?.closed ? undefined : this.#socket;
  }

  /** Does the next thing that it was asked for. */
  take(): void {
    const command = this.meet()?.sent[this.#taken];
    if (!command) return;
    this.#taken++;
    const { room } = this;
    const answer = (ack: Ack) => void room.frames.push({ type: "ack", id: command.id ?? "", ...ack });
    if (command.type === "send") {
      const known = this.stored.get(command.client_id ?? "");
      if (known) return answer(known);
      room.change("created", 0);
      const made = room.messages.at(-1);
      if (!made) return;
      Object.assign(made, { sender: me, text: command.text, client_id: command.client_id });
      const ack = { seq: made.seq, rev: made.rev };
      this.stored.set(command.client_id ?? "", ack);
      answer(ack);
    } else if (command.type === "edit" || command.type === "delete" || command.type === "react") {
      const kind = ({ edit: "edited", delete: "deleted", react: "reacted" } as const)[command.type];
      room.change(kind, command.seq - 1);
      answer({ seq: command.seq, rev: room.rev });
    } else answer({ seq: 0, rev: room.rev });
  }

  /** The next frame arrives, as often as it is told. */
  deliver(times = 1): void {
    const socket = this.meet();
    const [frame] = this.room.frames;
    if (!socket || !frame) return;
    this.room.frames.shift();
    for (let time = 0; time < times; time++) socket.say(frame);
  }
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom("send", "edit", "remove", "react"), pick: fc.nat(99) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("created", "edited", "deleted", "reacted"),
      pick: fc.nat(99),
    }),
  },
  {
    weight: 14,
    arbitrary: fc.record({ do: fc.constantFrom("take", "deliver", "deliver"), pick: fc.nat(9) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom("cut", "lose", "resume", "wait"), pick: fc.nat(3) }),
  },
);

test("whatever the network does, what was sent is stored once and in order, and the client ends with what the server has", async () => {
  const plan = fc.record({
    keep: fc.constantFrom(1, 5, 10_000),
    page: fc.constantFrom(1, 3, 1_000),
    steps: fc.array(step, { maxLength: 80 }),
  });
  await fc.assert(
    fc.asyncProperty(plan, async ({ keep, page, steps }) => {
      const client = await world({ keep });
      const { room, clock } = client;
      const server = new Server(client, page);
      const told = new Map<number, number>();
      room.on("change", ({ kind, message: { seq } }) => {
        if (kind === "created") told.set(seq, (told.get(seq) ?? 0) + 1);
      });
      const sent: { text: string; ack: Promise<Ack> }[] = [];
      const pick = (n: number) => 1 + (n % Math.max(1, server.room.messages.length));
      server.meet();
      server.deliver();
      for (const { do: what, pick: n } of steps) {
        server.meet();
        if (what === "send") {
          const text = `mine ${sent.length}`;
          sent.push({ text, ack: room.send(text) });
        } else if (what === "edit") void room.edit(pick(n), "edited");
        else if (what === "remove") void room.remove(pick(n));
        else if (what === "react") void room.react(pick(n), "+");
        else if (what === "take") server.take();
        else if (what === "deliver") server.deliver(n === 0 ? 2 : 1);
        else if (what === "cut") client.sockets.at(-1)?.end();
        else if (what === "lose") server.room.lose();
        else if (what === "resume") server.room.resume();
        else if (what === "wait") await clock.pass(10 ** (n + 1));
        else server.room.change(what, n);
        await settle();
        // Nothing is shown twice, or longer than it is wanted.
        const waiting = new Set(room.pending.map(({ clientId }) => clientId));
        expect(room.messages.filter(({ client_id }) => waiting.has(client_id ?? ""))).toEqual([]);
        expect(room.messages.length).toBeLessThanOrEqual(keep);
      }
      const acks = Promise.all(sent.map(({ ack }) => ack));
      let settled = sent.length === 0;
      void acks.then(() => (settled = true));
      // A change that was lost is missed at the next one.
      server.room.change("created", 0);
      for (let turn = 0; turn < 2_000; turn++) {
        server.meet();
        server.take();
        server.room.resume();
        server.deliver();
        if (turn % 50 === 49) await clock.pass(1_000);
        else await settle();
        const level = server.room.level && room.position?.rev === server.room.rev;
        if (settled && level && room.pending.length === 0) break;
      }
      const { messages, rev } = server.room;
      expect(room.pending).toEqual([]);
      expect(room.position?.rev).toBe(rev);
      // It was there from the beginning: all of it is known, as far as it is kept.
      if (keep === 10_000) expect(room.messages).toEqual(messages);
      else expect(room.messages).toEqual(messages.slice(-room.messages.length));
      // What was made and deleted while it was away is told as deleted.
      const there = messages.filter(({ seq, deleted_at }) => deleted_at === undefined && !told.has(seq));
      expect(there).toEqual([]);
      const own = messages.filter(({ sender }) => sender.id === me.id);
      expect(own.map(({ seq }) => seq)).toEqual((await acks).map(({ seq }) => seq));
      expect(own.map(({ client_id }) => client_id)).toEqual([...server.stored.keys()]);
      expect([...told.values()].filter((times) => times !== 1)).toEqual([]);
      room.close();
      expect(clock.due).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
}, 60_000);
