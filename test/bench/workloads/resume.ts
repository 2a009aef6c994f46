import { roomPath, v2 } from "../dialects.ts";
import { HEAD_BYTES } from "../frames.ts";
import { cpuTime, integer, residentMemory } from "../measure.ts";
import { RawSocket } from "../raw-socket.ts";
import type { Server } from "../server.ts";
import { LONG_ROOM_MESSAGES, type Testbed } from "../testbed.ts";
import { warmUp } from "../warm-up.ts";

const MEMORY_POLL_MS = 5;
const PAUSE_MS = 300;

/** A connection that has missed everything in a room of 100,000 messages. */
export async function resume(testbed: Testbed): Promise<string[]> {
  await using server = await testbed.parley();
  await warmUp(server, testbed);
  const lines = [`resume of ${integer(LONG_ROOM_MESSAGES)} messages, one in ten edited`];
  // The first round grows the server's caches.
  for (let round = 0; round <= testbed.rounds; round++) {
    lines.push(`  ${await resumeOnce(server, testbed)}`);
    await Bun.sleep(PAUSE_MS);
  }
  return lines;
}

async function resumeOnce({ url, pid }: Server, testbed: Testbed): Promise<string> {
  const [memory, cpu, startedAt] = [residentMemory(pid), cpuTime(pid), performance.now()];
  let peak = memory;
  const timer = setInterval(() => (peak = Math.max(peak, residentMemory(pid))), MEMORY_POLL_MS);
  const socket = await RawSocket.connect(url, {
    path: `${roomPath("long")}?since=0`,
    token: await testbed.token(0),
    protocol: v2.protocol,
  });
  const lastRev = `"rev":${testbed.longRoomRev},`;
  await new Promise<void>((resolve) => {
    socket.onFrame = (bytes, start) => {
      const head = Buffer.from(bytes.buffer, bytes.byteOffset + start, HEAD_BYTES).toString("latin1");
      if (head.startsWith('{"type":"changes"') && head.includes(lastRev)) resolve();
    };
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const cpuSeconds = (cpuTime(pid) - cpu) / 1e6;
  clearInterval(timer);
  const megabytes = (socket.bytesRead / 1e6).toFixed(0);
  socket.close();
  const grown = (Math.max(peak, residentMemory(pid)) - memory) / 2 ** 20;
  const rate = integer(LONG_ROOM_MESSAGES / seconds);
  const cpuRate = integer(LONG_ROOM_MESSAGES / cpuSeconds);
  return `${rate} messages/s, ${cpuRate} for each second of CPU, ${megabytes} MB, memory grew by ${grown.toFixed(1)} MiB`;
}
