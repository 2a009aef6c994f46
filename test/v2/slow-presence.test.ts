import { test } from "bun:test";

import type { ServerFrame } from "../../src/protocol/frames.ts";
import { connectV2, type V2Client } from "../support/client.ts";
import { Random } from "../support/random.ts";
import { connectRawV2 } from "../support/raw.ts";
import { useServer } from "../support/server.ts";
import { crowd, linux, noteOnline, presence, upTo } from "../support/slow-reader.ts";
import { waitUntil } from "../support/wait.ts";

// Readers who went without notices, and who is there as far as they know.

const server = useServer({
  env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0", PARLEY_MAX_TEXT: "0" },
});
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";
const carol = "carol@example.com";
const dave = "dave@example.com";

const open = async (room: string, email: string) =>
  connectV2(server.host, room, { token: await token(email) });

const names = (known: Iterable<string | null>) => Array.from(known, String).toSorted().join();

/** Who is online, as far as a client was told. */
function online({ texts }: V2Client): string {
  const known = new Set<string | null>();
  for (const text of texts) noteOnline(known, JSON.parse(text) as ServerFrame);
  return names(known);
}

test.if(linux)(
  "a reader who stands still when several come and go at once knows of all of them when he reads on",
  async () => {
    const emails = Array.from({ length: 5 }, (_, index) => `guest-${index}@example.com`);
    const room = await createRoom([alice, bob, carol, dave, ...emails]);
    const [writer, ...leavers] = [await open(room, bob), await open(room, carol), await open(room, dave)];
    const slow = await connectRawV2(server.host, room, await token(alice));
    await upTo(slow, presence(alice, true));
    slow.socket.pause();
    await crowd(slow, writer, 192 * 1024);
    const [arrivers] = await Promise.all([
      Promise.all(emails.map((email) => open(room, email))),
      ...leavers.map((leaver) => leaver.close()),
    ]);
    // By this notice the server finds out how slow he is, before anybody is told of them.
    await arrivers[0]?.ack({ type: "read", seq: 1 });
    const told = [
      ...emails.map((email) => presence(email, true)),
      presence(carol, false),
      presence(dave, false),
    ];
    for (const matches of told) await writer.next(matches);
    slow.socket.resume();
    const known = new Set<string | null>([alice, bob, carol, dave]);
    const reading = (async () => {
      for (;;) noteOnline(known, (await slow.next()) as ServerFrame);
    })().catch(() => undefined);
    const there = [alice, bob, ...emails].toSorted().join();
    await waitUntil("he knows who is there", () => names(known) === there, 5000);
    slow.destroy();
    await reading;
    for (const client of [writer, ...arrivers]) await client.close();
  },
  30_000,
);

test.if(linux)(
  "however a reader reads, in the end he knows who is there",
  async () => {
    const random = new Random(1, "test").next;
    const emails = Array.from({ length: 8 }, (_, index) => `guest-${index}@example.com`);
    const room = await createRoom([alice, bob, ...emails]);
    const writer = await open(room, bob);
    const slow = await connectRawV2(server.host, room, await token(alice));
    const known = new Set<string | null>();
    const hear = (frame: ServerFrame): number => {
      noteOnline(known, frame);
      return frame.type === "change" ? frame.message.rev : 0;
    };
    const guests = new Map<string, V2Client>();
    /** Each comes, goes, stays as he is, or moves his mark. */
    const move = async (email: string) => {
      const guest = guests.get(email);
      if (random() < 0.3) {
        await guest?.ack({ type: "read", seq: Math.ceil(random() * writer.cursor) });
      } else if (guest) {
        guests.delete(email);
        await guest.close();
      } else {
        guests.set(email, await open(room, email));
      }
    };
    const there = () => [alice, bob, ...guests.keys()].toSorted().join();
    for (let round = 0; round < 2; round++) {
      // Some while he reads, and some while he stands still.
      await Promise.all(emails.map(move));
      slow.socket.pause();
      // Now and then he is only on the brink.
      await crowd(slow, writer, random() < 0.7 ? 192 * 1024 : 32 * 1024);
      await Promise.all(emails.map(move));
      await waitUntil("the others were told", () => online(writer) === there());
      slow.socket.resume();
      const end = writer.cursor - Math.floor(random() * 20);
      await upTo(slow, (frame) => hear(frame) >= end);
    }
    const reading = (async () => {
      for (;;) hear((await slow.next()) as ServerFrame);
    })().catch(() => undefined);
    await waitUntil("he knows who is there", () => names(known) === there(), 5000);
    slow.destroy();
    await reading;
    for (const client of [writer, ...guests.values()]) await client.close();
  },
  60_000,
);
