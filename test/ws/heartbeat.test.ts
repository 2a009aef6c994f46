import { describe, expect, test } from "bun:test";

import { type ClassicClient, connect, dialects, refusedWith, type V2Client } from "../support/client.ts";
import { fillRoom } from "../support/messages.ts";
import { connectRaw, encodeFrame, handshake, opcodes, RawConnection } from "../support/raw.ts";
import { useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

// Pings, and what becomes of peers that do not answer them.

const heartbeat = { pingIntervalMs: 100, silenceTimeoutMs: 1500, pongTimeoutMs: 1000 };
const server = useServer({ heartbeat, env: { PARLEY_MESSAGE_RATE: "0" } });

const alice = "alice@example.com";
const bob = "bob@example.com";

/** Reads until the connection ends, and answers pings or not. Resolves with what came. */
async function readAll(raw: RawConnection, { answering }: { answering: boolean }) {
  const received = { pings: 0, texts: 0, closed: false };
  for (;;) {
    const frame = await raw.frame().catch(() => undefined);
    if (!frame) return received;
    if (frame.opcode === opcodes.text) received.texts++;
    if (frame.opcode === opcodes.close) received.closed = true;
    if (frame.opcode !== opcodes.ping) continue;
    received.pings++;
    if (answering) raw.write(encodeFrame(frame.payload, { opcode: opcodes.pong }));
  }
}

/** Whether something is still under way after so many milliseconds. */
const isPendingAfter = async (promise: Promise<unknown>, milliseconds: number) =>
  (await Promise.race([promise, Bun.sleep(milliseconds).then(() => "pending")])) === "pending";

describe.each([...dialects])("%s", (dialect) => {
  test("a silent peer is cut, even while it is being sent to; one that answers pings is kept", async () => {
    const room = await server.createRoom([alice, bob]);
    const silent = await connectRaw(dialect, server.host, room, await server.token(alice));
    const answering = await connectRaw(dialect, server.host, room, await server.token(alice));
    const writer = await server.connect(dialect, room, bob);
    const writing = setInterval(() => writer.post("hello"), 20);
    const start = performance.now();
    const kept = readAll(answering, { answering: true });
    const cut = await readAll(silent, { answering: false });
    expect(performance.now() - start).toBeGreaterThan(heartbeat.silenceTimeoutMs / 2);
    expect(cut.closed).toBe(false);
    expect(cut.pings).toBeGreaterThan(1);
    expect(cut.texts).toBeGreaterThan(10);
    expect(await isPendingAfter(kept, heartbeat.silenceTimeoutMs)).toBe(true);
    clearInterval(writing);
    expect(writer.socket.readyState).toBe(writer.socket.OPEN);
    answering.destroy();
  }, 20_000);

  test("at a user's limit a peer that does not answer gives up its place, long before the silence timeout", async () => {
    await using parley = await server.startAnother({
      env: { PARLEY_CONNECTIONS_PER_USER: "2" },
      heartbeat: { pingIntervalMs: 60_000, silenceTimeoutMs: 120_000, pongTimeoutMs: 300 },
    });
    const room = await parley.createRoom([alice]);
    const token = await server.token(alice);
    const [dead, living] = [
      await connectRaw(dialect, parley.host, room, token),
      await connectRaw(dialect, parley.host, room, token),
    ];
    const kept = readAll(living, { answering: true });
    const open = () => connect(dialect, parley.host, room, { token });
    expect(await refusedWith(open())).toEndWith("too_many_connections");
    const start = performance.now();
    let client: ClassicClient | V2Client | undefined;
    await waitUntil("there is a place", async () => {
      client = await open().catch(() => undefined);
      return client !== undefined;
    });
    expect(performance.now() - start).toBeGreaterThan(200);
    await dead.ended;
    expect(await isPendingAfter(kept, 300)).toBe(true);
    living.destroy();
    await client?.close();
  });

  test("after the whole process was suspended nobody is cut for the silence", async () => {
    const room = await server.createRoom([alice]);
    const raw = await connectRaw(dialect, server.host, room, await server.token(alice));
    const kept = readAll(raw, { answering: true });
    // Like SIGSTOP or a suspended machine: nothing is read and no timer runs.
    Bun.sleepSync(heartbeat.silenceTimeoutMs + 500);
    expect(await isPendingAfter(kept, heartbeat.silenceTimeoutMs)).toBe(true);
    raw.destroy();
  }, 20_000);
});

test("a peer that reads slowly is not silent: its pongs wait behind everything that it has to read", async () => {
  const room = await server.createRoom([alice]);
  const count = 600;
  fillRoom(server, room, count, "x".repeat(50_000));
  const raw = await RawConnection.open(server.host);
  const headers = {
    authorization: `Bearer ${await server.token(alice)}`,
    "sec-websocket-protocol": "chat.v2",
  };
  const start = performance.now();
  let [bytes, end] = [0, ""];
  raw.socket.removeAllListeners("data").on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    end = (end + chunk.toString("latin1")).slice(-120_000);
    // About 8 MB per second.
    raw.socket.pause();
    setTimeout(() => raw.socket.resume(), chunk.length / 8_000);
  });
  raw.write(handshake(server.host, `/ws/chat/${room}/?since=0`, headers));
  await waitUntil("the peer has everything", () => end.includes(`{"seq":${count},`), 15_000);
  expect(bytes).toBeGreaterThan(count * 50_000);
  expect(performance.now() - start).toBeGreaterThan(2 * heartbeat.silenceTimeoutMs);
  // From here on there is nothing to read, and it answers no ping.
  await raw.ended;
}, 30_000);
