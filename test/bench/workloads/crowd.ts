import { compare } from "../compare.ts";
import { fanOut } from "../crowd.ts";
import { classic } from "../dialects.ts";
import { CROWD_SIZE, onServer, type Testbed } from "../testbed.ts";

const IN_FLIGHT = 4;

/** A large busy room: what a delivery costs. */
export function crowd(testbed: Testbed): Promise<string[]> {
  return compare(
    `a room of ${CROWD_SIZE}, 4 senders, ${IN_FLIGHT} messages in flight each`,
    testbed.rounds,
    onServer("bare", testbed.bare, (server) => fanOut(server, testbed, classic, IN_FLIGHT)),
    onServer("parley", testbed.parley, (server) => fanOut(server, testbed, classic, IN_FLIGHT)),
  );
}
