import { expect, test } from "bun:test";

import * as fc from "fast-check";

import type { MessageBody } from "../../src/protocol/frames.ts";
import { callApi } from "../support/api.ts";
import { type CommandInput, connectV2, type V2Client } from "../support/client.ts";
import { useServer } from "../support/server.ts";

// Everyone in a room sees one sequence of changes without a gap: `connectV2` rejects when a `rev` is not the next one.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const people = ["ann", "ben", "cat"].map((name) => `${name}@example.com`);
const emoji = ["👍", "🎉", "❤️"];

const open = async (room: string, email = people[0] ?? "", after?: V2Client) =>
  connectV2(server.host, room, { token: await token(email), ...(after && { after }) });

/** Every message of a room, as the HTTP API shows it. */
async function stored(room: string): Promise<MessageBody[]> {
  const all: MessageBody[] = [];
  for (;;) {
    const path = `/api/rooms/${room}/messages?after=${all.length}&limit=100`;
    const { body } = await callApi(server, `GET ${path}`, { token: await token(people[0] ?? "") });
    const page = body["messages"] as MessageBody[];
    all.push(...page);
    if (page.length < 100) return all;
  }
}

const seq = fc.integer({ min: 1, max: 12 });
const wanted: fc.Arbitrary<CommandInput> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("send" as const), text: fc.constantFrom("one", "two") }),
  },
  fc.record({ type: fc.constant("send" as const), text: fc.constant("re"), reply_to: seq }),
  fc.record({
    type: fc.constant("send" as const),
    text: fc.constant("id"),
    client_id: fc.constantFrom("a", "b"),
  }),
  fc.record({ type: fc.constant("edit" as const), seq, text: fc.constantFrom("uno", "due") }),
  fc.record({ type: fc.constant("delete" as const), seq }),
  fc.record({ type: fc.constant("react" as const), seq, emoji: fc.constantFrom(...emoji), on: fc.boolean() }),
  fc.record({ type: fc.constant("read" as const), seq }),
);

test("whatever many do at once, all copies of the room become the same, and the one on disk is that, too", async () => {
  const script = fc.array(fc.record({ who: fc.nat({ max: 4 }), wanted, pause: fc.boolean() }), {
    minLength: 20,
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(script, async (steps) => {
      const room = await createRoom([...people]);
      // The first has two tabs, and there is one who only listens.
      const writers = await Promise.all([0, 0, 1, 2, 2].map((index) => open(room, people[index])));
      const listener = await open(room, people[1]);
      const answers = [];
      const late: Promise<V2Client>[] = [];
      for (const [index, { who, wanted: command, pause }] of steps.entries()) {
        const writer = writers[who];
        if (writer) answers.push(writer.command(command));
        if (index % 20 === 10) late.push(open(room, people[1]));
        if (pause) await new Promise((resolve) => setImmediate(resolve));
      }
      const done = (await Promise.all(answers)).filter((answer) => answer.type === "ack");
      const last = Math.max(0, ...done.map(({ rev }) => rev));
      const clients = [...writers, listener, ...(await Promise.all(late))];
      await Promise.all(clients.map((client) => client.reach(last)));
      const truth = await stored(room);
      for (const client of clients) {
        expect(client.cursor).toBe(last);
        expect(client.known()).toEqual(truth);
      }
      expect(truth.map((message) => message.seq)).toEqual(truth.map((_, index) => index + 1));
      // Each change was told once, to each.
      const changes = listener.unread("change").flatMap((frame) => (frame.type === "change" ? [frame] : []));
      expect(changes.map(({ message }) => message.rev)).toEqual(
        Array.from({ length: last }, (_, rev) => rev + 1),
      );
      await Promise.all(clients.map((client) => client.close()));
    }),
    { numRuns: 15 },
  );
}, 60_000);

test("a flood of many writers is one sequence without a gap, and each one's own commands keep their order", async () => {
  const room = await createRoom([...people]);
  const writers = await Promise.all([...people, ...people].map((email) => open(room, email)));
  const each = 150;
  const acks = await Promise.all(
    writers.map((writer, w) => Promise.all(Array.from({ length: each }, (_, n) => writer.say(`${w} ${n}`)))),
  );
  const total = writers.length * each;
  await Promise.all(writers.map((writer) => writer.reach(total)));
  expect(new Set(acks.flat().map(({ seq: at }) => at)).size).toBe(total);
  for (const own of acks)
    expect(own.map(({ seq: at }) => at)).toEqual(own.map(({ seq: at }) => at).toSorted((a, b) => a - b));
  for (const [w, own] of acks.entries())
    for (const [n, { seq: at }] of own.entries())
      expect(writers[0]?.messages.get(at)?.text).toBe(`${w} ${n}`);
  const [first, ...others] = writers.map((writer) => writer.known());
  for (const other of others) expect(other).toEqual(first ?? []);
});

test("a change is told to its maker before its ack", async () => {
  const room = await createRoom([...people]);
  const client = await open(room);
  await Promise.all(Array.from({ length: 50 }, (_, n) => client.say(`message ${n}`)));
  const seen = new Set<number>();
  for (const text of client.texts) {
    const frame = JSON.parse(text) as { type: string; rev?: number; message?: MessageBody };
    if (frame.type === "change" && frame.message) seen.add(frame.message.rev);
    if (frame.type === "ack") expect(seen).toContain(frame.rev ?? 0);
  }
  expect(seen.size).toBe(50);
});

test("whoever connects while others write misses nothing between his hello and the live changes", async () => {
  const room = await createRoom([...people]);
  const writer = await open(room);
  const enough = new AbortController();
  const flood = (async () => {
    for (let n = 0; !enough.signal.aborted; n++) {
      await Promise.all([
        writer.say(`message ${n}`),
        writer.command({ type: "react", seq: 1, emoji: "👍", on: n % 2 === 0 }),
      ]);
    }
  })();
  const comers: V2Client[] = [];
  for (let n = 0; n < 30; n++) {
    const comer = await open(room, people[1]);
    expect(comer.hello.messages.map(({ rev }) => rev <= comer.hello.rev)).not.toContain(false);
    comers.push(comer);
  }
  enough.abort();
  await flood;
  const truth = await stored(room);
  const last = Math.max(...truth.map(({ rev }) => rev));
  for (const comer of comers) {
    await comer.reach(last);
    const from = comer.hello.messages[0]?.seq ?? 1;
    // A message older than his first fifty is known to him if it changed, or not at all.
    for (const message of truth)
      if (message.seq >= from || comer.messages.has(message.seq))
        expect(comer.messages.get(message.seq)).toEqual(message);
  }
});

test("whoever goes on where he was has what he would have, had he never left", async () => {
  const room = await createRoom([...people]);
  const [writer, leaver] = [await open(room), await open(room, people[1])];
  for (let n = 0; n < 10; n++) await writer.say(`message ${n}`);
  await leaver.reach(10);
  await leaver.close();
  await writer.ack({ type: "edit", seq: 2, text: "edited" });
  await writer.ack({ type: "react", seq: 2, emoji: "👍", on: true });
  await writer.ack({ type: "delete", seq: 3 });
  await writer.say("new");
  const back = await open(room, people[1], leaver);
  await back.reach(14);
  expect(back.hello.resumed).toBe(true);
  expect(back.hello.messages.map(({ seq: at, rev }) => [at, rev])).toEqual([
    [2, 12],
    [3, 13],
    [11, 14],
  ]);
  expect(back.known()).toEqual(writer.known());
});
