import { expect, test } from "bun:test";

import * as fc from "fast-check";

import type { MessageBody } from "../../src/protocol/frames.ts";
import type { CommandInput, V2Client } from "../support/client.ts";
import { storedMessages } from "../support/messages.ts";
import { unlimited, useServer } from "../support/server.ts";

// Everyone in a room gets one sequence of changes without gaps: `V2Client` rejects everything after a `rev` that is not the next.

const server = useServer({ env: unlimited });

const [ann, ben, cat] = ["ann", "ben", "cat"].map((name) => `${name}@example.com`) as [
  string,
  string,
  string,
];
const everyone = [ann, ben, cat];

const seq = fc.integer({ min: 1, max: 12 });
const send = { type: fc.constant("send" as const) };
const command: fc.Arbitrary<CommandInput> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ ...send, text: fc.constantFrom("one", "two") }) },
  fc.record({ ...send, text: fc.constant("re"), reply_to: seq }),
  fc.record({ ...send, text: fc.constant("id"), client_id: fc.constantFrom("a", "b") }),
  fc.record({ type: fc.constant("edit" as const), seq, text: fc.constantFrom("uno", "due") }),
  fc.record({ type: fc.constant("delete" as const), seq }),
  fc.record({
    type: fc.constant("react" as const),
    seq,
    emoji: fc.constantFrom("👍", "🎉", "❤️"),
    on: fc.boolean(),
  }),
  fc.record({ type: fc.constant("read" as const), seq }),
);

test("whatever many users do at once, all copies of the room end up the same as the stored one", async () => {
  const script = fc.array(fc.record({ writer: fc.nat({ max: 4 }), command, pause: fc.boolean() }), {
    minLength: 20,
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(script, async (steps) => {
      const room = await server.createRoom(everyone);
      const writers = await Promise.all(
        [ann, ann, ben, cat, cat].map((email) => server.connectV2(room, email)),
      );
      const listener = await server.connectV2(room, ben);
      const answers: ReturnType<V2Client["command"]>[] = [];
      const late: Promise<V2Client>[] = [];
      for (const [index, step] of steps.entries()) {
        const writer = writers[step.writer];
        if (writer) answers.push(writer.command(step.command));
        if (index % 20 === 10) late.push(server.connectV2(room, ben));
        if (step.pause) await new Promise((resolve) => setImmediate(resolve));
      }
      const acks = (await Promise.all(answers)).filter((answer) => answer.type === "ack");
      const last = Math.max(0, ...acks.map(({ rev }) => rev));
      const clients = [...writers, listener, ...(await Promise.all(late))];
      await Promise.all(clients.map((client) => client.reach(last)));
      const stored = await storedMessages(server, room);
      for (const client of clients) {
        expect(client.cursor).toBe(last);
        expect(client.known()).toEqual(stored);
      }
      expect(stored.map((message) => message.seq)).toEqual(stored.map((_, index) => index + 1));
      // Each change came once, as itself.
      const changes = listener.unread("change").flatMap((frame) => (frame.type === "change" ? [frame] : []));
      expect(changes.map(({ message }) => message.rev)).toEqual(
        Array.from({ length: last }, (_, rev) => rev + 1),
      );
      await Promise.all(clients.map((client) => client.close()));
    }),
    { numRuns: 15 },
  );
}, 60_000);

test("a flood of many writers is one sequence, in which each writer's messages keep their order", async () => {
  const room = await server.createRoom(everyone);
  const writers = await Promise.all([...everyone, ...everyone].map((email) => server.connectV2(room, email)));
  const count = 150;
  const acks = await Promise.all(
    writers.map((writer, w) => Promise.all(Array.from({ length: count }, (_, n) => writer.say(`${w} ${n}`)))),
  );
  const total = writers.length * count;
  await Promise.all(writers.map((writer) => writer.reach(total)));
  const [first, ...others] = writers.map((writer) => writer.known());
  for (const other of others) expect(other).toEqual(first ?? []);
  expect(new Set(acks.flat().map((ack) => ack.seq)).size).toBe(total);
  for (const [w, own] of acks.entries()) {
    const seqs = own.map((ack) => ack.seq);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    const texts = seqs.map((each) => writers[0]?.messages.get(each)?.text);
    expect(texts).toEqual(seqs.map((_, n) => `${w} ${n}`));
  }
});

test("the sender gets a change before its ack", async () => {
  const client = await server.connectV2(await server.createRoom([ann]), ann);
  await Promise.all(Array.from({ length: 50 }, (_, n) => client.say(`message ${n}`)));
  const seen = new Set<number>();
  for (const text of client.texts) {
    const frame = JSON.parse(text) as { type: string; rev?: number; message?: MessageBody };
    if (frame.type === "change" && frame.message) seen.add(frame.message.rev);
    if (frame.type === "ack") expect(seen).toContain(frame.rev ?? 0);
  }
  expect(seen.size).toBe(50);
});

test("connecting while others write misses nothing between the hello and the live changes", async () => {
  const room = await server.createRoom(everyone);
  const writer = await server.connectV2(room, ann);
  const end = new AbortController();
  const writing = (async () => {
    for (let n = 0; !end.signal.aborted; n++) {
      await Promise.all([
        writer.say(`message ${n}`),
        writer.command({ type: "react", seq: 1, emoji: "👍", on: n % 2 === 0 }),
      ]);
    }
  })();
  const clients: V2Client[] = [];
  while (clients.length < 30) {
    const client = await server.connectV2(room, ben);
    for (const { rev } of client.hello.messages) expect(rev).toBeLessThanOrEqual(client.hello.rev);
    clients.push(client);
  }
  end.abort();
  await writing;
  const stored = await storedMessages(server, room);
  const last = Math.max(...stored.map(({ rev }) => rev));
  for (const client of clients) {
    await client.reach(last);
    const oldest = client.hello.messages[0]?.seq ?? 1;
    // A message before the first frame is known only if it has changed since.
    const expected = stored.filter((message) => message.seq >= oldest || client.messages.has(message.seq));
    expect(client.known()).toEqual(expected);
  }
});
