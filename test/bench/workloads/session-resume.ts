import { join } from "node:path";

import { openCommand, session } from "../dialects.ts";
import { HEAD_BYTES, readFrames } from "../frames.ts";
import { cpuTime, integer, percentile, residentMemory } from "../measure.ts";
import { RawSocket } from "../raw-socket.ts";
import { fillRooms, revAfter } from "../seed.ts";
import type { Server } from "../server.ts";
import { email, type Testbed, usersBetween } from "../testbed.ts";

const ROOMS = 100;
const MEMBERS = 10;
const MESSAGES_PER_ROOM = 100;
const CHANGES = ROOMS * MESSAGES_PER_ROOM;
const MIN_CHANGES_PER_SECOND = 200_000;
const MAX_GROWTH_MIB = 20;
/** So that code is compiled and the database's pages are cached. */
const WARM_UP_ROUNDS = 10;
const MEMORY_POLL_MS = 5;
const PAUSE_MS = 300;

interface Resumed {
  seconds: number;
  cpuSeconds: number;
  grownMib: number;
}

/** A session that has missed everything in its 100 rooms, and opens them all at once. */
export async function sessionResume(testbed: Testbed): Promise<string[]> {
  const database = join(testbed.folder, "session-resume.db");
  const members = usersBetween(0, MEMBERS).map(email);
  fillRooms(
    database,
    usersBetween(0, ROOMS).map((index) => ({ id: roomId(index), members, messages: MESSAGES_PER_ROOM })),
  );
  await using server = await testbed.parley(database);
  const first = await resumeAll(server, testbed);
  for (let round = 1; round < WARM_UP_ROUNDS; round++) await resumeAll(server, testbed);
  const results: Resumed[] = [];
  for (let round = 0; round < testbed.rounds; round++) results.push(await resumeAll(server, testbed));
  const rates = results.map(({ seconds }) => CHANGES / seconds);
  const rate = percentile(rates, 0.5);
  const cpuRate = percentile(
    results.map(({ cpuSeconds }) => CHANGES / cpuSeconds),
    0.5,
  );
  const grown = Math.max(first.grownMib, ...results.map(({ grownMib }) => grownMib));
  return [
    `a session resumes ${ROOMS} rooms of ${MEMBERS} members, ${integer(CHANGES)} changes, each received once`,
    `  ${integer(rate)} changes/s, ${(rate / MIN_CHANGES_PER_SECOND).toFixed(2)} × the target (rounds: ${rates.map(integer).join(", ")}), ${integer(cpuRate)} for each second of CPU`,
    `  memory grew by ${grown.toFixed(1)} MiB at most, ${(grown / MAX_GROWTH_MIB).toFixed(2)} × the limit; in a new server, by ${first.grownMib.toFixed(1)} MiB`,
  ];
}

function roomId(index: number): string {
  return `resumed${index}`;
}

async function resumeAll({ url, pid }: Server, testbed: Testbed): Promise<Resumed> {
  const { protocol, path } = session;
  const socket = await RawSocket.connect(url, { path: path(""), token: await testbed.token(0), protocol });
  // All of `hello` has arrived, and the memory of the last round was freed.
  await Bun.sleep(PAUSE_MS);
  const chunks: Uint8Array[] = [];
  socket.onChunk = (chunk) => chunks.push(chunk.slice());
  const complete = countComplete(socket);
  const [memory, cpu, startedAt] = [residentMemory(pid), cpuTime(pid), performance.now()];
  let peak = memory;
  const timer = setInterval(() => (peak = Math.max(peak, residentMemory(pid))), MEMORY_POLL_MS);
  socket.write(Buffer.concat(usersBetween(0, ROOMS).map((index) => openCommand(roomId(index), 0))));
  await complete;
  const seconds = (performance.now() - startedAt) / 1000;
  const cpuSeconds = (cpuTime(pid) - cpu) / 1e6;
  clearInterval(timer);
  peak = Math.max(peak, residentMemory(pid));
  await Bun.sleep(PAUSE_MS);
  socket.close();
  checkChanges(readFrames(Buffer.concat(chunks)));
  return { seconds, cpuSeconds, grownMib: (peak - memory) / 2 ** 20 };
}

/** Resolves when the last changes of every room have begun to arrive. */
function countComplete(socket: RawSocket): Promise<void> {
  const lastRev = revAfter(MESSAGES_PER_ROOM);
  const isLast = new RegExp(`^{"type":"(opened".*}|changes","room":"[^"]+"),"rev":${lastRev},`);
  let rooms = 0;
  return new Promise((resolve) => {
    socket.onFrame = (bytes, start) => {
      const head = Buffer.from(bytes.buffer, bytes.byteOffset + start, HEAD_BYTES).toString("latin1");
      if (isLast.test(head) && ++rooms === ROOMS) resolve();
    };
  });
}

interface ResumeFrame {
  type: string;
  room: string | { id: string };
  messages: { seq: number; rev: number }[];
}

/** Throws unless each room's changes were received once, in order of `rev`. */
function checkChanges(frames: readonly string[]): void {
  const revs = new Map<string, number[]>();
  const seqs = new Set<string>();
  for (const text of frames) {
    const { type, room, messages } = JSON.parse(text) as ResumeFrame;
    if (type !== "opened" && type !== "changes") continue;
    const id = typeof room === "string" ? room : room.id;
    for (const { seq, rev } of messages) {
      seqs.add(`${id} ${seq}`);
      const ofRoom = revs.get(id);
      if (!ofRoom) revs.set(id, [rev]);
      else if (rev > (ofRoom.at(-1) ?? 0)) ofRoom.push(rev);
      else throw new Error(`change ${rev} of ${id} has come twice, or too late`);
    }
  }
  const changes = [...revs.values()].reduce((sum, each) => sum + each.length, 0);
  if (changes !== CHANGES || seqs.size !== CHANGES)
    throw new Error(`${changes} changes of ${seqs.size} messages have come instead of ${CHANGES}`);
}
