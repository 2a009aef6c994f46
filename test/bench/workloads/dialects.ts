import { compare } from "../compare.ts";
import { fanOut } from "../crowd.ts";
import { classic, type Dialect, v2 } from "../dialects.ts";
import { sendToAck } from "../send-to-ack.ts";
import type { Server } from "../server.ts";
import { CROWD_SIZE, onServer, SMALL_ROOMS, type Testbed } from "../testbed.ts";

/** `chat.v2` beside `classic`: what acks, cursors and larger frames cost. */
export async function dialects(testbed: Testbed): Promise<string[]> {
  const loads = [
    { title: `send → ack, ${SMALL_ROOMS} rooms, 1 message in flight each`, run: sendToAck, inFlight: 1 },
    { title: `send → ack, ${SMALL_ROOMS} rooms, 16 messages in flight each`, run: sendToAck, inFlight: 16 },
    {
      title: `a room of ${CROWD_SIZE}, 4 senders, 4 messages in flight each`,
      run: fanOut,
      inFlight: 4,
    },
  ];
  const lines: string[] = [];
  for (const { title, run, inFlight } of loads) {
    const contender = (dialect: Dialect) =>
      onServer(dialect.name, testbed.parley, (server: Server) => run(server, testbed, dialect, inFlight));
    lines.push(...(await compare(title, testbed.rounds, contender(classic), contender(v2))));
  }
  return lines;
}
