import { expect, test } from "bun:test";

import type { Hello, ServerFrame } from "../../src/protocol/frames.ts";
import { frame as encode, type Raw } from "../support/raw.ts";
import { metric, stage } from "../support/stage.ts";
import { until } from "../support/until.ts";
import { fill, inKernel, randomness, rawV2, replay, stored } from "../support/v2-resume.ts";
import { connectV2, type V2, type V2Options } from "../support/v2.ts";

// Readers who do not keep up.

// Long texts, so that what the kernel's buffers take is soon said.
const on = stage({
  env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0", PARLEY_MAX_TEXT: "0" },
});
const { roomOf, token } = on;

const [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map((name) => `${name}@example.com`) as [
  string,
  string,
  string,
  string,
];
/** Where the kernel's queues can be looked at. */
const linux = process.platform === "linux";
const filler = "x".repeat(60_000);

const open = async (room: string, email: string, options: V2Options = {}) =>
  connectV2(on.parley.host, room, { token: await token(email), ...options });

const connections = () => metric(on.parley, "parley_connections");

/** Says long things until so many bytes wait in the server for a reader who stands still. */
async function crowd(reader: Raw, writer: V2, bytes: number): Promise<void> {
  let said = 0;
  await until("enough waits", async () => {
    await Promise.all([1, 2, 3, 4].map(() => writer.say(filler)));
    said += 4 * filler.length;
    return said - inKernel(reader) > bytes;
  });
}

/** Frames until one matches, that one included. */
async function upTo(raw: Raw, matches: (frame: ServerFrame) => boolean): Promise<ServerFrame[]> {
  const frames: ServerFrame[] = [];
  for (;;) {
    const frame = (await raw.next()) as ServerFrame;
    frames.push(frame);
    if (matches(frame)) return frames;
  }
}

/** A reader who stands still, for whom so much waits that he is to go without notices. */
async function stuck(room: string, writer: V2): Promise<Raw> {
  const slow = await rawV2(on.parley.host, room, await token(alice));
  // He has heard of his own arrival.
  await upTo(slow, (frame) => frame.type === "presence" && frame.user.email === alice);
  slow.socket.pause();
  await crowd(slow, writer, 192 * 1024);
  return slow;
}

const presence = (email: string, online: boolean) => (frame: ServerFrame) =>
  frame.type === "presence" && frame.user.email === email && frame.online === online;

test.if(linux)(
  "a reader who stands still goes without notices first; when he reads on he has every change, and knows who is there",
  async () => {
    const room = await roomOf(alice, bob, carol, dave);
    const [writer, leaver] = [await open(room, bob), await open(room, carol)];
    const slow = await stuck(room, writer);
    for (let seq = 1; seq <= 20; seq++) await leaver.ack({ type: "read", seq });
    const arriver = await open(room, dave);
    await leaver.close();
    await writer.frame(presence(dave, true));
    await writer.frame(presence(carol, false));
    expect(writer.waiting("read")).toHaveLength(20);
    const { rev } = await writer.say("the last that he missed");
    slow.socket.resume();
    const missed = await upTo(slow, presence(dave, true));
    const changes = missed.filter((frame) => frame.type === "change").map(({ message }) => message.rev);
    expect(changes).toEqual(Array.from({ length: rev }, (_, index) => index + 1));
    // The one by which the server found out how slow he is.
    expect(missed.filter(({ type }) => type === "read").length).toBeLessThanOrEqual(1);
    expect(missed.slice(-2)).toMatchObject([
      { user: { email: carol }, online: false },
      { user: { email: dave } },
    ]);
    // From here on he hears notices again, and each once.
    await arriver.ack({ type: "read", seq: 21 });
    expect(await slow.next()).toMatchObject({ type: "read", user: { email: dave }, seq: 21 });
    slow.destroy();
    for (const client of [writer, arriver]) await client.close();
  },
  30_000,
);

test.if(linux)(
  "a reader who stands still when several come and go at once knows of all of them when he reads on",
  async () => {
    const emails = Array.from({ length: 5 }, (_, index) => `guest-${index}@example.com`);
    const room = await roomOf(alice, bob, carol, dave, ...emails);
    const [writer, ...leavers] = [await open(room, bob), await open(room, carol), await open(room, dave)];
    const slow = await stuck(room, writer);
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
    for (const matches of told) await writer.frame(matches);
    slow.socket.resume();
    const online = new Set([alice, bob, carol, dave]);
    await until("he knows who is there", async () => {
      if (online.symmetricDifference(new Set([alice, bob, ...emails])).size === 0) return true;
      const frame = (await slow.next()) as ServerFrame;
      if (frame.type !== "presence") return false;
      const { email } = frame.user;
      if (frame.online) online.add(email ?? "");
      else online.delete(email ?? "");
      return false;
    });
    slow.destroy();
    for (const client of [writer, ...arrivers]) await client.close();
  },
  30_000,
);

/** Who is online, as far as a client was told. */
function online({ texts }: V2): string {
  const known = new Set<string | null>();
  for (const text of texts) {
    const frame = JSON.parse(text) as ServerFrame;
    if (frame.type === "hello") for (const { email } of frame.online) known.add(email);
    if (frame.type === "presence") known[frame.online ? "add" : "delete"](frame.user.email);
  }
  return [...known].map(String).toSorted().join();
}

test.if(linux)(
  "however a reader reads, in the end he knows who is there",
  async () => {
    const random = randomness(1);
    const emails = Array.from({ length: 8 }, (_, index) => `guest-${index}@example.com`);
    const room = await roomOf(alice, bob, ...emails);
    const writer = await open(room, bob);
    const slow = await rawV2(on.parley.host, room, await token(alice));
    const hello = (await slow.next()) as Hello;
    const known = new Set(hello.online.map(({ email }) => email));
    let cursor = 0;
    const read = async () => {
      const frame = (await slow.next()) as ServerFrame;
      if (frame.type === "presence" && frame.online) known.add(frame.user.email);
      if (frame.type === "presence" && !frame.online) known.delete(frame.user.email);
      if (frame.type === "change") cursor = frame.message.rev;
    };
    const guests = new Map<string, V2>();
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
      await until("the others were told", () => online(writer) === there());
      slow.socket.resume();
      for (const end = cursor + Math.floor(random() * (writer.cursor - cursor)); cursor < end;) await read();
    }
    const reading = (async () => {
      for (;;) await read();
    })().catch(() => undefined);
    await until("he knows who is there", () => [...known].map(String).toSorted().join() === there(), 5000);
    slow.destroy();
    await reading;
    for (const client of [writer, ...guests.values()]) await client.close();
  },
  60_000,
);

test("a reader for whom more than 1 MiB waits is cut, the others hear everything meanwhile, and he misses nothing", async () => {
  const room = await roomOf(alice, bob, carol);
  const [slow, writer, other] = [await open(room, alice), await open(room, bob), await open(room, carol)];
  await writer.say("while he reads");
  await slow.reach(1);
  expect(await connections()).toBeGreaterThanOrEqual(3);
  slow.socket.pause();
  let rev = 0;
  await until("he is cut", async () => {
    ({ rev } = await writer.say(`${filler} ${rev}`));
    // At once, whoever else stands still.
    await other.reach(rev);
    return writer.waiting("presence").some((frame) => frame.type === "presence" && !frame.online);
  });
  expect(rev * filler.length).toBeGreaterThan(1 << 20);
  const last = await writer.say("behind his back");
  slow.socket.resume();
  expect(await slow.closed).toMatchObject({ code: 1006 });
  expect(slow.cursor).toBeLessThan(rev);
  const back = await open(room, alice, { after: slow });
  await back.reach(last.rev);
  replay(back, slow.cursor);
  const all = await stored(on.parley, room);
  for (const client of [back, writer, other]) expect(client.known()).toEqual(all);
  for (const client of [back, writer, other]) await client.close();
}, 30_000);

test.if(linux)(
  "somebody who is sent what he missed hears no notices meanwhile, and then who came and went",
  async () => {
    const room = await roomOf(alice, bob, carol, dave);
    const length = 100_000;
    fill(on.parley, room, length);
    const [writer, leaver] = [await open(room, bob), await open(room, carol)];
    const slow = await rawV2(on.parley.host, room, await token(alice), 0);
    const hello = (await slow.next()) as Extract<ServerFrame, { type: "hello" }>;
    expect(hello.online.map(({ email }) => email)).toEqual([bob, carol, alice]);
    slow.socket.pause();
    await writer.frame((frame) => frame.type === "presence" && frame.user.email === alice);
    const arriver = await open(room, dave);
    for (let seq = 1; seq <= 20; seq++) await arriver.ack({ type: "read", seq });
    await leaver.close();
    await writer.frame((frame) => frame.type === "presence" && !frame.online);
    slow.socket.resume();
    const missed = await upTo(slow, (frame) => frame.type === "changes" && frame.rev >= length);
    expect(new Set(missed.map(({ type }) => type))).toEqual(new Set(["changes"]));
    const news = await upTo(slow, (frame) => frame.type === "presence" && frame.user.email === dave);
    expect(news).toMatchObject([
      { type: "presence", user: { email: carol }, online: false },
      { type: "presence", user: { email: dave }, online: true },
    ]);
    await arriver.ack({ type: "read", seq: 21 });
    expect(await slow.next()).toMatchObject({ type: "read", seq: 21 });
    slow.destroy();
    for (const client of [writer, arriver]) await client.close();
  },
  30_000,
);

test.each([
  ["while he is live", 0],
  ["while he is sent what he missed", 100_000],
])(
  "whoever sends commands and never reads the answers, %s, is cut",
  async (_, length) => {
    const room = await roomOf(alice, bob);
    fill(on.parley, room, length);
    const watcher = await open(room, bob);
    const raw = await rawV2(on.parley.host, room, await token(alice), 0);
    await raw.next();
    raw.socket.pause();
    const block = Buffer.concat(Array.from({ length: 500 }, () => encode("{}")));
    await until("he is cut", () => {
      if (raw.socket.writableLength < 1 << 20) raw.write(block);
      return watcher.waiting("presence").some((seen) => seen.type === "presence" && !seen.online);
    });
    raw.destroy();
    await watcher.say("on we go");
    await watcher.close();
  },
  30_000,
);
