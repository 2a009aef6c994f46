import { expect, test } from "bun:test";

import type { HelloFrame } from "../../src/protocol/frames.ts";
import { connectV2, type V2Options } from "../support/client.ts";
import { fillRoom, replay, storedMessages } from "../support/messages.ts";
import { connectRawV2, encodeFrame } from "../support/raw.ts";
import { useServer } from "../support/server.ts";
import { crowd, filler, inKernel, linux, presence, upTo } from "../support/slow-reader.ts";
import { waitUntil } from "../support/wait.ts";

// Readers who do not keep up.

const server = useServer({
  env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0", PARLEY_MAX_TEXT: "0" },
});
const { createRoom, token } = server;

const [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map((name) => `${name}@example.com`) as [
  string,
  string,
  string,
  string,
];

const open = async (room: string, email: string, options: V2Options = {}) =>
  connectV2(server.host, room, { token: await token(email), ...options });

const connections = () => server.metric("parley_connections");

test.if(linux)(
  "a reader who stands still goes without notices first; when he reads on he has every change, and knows who is there",
  async () => {
    const room = await createRoom([alice, bob, carol, dave]);
    const [writer, leaver] = [await open(room, bob), await open(room, carol)];
    const slow = await connectRawV2(server.host, room, await token(alice));
    // He has heard of his own arrival.
    await upTo(slow, presence(alice, true));
    slow.socket.pause();
    await crowd(slow, writer, 192 * 1024);
    for (let seq = 1; seq <= 20; seq++) await leaver.ack({ type: "read", seq });
    const arriver = await open(room, dave);
    await leaver.close();
    await writer.next(presence(dave, true));
    await writer.next(presence(carol, false));
    expect(writer.unread("read")).toHaveLength(20);
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

test("a reader for whom more than 1 MiB waits is cut, the others hear everything meanwhile, and he misses nothing", async () => {
  const room = await createRoom([alice, bob, carol]);
  const [slow, writer, other] = [await open(room, alice), await open(room, bob), await open(room, carol)];
  await writer.say("while he reads");
  await slow.reach(1);
  expect(await connections()).toBeGreaterThanOrEqual(3);
  slow.socket.pause();
  let rev = 0;
  await waitUntil(
    "he is cut",
    async () => {
      ({ rev } = await writer.say(`${filler} ${rev}`));
      // At once, whoever else stands still.
      await other.reach(rev);
      return writer.unread().some(presence(alice, false));
    },
    20_000,
  );
  expect(rev * filler.length).toBeGreaterThan(1 << 20);
  const last = await writer.say("behind his back");
  slow.socket.resume();
  expect(await slow.closed).toMatchObject({ code: 1006 });
  expect(slow.cursor).toBeLessThan(rev);
  const back = await open(room, alice, { after: slow });
  await back.reach(last.rev);
  replay(back, slow.cursor);
  const all = await storedMessages(server, room);
  for (const client of [back, writer, other]) expect(client.known()).toEqual(all);
  for (const client of [back, writer, other]) await client.close();
}, 30_000);

test.if(linux)(
  "a reader who stands still is cut at 1 MiB that waits for him in the server, and not much later or sooner",
  async () => {
    const room = await createRoom([alice, bob]);
    const writer = await open(room, bob);
    const slow = await connectRawV2(server.host, room, await token(alice));
    await upTo(slow, presence(alice, true));
    slow.socket.pause();
    let [said, waited] = [0, 0];
    await waitUntil(
      "he is cut",
      async () => {
        if (writer.unread().some(presence(alice, false))) return true;
        // Where nothing is in the kernel he may be gone by now.
        const taken = inKernel(slow);
        if (taken > 0) waited = said - taken;
        await writer.say(filler);
        said += filler.length;
        return false;
      },
      20_000,
    );
    expect(waited).toBeGreaterThan((1 << 20) - 5 * filler.length);
    // The writer hears of the end a moment later.
    expect(waited).toBeLessThan(2 << 20);
    slow.destroy();
    await writer.close();
  },
  30_000,
);

test.if(linux)(
  "somebody who is sent what he missed hears no notices meanwhile, and then who came and went",
  async () => {
    const room = await createRoom([alice, bob, carol, dave]);
    const length = 100_000;
    fillRoom(server, room, length);
    const [writer, leaver] = [await open(room, bob), await open(room, carol)];
    const slow = await connectRawV2(server.host, room, await token(alice), 0);
    const hello = (await slow.next()) as HelloFrame;
    expect(hello.online.map(({ email }) => email)).toEqual([bob, carol, alice]);
    slow.socket.pause();
    await writer.next(presence(alice, true));
    const arriver = await open(room, dave);
    for (let seq = 1; seq <= 20; seq++) await arriver.ack({ type: "read", seq });
    await leaver.close();
    await writer.next(presence(carol, false));
    slow.socket.resume();
    const missed = await upTo(slow, (frame) => frame.type === "changes" && frame.rev >= length);
    expect(new Set(missed.map(({ type }) => type))).toEqual(new Set(["changes"]));
    const news = await upTo(slow, presence(dave, true));
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
    const room = await createRoom([alice, bob]);
    fillRoom(server, room, length);
    const watcher = await open(room, bob);
    const raw = await connectRawV2(server.host, room, await token(alice), 0);
    await raw.next();
    raw.socket.pause();
    const block = Buffer.concat(Array.from({ length: 500 }, () => encodeFrame("{}")));
    await waitUntil("he is cut", () => {
      if (raw.socket.writableLength < 1 << 20) raw.write(block);
      return watcher.unread().some(presence(alice, false));
    });
    raw.destroy();
    await watcher.say("on we go");
    await watcher.close();
  },
  30_000,
);
