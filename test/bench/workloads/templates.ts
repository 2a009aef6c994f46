import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { compareDialects, speaker } from "../compare-dialects.ts";
import { classic } from "../dialects.ts";
import type { Testbed } from "../testbed.ts";

/** Frames with more in them than the text. */
const DESCRIPTION = {
  token: { query: "token" },
  message: { type: "message", id: "$seq", message: "$text", username: "$sender_name", timestamp: "$sent_at" },
  edited: { type: "edited", id: "$seq", message: "$text" },
  accept: [{ command: "edit", frame: { action: "edit", id: "$seq", message: "$text" } }],
};

/** `classic` as a classic.json describes it, beside `classic` without one. */
export function templates(testbed: Testbed): Promise<string[]> {
  const file = join(testbed.folder, "classic.json");
  writeFileSync(file, JSON.stringify(DESCRIPTION));
  const start = () => testbed.parley(undefined, { PARLEY_CLASSIC: file });
  return compareDialects(testbed, speaker(classic), { name: "described", dialect: classic, start });
}
