import { expect, test } from "bun:test";

import { type ClassicClient, connectClassic, refusal } from "../support/client.ts";
import { fillRoom } from "../support/messages.ts";
import { connectRaw, encodeFrame, handshake, opcodes, RawConnection } from "../support/raw.ts";
import { useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

const heartbeat = { pingIntervalMs: 100, silenceTimeoutMs: 1500, pongTimeoutMs: 1000 };
const server = useServer({ heartbeat, env: { PARLEY_MESSAGE_RATE: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

/** Reads until the end, answering pings or not. Resolves with what came. */
async function live(raw: RawConnection, { answering }: { answering: boolean }) {
  const seen = { pings: 0, messages: 0, close: false };
  for (;;) {
    const next = await raw.frame().catch(() => undefined);
    if (!next) return seen;
    if (next.opcode === opcodes.text) seen.messages++;
    if (next.opcode === opcodes.close) seen.close = true;
    if (next.opcode !== opcodes.ping) continue;
    seen.pings++;
    if (answering) raw.write(encodeFrame(next.payload, { opcode: opcodes.pong }));
  }
}

test("a peer gone silent is cut, even while it is being sent to; one that answers pings is kept", async () => {
  const room = await createRoom([alice, bob]);
  const silent = await connectRaw("classic", server.host, room, await token(alice));
  const answering = await connectRaw("classic", server.host, room, await token(alice));
  const sender = await server.connectClassic(room, bob);
  let sent = 0;
  const talk = setInterval(() => {
    sender.send({ message: `message ${++sent}` });
  }, 20);
  const start = performance.now();
  const kept = live(answering, { answering: true });
  const cut = await live(silent, { answering: false });
  const lasted = performance.now() - start;
  expect(lasted).toBeGreaterThan(heartbeat.silenceTimeoutMs / 2);
  expect(cut).toMatchObject({ close: false });
  expect(cut.pings).toBeGreaterThan(1);
  expect(cut.messages).toBeGreaterThan(10);
  // The other two are still there, and hear each other.
  const still = await Promise.race([kept, Bun.sleep(heartbeat.silenceTimeoutMs).then(() => "connected")]);
  clearInterval(talk);
  expect(still).toBe("connected");
  expect(sender.socket.readyState).toBe(sender.socket.OPEN);
  answering.destroy();
}, 20_000);

test("a peer that reads on, however slowly, is there: a ping waits behind all that it has to read", async () => {
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
    // Some 8 MB a second.
    raw.socket.pause();
    setTimeout(() => raw.socket.resume(), chunk.length / 8_000);
  });
  raw.write(handshake(server.host, `/ws/chat/${room}/?since=0`, headers));
  await waitUntil("he has it all", () => end.includes(`{"seq":${count},`), 15_000);
  expect(bytes).toBeGreaterThan(count * 50_000);
  expect(performance.now() - start).toBeGreaterThan(2 * heartbeat.silenceTimeoutMs);
  // Nothing is left to read, and he answers no ping.
  await raw.ended;
}, 30_000);

test("at a user's limit whoever does not answer gives his place up, long before the silence would end him", async () => {
  await using parley = await server.startAnother({
    env: { PARLEY_CONNECTIONS_PER_USER: "2" },
    heartbeat: { pingIntervalMs: 60_000, silenceTimeoutMs: 120_000, pongTimeoutMs: 300 },
  });
  await parley.createRoom([alice], { id: "lobby" });
  const [dead, living] = [
    await connectRaw("classic", parley.host, "lobby", await token(alice)),
    await connectRaw("classic", parley.host, "lobby", await token(alice)),
  ];
  const lived = live(living, { answering: true });
  expect((await refusal(connectClassic(parley.host, "lobby", { token: await token(alice) }))).status).toBe(
    429,
  );
  const start = performance.now();
  let come: ClassicClient | undefined;
  await waitUntil("there is a place", async () => {
    come = await connectClassic(parley.host, "lobby", { token: await token(alice) }).catch(() => undefined);
    return come !== undefined;
  });
  expect(performance.now() - start).toBeGreaterThan(200);
  await dead.ended;
  come?.send({ message: "here I am" });
  await waitUntil("the living one hears it", () => living.socket.bytesRead > 0);
  expect(await Promise.race([lived, Bun.sleep(300).then(() => "connected")])).toBe("connected");
  living.destroy();
  await come?.close();
});

test("a server that was asleep as a whole blames nobody for the silence", async () => {
  const room = await createRoom([alice]);
  const raw = await connectRaw("classic", server.host, room, await token(alice));
  const lived = live(raw, { answering: true });
  // As SIGSTOP or a suspended machine would: nothing is read, no timer runs.
  Bun.sleepSync(heartbeat.silenceTimeoutMs + 500);
  const after = await Promise.race([lived, Bun.sleep(heartbeat.silenceTimeoutMs).then(() => "connected")]);
  expect(after).toBe("connected");
  raw.destroy();
}, 20_000);

test("a connection ends with its token, with 4401", async () => {
  const room = await createRoom([alice, bob]);
  const exp = Math.floor(Date.now() / 1000) + 2;
  const short = await connectClassic(server.host, room, {
    token: await server.issuer.sign(alice, { claims: { exp } }),
  });
  const long = await server.connectClassic(room, bob);
  short.send({ message: "while it lasts" });
  expect(await short.next()).toEqual({ message: "while it lasts" });
  expect(await short.closed).toEqual({ code: 4401, reason: "token_expired" });
  expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
  expect(await long.next()).toEqual({ message: "while it lasts" });
  long.send({ message: "still here" });
  expect(await long.next()).toEqual({ message: "still here" });
});
