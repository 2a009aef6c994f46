import { compare } from "../compare.ts";
import { classic } from "../dialects.ts";
import { sendToAck } from "../send-to-ack.ts";
import { onServer, SMALL_ROOMS, type Testbed } from "../testbed.ts";

const IN_FLIGHT = 16;

/** Many small rooms with one sender each: what storing a message costs. */
export function rooms(testbed: Testbed): Promise<string[]> {
  return compare(
    `${SMALL_ROOMS} rooms, ${IN_FLIGHT} messages in flight each`,
    testbed.rounds,
    onServer("bare", testbed.bare, (server) => sendToAck(server, testbed, classic, IN_FLIGHT)),
    onServer("parley", testbed.parley, (server) => sendToAck(server, testbed, classic, IN_FLIGHT)),
  );
}
