import { describe, expect, test } from "bun:test";

import type { HelloFrame } from "../../src/protocol/frames.ts";
import { dialects } from "../support/client.ts";
import { fillRoom, replay, storedMessages } from "../support/messages.ts";
import { connectRaw, encodeFrame, opcodes, openRaw } from "../support/raw.ts";
import { unlimited, useServer } from "../support/server.ts";
import {
  fillSendBuffer,
  isLinux,
  isPresence,
  kernelBytes,
  LONG_TEXT,
  readUntil,
} from "../support/slow-reader.ts";
import { waitUntil } from "../support/wait.ts";

// Readers that do not keep up: they go without notices first, are cut at 1 MiB, and never slow down the others.

const server = useServer({ env: { ...unlimited, PARLEY_MAX_TEXT: "0" } });

const [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map((name) => `${name}@example.com`) as [
  string,
  string,
  string,
  string,
];

const MAX_BUFFERED_BYTES = 1 << 20;

describe.each([...dialects])("%s", (dialect) => {
  test("a reader for whom more than 1 MiB waits is cut without a close frame, and the others get everything", async () => {
    const room = await server.createRoom([alice, bob, carol]);
    const watcher = await server.connectV2(room, bob);
    const slow = await connectRaw(dialect, server.host, room, await server.token(alice));
    const [writer, reader] = [
      await server.connect(dialect, room, bob),
      await server.connect(dialect, room, carol),
    ];
    await watcher.next(isPresence(alice, true));
    slow.socket.pause();
    let sent = 0;
    // The kernel's buffers take some 10 MB.
    await waitUntil(
      "the reader is cut",
      async () => {
        const text = `${sent++} ${LONG_TEXT}`;
        writer.post(text);
        for (const client of [writer, reader]) expect(await client.nextText()).toBe(text);
        return watcher.unread().some(isPresence(alice, false));
      },
      20_000,
    );
    expect(sent * LONG_TEXT.length).toBeGreaterThan(MAX_BUFFERED_BYTES);
    writer.post("goes on");
    expect(await reader.nextText()).toBe("goes on");
    slow.socket.resume();
    expect(await slow.close()).toBeUndefined();
  }, 30_000);

  test.each([
    ["pings", encodeFrame("x".repeat(125), { opcode: opcodes.ping })],
    ["invalid frames", encodeFrame("{}")],
  ])(
    "a client that sends %s and never reads the answers is cut",
    async (_, bytes) => {
      const room = await server.createRoom([alice, bob]);
      const watcher = await server.connectV2(room, bob);
      const raw = await connectRaw(dialect, server.host, room, await server.token(alice));
      await watcher.next(isPresence(alice, true));
      raw.socket.pause();
      const block = Buffer.concat(Array.from({ length: 500 }, () => bytes));
      await waitUntil(
        "the client is cut",
        () => {
          if (raw.socket.writableLength < 1 << 20) raw.write(block);
          return watcher.unread().some(isPresence(alice, false));
        },
        20_000,
      );
      raw.destroy();
    },
    30_000,
  );
});

test("a reader that was cut misses nothing when it resumes", async () => {
  const room = await server.createRoom([alice, bob, carol]);
  const [slow, writer, other] = await Promise.all(
    [alice, bob, carol].map((email) => server.connectV2(room, email)),
  );
  if (!slow || !writer || !other) throw new Error("not connected");
  await writer.next(isPresence(alice, true));
  await writer.say("while it reads");
  await slow.reach(1);
  slow.socket.pause();
  let rev = 0;
  await waitUntil(
    "the reader is cut",
    async () => {
      ({ rev } = await writer.say(`${rev} ${LONG_TEXT}`));
      await other.reach(rev);
      return writer.unread().some(isPresence(alice, false));
    },
    20_000,
  );
  const last = await writer.say("while it is gone");
  slow.socket.resume();
  expect(await slow.closed).toMatchObject({ code: 1006 });
  expect(slow.cursor).toBeLessThan(rev);
  const back = await server.connectV2(room, alice, { after: slow });
  await back.reach(last.rev);
  replay(back, slow.cursor);
  const stored = await storedMessages(server, room);
  for (const client of [back, writer, other]) {
    expect(client.known()).toEqual(stored);
    await client.close();
  }
}, 30_000);

test.if(isLinux)(
  "a paused reader is cut at 1 MiB that waits in the server, not much sooner or later",
  async () => {
    const room = await server.createRoom([alice, bob]);
    const writer = await server.connectV2(room, bob);
    const slow = await openRaw("chat.v2", server.host, room, await server.token(alice));
    await readUntil(slow, isPresence(alice, true));
    slow.socket.pause();
    let [sent, waiting] = [0, 0];
    await waitUntil(
      "the reader is cut",
      async () => {
        if (writer.unread().some(isPresence(alice, false))) return true;
        // With nothing in the kernel the connection may be gone.
        const inKernel = kernelBytes(slow);
        if (inKernel > 0) waiting = sent - inKernel;
        await writer.say(LONG_TEXT);
        sent += LONG_TEXT.length;
        return false;
      },
      20_000,
    );
    expect(waiting).toBeGreaterThan(MAX_BUFFERED_BYTES - 5 * LONG_TEXT.length);
    // The writer is told a moment later.
    expect(waiting).toBeLessThan(2 * MAX_BUFFERED_BYTES);
    slow.destroy();
    await writer.close();
  },
  30_000,
);

describe.if(isLinux)("notices", () => {
  test("are withheld from a paused reader; when it goes on it has every change, and knows who is online", async () => {
    const room = await server.createRoom([alice, bob, carol, dave]);
    const [writer, leaver] = [await server.connectV2(room, bob), await server.connectV2(room, carol)];
    await writer.next(isPresence(carol, true));
    const slow = await openRaw("chat.v2", server.host, room, await server.token(alice));
    await readUntil(slow, isPresence(alice, true));
    slow.socket.pause();
    await fillSendBuffer(slow, writer, 192 * 1024);
    for (let seq = 1; seq <= 20; seq++) await leaver.ack({ type: "read", seq });
    const arriver = await server.connectV2(room, dave);
    await leaver.close();
    await writer.next(isPresence(dave, true));
    await writer.next(isPresence(carol, false));
    expect(writer.unread("read")).toHaveLength(20);
    const { rev } = await writer.say("the last before it goes on");
    slow.socket.resume();
    const missed = await readUntil(slow, isPresence(dave, true));
    const revs = missed.flatMap((frame) => (frame.type === "change" ? [frame.message.rev] : []));
    expect(revs).toEqual(Array.from({ length: rev }, (_, index) => index + 1));
    // By the first one the server found that the reader is slow.
    expect(missed.filter(({ type }) => type === "read").length).toBeLessThanOrEqual(1);
    expect(missed.slice(-2)).toMatchObject([
      { user: { email: carol }, online: false },
      { user: { email: dave }, online: true },
    ]);
    // From here on it gets notices again.
    await arriver.ack({ type: "read", seq: 21 });
    expect(await slow.next()).toMatchObject({ type: "read", user: { email: dave }, seq: 21 });
    slow.destroy();
    for (const client of [writer, arriver]) await client.close();
  }, 30_000);

  test("are withheld while a client catches up; then it is told who came and went", async () => {
    const room = await server.createRoom([alice, bob, carol, dave]);
    // More than the kernel's buffers take.
    const length = 20_000;
    fillRoom(server, room, length, "x".repeat(2000));
    const [writer, leaver] = [await server.connectV2(room, bob), await server.connectV2(room, carol)];
    await writer.next(isPresence(carol, true));
    const slow = await openRaw("chat.v2", server.host, room, await server.token(alice), 0);
    const hello = (await slow.next()) as HelloFrame;
    expect(hello.online.map(({ email }) => email)).toEqual([bob, carol, alice]);
    slow.socket.pause();
    await writer.next(isPresence(alice, true));
    const arriver = await server.connectV2(room, dave);
    for (let seq = 1; seq <= 20; seq++) await arriver.ack({ type: "read", seq });
    await leaver.close();
    await writer.next(isPresence(carol, false));
    slow.socket.resume();
    const missed = await readUntil(slow, (frame) => frame.type === "changes" && frame.rev >= length);
    expect(new Set(missed.map(({ type }) => type))).toEqual(new Set(["changes"]));
    expect(await readUntil(slow, isPresence(dave, true))).toMatchObject([
      { type: "presence", user: { email: carol }, online: false },
      { type: "presence", user: { email: dave }, online: true },
    ]);
    await arriver.ack({ type: "read", seq: 21 });
    expect(await slow.next()).toMatchObject({ type: "read", seq: 21 });
    slow.destroy();
    for (const client of [writer, arriver]) await client.close();
  }, 30_000);
});

test("a client that sends commands while it catches up, and never reads, is cut", async () => {
  const room = await server.createRoom([alice, bob]);
  // More than the kernel's buffers take.
  fillRoom(server, room, 20_000, "x".repeat(2000));
  const watcher = await server.connectV2(room, bob);
  const raw = await openRaw("chat.v2", server.host, room, await server.token(alice), 0);
  await raw.next();
  await watcher.next(isPresence(alice, true));
  raw.socket.pause();
  const block = Buffer.concat(Array.from({ length: 500 }, () => encodeFrame("{}")));
  await waitUntil("the client is cut", () => {
    if (raw.socket.writableLength < 1 << 20) raw.write(block);
    return watcher.unread().some(isPresence(alice, false));
  });
  raw.destroy();
  await watcher.say("goes on");
}, 30_000);
