import { compare } from "./compare.ts";
import { fanOut } from "./crowd.ts";
import type { Dialect } from "./dialects.ts";
import { sendToAck } from "./send-to-ack.ts";
import { CROWD_SIZE, onServer, SMALL_ROOMS, type Testbed } from "./testbed.ts";

const loads = [
  { title: `send → ack, ${SMALL_ROOMS} rooms, 1 message in flight each`, run: sendToAck, inFlight: 1 },
  { title: `send → ack, ${SMALL_ROOMS} rooms, 16 messages in flight each`, run: sendToAck, inFlight: 16 },
  { title: `a room of ${CROWD_SIZE}, 4 senders, 4 messages in flight each`, run: fanOut, inFlight: 4 },
];

/** The same messages in two dialects: from sending to the ack, and to everyone in a large room. */
export async function compareDialects(
  testbed: Testbed,
  baseline: Dialect,
  candidate: Dialect,
): Promise<string[]> {
  const lines: string[] = [];
  for (const { title, run, inFlight } of loads) {
    const contender = (dialect: Dialect) =>
      onServer(dialect.name, testbed.parley, (server) => run(server, testbed, dialect, inFlight));
    lines.push(...(await compare(title, testbed.rounds, contender(baseline), contender(candidate))));
  }
  return lines;
}
