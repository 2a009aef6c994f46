import { expect, test } from "bun:test";

import { connectClassic, refusal } from "../support/client.ts";
import { fillRoom } from "../support/messages.ts";
import { connectRaw, encodeFrame, handshake, opcodes, RawConnection } from "../support/raw.ts";
import { useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

const heartbeat = { pingIntervalMs: 100, silenceTimeoutMs: 1500, pongTimeoutMs: 1000 };
const server = useServer({ heartbeat, env: { PARLEY_MESSAGE_RATE: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

/** Reads to the end of the connection, with or without answers to pings. Resolves with what was received. */
async function readAll(raw: RawConnection, { answerPings }: { answerPings: boolean }) {
  const received = { pings: 0, messages: 0, closes: 0 };
  for (;;) {
    const frame = await raw.frame().catch(() => undefined);
    if (!frame) return received;
    if (frame.opcode === opcodes.text) received.messages++;
    if (frame.opcode === opcodes.close) received.closes++;
    if (frame.opcode !== opcodes.ping) continue;
    received.pings++;
    if (answerPings) raw.write(encodeFrame(frame.payload, { opcode: opcodes.pong }));
  }
}

/** "open" when the connection has not ended after so many milliseconds. */
const stateAfter = (ms: number, reading: Promise<unknown>) =>
  Promise.race([reading.then(() => "ended"), Bun.sleep(ms).then(() => "open")]);

test("a peer that falls silent is cut, even while it is sent messages; one that answers pings is kept", async () => {
  const room = await createRoom([alice, bob]);
  const connect = async () => connectRaw("classic", server.host, room, await token(alice));
  const [silent, answering] = [await connect(), await connect()];
  const sender = await server.connectClassic(room, bob);
  let sent = 0;
  const talk = setInterval(() => sender.send({ message: `message ${++sent}` }), 20);
  const start = performance.now();
  const kept = readAll(answering, { answerPings: true });
  const received = await readAll(silent, { answerPings: false });
  expect(performance.now() - start).toBeGreaterThan(heartbeat.silenceTimeoutMs / 2);
  expect(received.closes).toBe(0);
  expect(received.pings).toBeGreaterThan(1);
  expect(received.messages).toBeGreaterThan(10);
  expect(await stateAfter(heartbeat.silenceTimeoutMs, kept)).toBe("open");
  clearInterval(talk);
  expect(sender.socket.readyState).toBe(sender.socket.OPEN);
  answering.destroy();
}, 20_000);

test("a peer that reads slowly is kept: its pong waits behind everything it has to read", async () => {
  const room = await createRoom([alice]);
  const count = 600;
  fillRoom(server, room, count, "x".repeat(50_000));
  const raw = await RawConnection.open(server.host);
  const headers = { authorization: `Bearer ${await token(alice)}`, "sec-websocket-protocol": "chat.v2" };
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
  await waitUntil("everything is read", () => end.includes(`{"seq":${count},`), 15_000);
  expect(bytes).toBeGreaterThan(count * 50_000);
  expect(performance.now() - start).toBeGreaterThan(2 * heartbeat.silenceTimeoutMs);
  // There is nothing left to read, and it answers no ping.
  await raw.ended;
}, 30_000);

test("at a user's limit a connection that does not answer a ping makes room for a new one", async () => {
  await using parley = await server.startAnother({
    env: { PARLEY_CONNECTIONS_PER_USER: "2" },
    heartbeat: { pingIntervalMs: 60_000, silenceTimeoutMs: 120_000, pongTimeoutMs: 300 },
  });
  const room = await parley.createRoom([alice]);
  const bearer = await token(alice);
  const connect = () => connectClassic(parley.host, room, { token: bearer });
  const [dead, living] = [
    await connectRaw("classic", parley.host, room, bearer),
    await connectRaw("classic", parley.host, room, bearer),
  ];
  const reading = readAll(living, { answerPings: true });
  expect((await refusal(connect())).status).toBe(429);
  const start = performance.now();
  await waitUntil("a new connection is accepted", async () =>
    connect().then(
      () => true,
      () => false,
    ),
  );
  expect(performance.now() - start).toBeGreaterThan(200);
  await dead.ended;
  expect(await stateAfter(300, reading)).toBe("open");
  living.destroy();
});

test("a server that was suspended does not take its own silence for that of its peers", async () => {
  const room = await createRoom([alice]);
  const raw = await connectRaw("classic", server.host, room, await token(alice));
  const reading = readAll(raw, { answerPings: true });
  // As with SIGSTOP or on a suspended machine, nothing is read and no timer runs.
  Bun.sleepSync(heartbeat.silenceTimeoutMs + 500);
  expect(await stateAfter(heartbeat.silenceTimeoutMs, reading)).toBe("open");
  raw.destroy();
}, 20_000);
