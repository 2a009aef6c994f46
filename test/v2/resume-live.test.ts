import { expect, test } from "bun:test";

import { type CommandInput, connectV2, type V2Client, type V2Options } from "../support/client.ts";
import { fillRoom, replay, storedMessages } from "../support/messages.ts";
import { Random } from "../support/random.ts";
import { useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

// Resumes of a room in which others write all the while.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

const open = async (room: string, email: string, options: V2Options = {}) =>
  connectV2(server.host, room, { token: await token(email), ...options });

/** What one of the members may do next. */
function something(random: () => number, length: number): CommandInput {
  // The last few most of all: they are what a resume has just sent, or is about to.
  const back = random() < 0.5 ? random() * 10 : random() * length;
  const seq = Math.max(1, Math.floor(length - back));
  const choice = random();
  if (choice < 0.5) return { type: "send", text: `text ${length}` };
  if (choice < 0.7) return { type: "edit", seq, text: `edit ${random()}` };
  if (choice < 0.95) return { type: "react", seq, emoji: random() < 0.5 ? "👍" : "🎉", on: random() < 0.7 };
  return { type: "delete", seq };
}

/** Members who write until they are told to stop. Resolves with the `rev` of the last change. */
function writing(writers: readonly V2Client[], random: () => number) {
  const end = new AbortController();
  let done = 0;
  let last = 0;
  const write = async (writer: V2Client) => {
    while (!end.signal.aborted) {
      // What belongs to somebody else, or is gone, is refused: that is no change, and no harm.
      const answer = await writer.command(something(random, Math.max(...writer.messages.keys())));
      if (answer.type === "ack") last = Math.max(last, answer.rev);
      done++;
    }
  };
  const all = Promise.all(writers.map(write));
  return {
    get done() {
      return done;
    },
    async stop() {
      end.abort();
      await all;
      return last;
    },
  };
}

test.each([1, 2, 3])(
  "whoever resumes while others write has in the end what the server has, nothing twice (seed %d)",
  async (seed) => {
    const random = new Random(seed, "test").next;
    const room = await createRoom([alice, bob]);
    fillRoom(server, room, 20_000);
    const writers = [await open(room, alice), await open(room, bob), await open(room, alice)];
    const others = writing(writers, random);
    const resumed: { client: V2Client; since: number }[] = [];
    const come = async (): Promise<void> => {
      const [writer] = writers;
      // From far behind, or nearly level.
      const since = Math.floor(random() < 0.7 ? random() * 20_000 : (writer?.cursor ?? 0) - random() * 20);
      resumed.push({ client: await open(room, alice, { since }), since });
    };
    for (let round = 0; round < 10; round++) {
      await Promise.all([come(), come(), come()]);
      const before = others.done;
      await waitUntil("somebody wrote", () => others.done > before + 10);
    }
    const last = await others.stop();
    expect(last).toBeGreaterThan(20_050);
    await Promise.all(
      [...writers, ...resumed.map(({ client }) => client)].map((client) => client.reach(last)),
    );
    const all = await storedMessages(server, room);
    for (const { client, since } of resumed) {
      replay(client, since);
      expect(client.cursor).toBe(last);
      expect(client.known()).toEqual(all.filter(({ rev }) => rev > since));
    }
    const live = resumed.filter(({ client }) => client.unread("change").length > 0);
    expect(live.length).toBeGreaterThan(0);
    for (const client of [...writers, ...resumed.map((each) => each.client)]) await client.close();
  },
  30_000,
);

test("whoever is cut off in the middle of a resume goes on from where he was, as often as it takes", async () => {
  const random = new Random(5, "test").next;
  const room = await createRoom([alice, bob]);
  fillRoom(server, room, 30_000);
  const writer = await open(room, bob);
  const going = writing([writer], random);
  let client = await open(room, alice, { since: 0 });
  let attempts = 1;
  let distance = writer.cursor - client.cursor;
  while (distance > 0 && attempts < 100) {
    // Not the first frame alone, and not the same number of them each time.
    await client.reach(Math.min(writer.cursor, client.cursor + 1 + Math.floor(random() * 3000)));
    client.socket.terminate();
    await client.closed;
    const before = client;
    client = await open(room, alice, { after: before });
    expect(client.hello.resumed).toBe(true);
    replay(client, before.cursor);
    distance = writer.cursor - client.cursor;
    attempts++;
  }
  expect(attempts).toBeGreaterThan(10);
  const last = await going.stop();
  await client.reach(last);
  expect(client.known()).toEqual(await storedMessages(server, room));
}, 30_000);

test("whoever is still being sent what he missed may do what he likes, and is answered at once", async () => {
  const room = await createRoom([alice, bob]);
  const length = 100_000;
  fillRoom(server, room, length);
  const other = await open(room, bob);
  const client = await open(room, alice, { since: 0 });
  const sent = await client.ack({ type: "send", text: "I am not here yet", client_id: "c-1" });
  await client.ack({ type: "react", seq: 1, emoji: "👍", on: true });
  await client.ack({ type: "read", seq: length });
  const edited = await client.ack({ type: "edit", seq: sent.seq, text: "I am on my way" });
  const refused = await client.error({ type: "edit", seq: length + 2, text: "of nothing" });
  expect(refused.code).toBe("message_not_found");
  // All of that came before the rest of the room did.
  expect(client.cursor).toBeLessThan(length);
  expect(await other.next("change")).toMatchObject({
    kind: "created",
    message: { text: "I am not here yet" },
  });
  await client.reach(edited.rev);
  const seen = replay(client, 0);
  expect(seen.get(sent.seq)?.length).toBe(1);
  expect(client.messages.get(sent.seq)?.text).toBe("I am on my way");
  expect(client.known()).toEqual(await storedMessages(server, room));
  // And from here on it is live.
  await other.say("welcome");
  expect(await client.next("change")).toMatchObject({ message: { rev: edited.rev + 1, text: "welcome" } });
}, 30_000);

test("what somebody else writes into the database is missed by nobody, resumed or live", async () => {
  const room = await createRoom([alice, bob]);
  fillRoom(server, room, 5000);
  const [live, resumed] = [await open(room, alice), await open(room, bob, { since: 0 })];
  fillRoom(server, room, 3000);
  const { rev } = await live.say("behind it");
  expect(rev).toBe(8001);
  await Promise.all([live.reach(rev), resumed.reach(rev)]);
  replay(resumed, 0);
  const all = await storedMessages(server, room);
  expect(resumed.known()).toEqual(all);
  expect(live.known()).toEqual(all.slice(-3051));
}, 20_000);
