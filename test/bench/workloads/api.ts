import { Database } from "bun:sqlite";
import net from "node:net";
import { join } from "node:path";

import { compare } from "../compare.ts";
import { roomPath, v2 } from "../dialects.ts";
import { cpuTime, integer, latency, load, measure, residentMemory } from "../measure.ts";
import { RawSocket } from "../raw-socket.ts";
import { fillRooms, type RoomSeed } from "../seed.ts";
import { sendToAck } from "../send-to-ack.ts";
import type { Server } from "../server.ts";
import { email, onServer, SMALL_ROOMS, type Testbed, usersBetween } from "../testbed.ts";

const BIG_ROOM = "big";
const BIG_ROOM_MESSAGES = 400;
const BIG_TEXT = "x".repeat(16_000);
const READERS = 8;
const UNREAD_RESPONSES = 300;
const READING_MS = 15_000;
/** Slower than the rate limit. */
const SEND_INTERVAL_MS = 110;
const MANY_ROOMS = 1000;
const LISTS = 200;
const POSTING_CONNECTIONS = 16;
const POSTING_MS = 3000;
const [READER, SENDER, LISTER] = [0, 1, 2];

/** The HTTP API: what a user who reads as much as they may costs the others, a list of rooms, and messages that are posted. */
export async function api(testbed: Testbed): Promise<string[]> {
  const database = join(testbed.folder, "api.db");
  fillRooms(database, seeds());
  using db = new Database(database);
  db.run("UPDATE messages SET text = ? WHERE room_pk = 1", [BIG_TEXT]);
  db.close();
  return [
    ...(await readMuch(testbed, database)),
    ...(await listRooms(testbed, database)),
    ...(await post(testbed)),
  ];
}

function seeds(): RoomSeed[] {
  const big = { id: BIG_ROOM, members: [email(READER), email(SENDER)], messages: BIG_ROOM_MESSAGES };
  const many = Array.from({ length: MANY_ROOMS }, (_, index) => {
    return { id: `room${index}`, members: [email(LISTER)], messages: 1 };
  });
  return [big, ...many];
}

/** A user reads pages at their full rate, and leaves many responses unread. Another one sends messages meanwhile. */
async function readMuch(testbed: Testbed, database: string): Promise<string[]> {
  const limits = { PARLEY_MESSAGE_RATE: "10", PARLEY_MESSAGE_BURST: "30" };
  await using server = await testbed.parley(database, limits);
  const memory = residentMemory(server.pid);
  const token = await testbed.token(READER);
  const path = `/api/rooms/${BIG_ROOM}/messages?limit=100`;
  const authorization = `Bearer ${token}`;
  const unread = Array.from({ length: UNREAD_RESPONSES }, () => leaveUnread(server.url, path, authorization));
  const state = { reading: true };
  let pages = 0;
  const readers = Array.from({ length: READERS }, async () => {
    while (state.reading) {
      const response = await fetch(new URL(path, server.url), { headers: { authorization } });
      await response.arrayBuffer();
      if (response.status === 200) pages++;
    }
  });
  const acks = await sendSlowly(server, testbed);
  state.reading = false;
  await Promise.all(readers);
  const growth = (residentMemory(server.pid) - memory) / 1024 / 1024;
  for (const socket of unread) socket.destroy();
  return [
    `a user reads pages of 256 KiB over ${READERS} connections and leaves ${UNREAD_RESPONSES} responses unread`,
    `  another user, send → ack: ${latency(acks)}; ${pages} pages read in ${READING_MS / 1000} s; memory +${growth.toFixed(1)} MiB`,
  ];
}

function leaveUnread(url: URL, path: string, authorization: string): net.Socket {
  const socket = net.connect(Number(url.port), url.hostname);
  socket.pause();
  socket.on("error", () => undefined);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${url.host}\r\nAuthorization: ${authorization}\r\n\r\n`);
  return socket;
}

/** Sends a message now and then. Returns the times until the acks, in milliseconds. */
async function sendSlowly(server: Server, testbed: Testbed): Promise<number[]> {
  const token = await testbed.token(SENDER);
  const options = { path: roomPath(BIG_ROOM), token, protocol: v2.protocol };
  const socket = await RawSocket.connect(server.url, options);
  const latencies: number[] = [];
  const end = performance.now() + READING_MS;
  const frame = v2.send(BIG_ROOM);
  while (performance.now() < end) {
    const start = performance.now();
    const acknowledged = new Promise<void>((resolve) => {
      socket.onFrame = (bytes, at) => v2.isAck(bytes, at) && resolve();
    });
    socket.write(frame);
    await acknowledged;
    latencies.push(performance.now() - start);
    await Bun.sleep(SEND_INTERVAL_MS);
  }
  socket.close();
  return latencies;
}

async function listRooms(testbed: Testbed, database: string): Promise<string[]> {
  await using server = await testbed.parley(database);
  const headers = { authorization: `Bearer ${await testbed.token(LISTER)}` };
  const list = async () => (await fetch(new URL("/api/rooms", server.url), { headers })).arrayBuffer();
  for (let index = 0; index < LISTS; index++) await list();
  const before = cpuTime(server.pid);
  for (let index = 0; index < LISTS; index++) await list();
  const cpu = (cpuTime(server.pid) - before) / LISTS / 1000;
  return [`GET /api/rooms, the first page of ${integer(MANY_ROOMS)} rooms: ${cpu.toFixed(2)} ms of CPU`];
}

/** Messages that are posted, beside the same over sockets. */
function post(testbed: Testbed): Promise<string[]> {
  const contender = (name: string, work: (server: Server) => ReturnType<typeof sendToAck>) =>
    onServer(name, () => testbed.parley(), work);
  return compare(
    `messages over ${POSTING_CONNECTIONS} connections, 1 in flight each`,
    testbed.rounds,
    contender("chat.v2", (server) => sendToAck(server, testbed, v2, 1, POSTING_CONNECTIONS)),
    contender("HTTP", async (server) => {
      const state = { posting: true, posted: 0 };
      const latencies: number[] = [];
      const senders = usersBetween(0, POSTING_CONNECTIONS).map(async (user) => {
        const authorization = `Bearer ${await testbed.token(user)}`;
        const headers = { authorization, "content-type": "application/json" };
        const url = new URL(`/api/rooms/room${user % SMALL_ROOMS}/messages`, server.url);
        const body = JSON.stringify({ text: "Hello, how are you? This is a message of some length." });
        while (state.posting) {
          const start = performance.now();
          await (await fetch(url, { method: "POST", headers, body })).arrayBuffer();
          latencies.push(performance.now() - start);
          state.posted++;
        }
      });
      await Bun.sleep(POSTING_MS / 2);
      state.posted = 0;
      latencies.length = 0;
      const period = await measure(server, POSTING_MS);
      const { posted } = state;
      const value = posted / period.seconds;
      state.posting = false;
      await Promise.all(senders);
      const cpu = (period.serverCpu / posted).toFixed(1);
      return {
        value,
        text: `${integer(value)} messages/s, ${cpu} µs of CPU each, ${latency(latencies)}; ${load(period)}`,
      };
    }),
  );
}
