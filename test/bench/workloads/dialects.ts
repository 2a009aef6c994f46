import { compareDialects, speaker } from "../compare-dialects.ts";
import { classic, v2 } from "../dialects.ts";
import type { Testbed } from "../testbed.ts";

/** `chat.v2` beside `classic`: what acks, cursors and larger frames cost. */
export function dialects(testbed: Testbed): Promise<string[]> {
  return compareDialects(testbed, speaker(classic), speaker(v2));
}
