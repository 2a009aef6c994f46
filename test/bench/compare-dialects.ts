import { compare } from "./compare.ts";
import { fanOut } from "./crowd.ts";
import type { Dialect } from "./dialects.ts";
import { sendToAck } from "./send-to-ack.ts";
import type { Server } from "./server.ts";
import { CROWD_SIZE, onServer, SMALL_ROOMS, type Testbed } from "./testbed.ts";

const loads = [
  { title: `send → ack, ${SMALL_ROOMS} rooms, 1 message in flight each`, run: sendToAck, inFlight: 1 },
  { title: `send → ack, ${SMALL_ROOMS} rooms, 16 messages in flight each`, run: sendToAck, inFlight: 16 },
  { title: `a room of ${CROWD_SIZE}, 4 senders, 4 messages in flight each`, run: fanOut, inFlight: 4 },
];

/** A dialect, and the server that speaks it, if that is not the testbed's. */
export interface Speaker {
  name: string;
  dialect: Dialect;
  start?: () => Promise<Server>;
}

/** The same messages in two dialects: from sending to the ack, and to everyone in a large room. */
export async function compareDialects(
  testbed: Testbed,
  baseline: Speaker,
  candidate: Speaker,
): Promise<string[]> {
  const lines: string[] = [];
  for (const { title, run, inFlight } of loads) {
    const contender = ({ name, dialect, start = testbed.parley }: Speaker) =>
      onServer(
        name,
        () => start(),
        (server) => run(server, testbed, dialect, inFlight),
      );
    lines.push(...(await compare(title, testbed.rounds, contender(baseline), contender(candidate))));
  }
  return lines;
}

/** A dialect on the testbed's server. */
export function speaker(dialect: Dialect): Speaker {
  return { name: dialect.name, dialect };
}
