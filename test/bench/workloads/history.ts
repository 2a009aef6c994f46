import { join } from "node:path";

import { integer } from "../measure.ts";
import { fillDatabase, openStore } from "../seed.ts";
import type { Testbed } from "../testbed.ts";

const ROOMS = 1000;
const SMALL = 50_000;
const LARGE = 5_000_000;
const HISTORY_MESSAGES = 50;
const WARM_UP_READS = 3000;
const READS = 20_000;

/** The last 50 messages of a room, in a small and in a large database. */
export async function history({ folder }: Testbed): Promise<string[]> {
  const small = await timeReads(join(folder, "small.db"), SMALL);
  const large = await timeReads(join(folder, "large.db"), LARGE);
  return [
    `history: ${(large / small).toFixed(2)} × the small database's`,
    `  ${small.toFixed(1)} µs in ${integer(SMALL)} messages, ${large.toFixed(1)} µs in ${integer(LARGE)}`,
  ];
}

/** Microseconds for one history. */
async function timeReads(path: string, messages: number): Promise<number> {
  fillDatabase(path, ROOMS, messages);
  const store = openStore(path);
  const read = async (times: number) => {
    // A prime step visits all rooms in a mixed order.
    for (let index = 0; index < times; index++)
      await store.messages(1 + ((index * 7919) % ROOMS), { limit: HISTORY_MESSAGES });
  };
  await read(WARM_UP_READS);
  const start = performance.now();
  await read(READS);
  const microseconds = ((performance.now() - start) * 1000) / READS;
  await store.close();
  return microseconds;
}
