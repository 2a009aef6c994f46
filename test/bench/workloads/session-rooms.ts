import { compareDialects, speaker } from "../compare-dialects.ts";
import { session, v2 } from "../dialects.ts";
import type { Testbed } from "../testbed.ts";

/** Rooms that are open in sessions, beside connections to the rooms' URLs. */
export function sessionRooms(testbed: Testbed): Promise<string[]> {
  return compareDialects(testbed, speaker(v2), speaker(session));
}
