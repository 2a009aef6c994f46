import { cpus } from "node:os";

import { pinGenerator } from "./server.ts";
import { createTestbed, type Testbed } from "./testbed.ts";
import { activity } from "./workloads/activity.ts";
import { api } from "./workloads/api.ts";
import { calm } from "./workloads/calm.ts";
import { connect } from "./workloads/connect.ts";
import { crowd } from "./workloads/crowd.ts";
import { dialects } from "./workloads/dialects.ts";
import { history } from "./workloads/history.ts";
import { idle } from "./workloads/idle.ts";
import { resume } from "./workloads/resume.ts";
import { rooms } from "./workloads/rooms.ts";
import { search } from "./workloads/search.ts";
import { sessionResume } from "./workloads/session-resume.ts";
import { sessionRooms } from "./workloads/session-rooms.ts";
import { sessions } from "./workloads/sessions.ts";
import { templates } from "./workloads/templates.ts";

// What Parley costs beside a bare Bun server under the same load. `npm run bench -- crowd calm` runs these workloads
// alone; ROUNDS sets how often each comparison is repeated.

const workloads: Record<string, (testbed: Testbed) => Promise<string[]>> = {
  rooms,
  crowd,
  calm,
  connect,
  idle,
  dialects,
  templates,
  resume,
  history,
  api,
  search,
  sessions,
  activity,
  "session-rooms": sessionRooms,
  "session-resume": sessionResume,
};
const DEFAULT_ROUNDS = 5;

const names = process.argv.slice(2);
const unknown = names.filter((name) => !(name in workloads));
if (unknown.length > 0) {
  console.error(`Unknown workload: ${unknown.join(", ")}. Known: ${Object.keys(workloads).join(", ")}`);
  process.exit(1);
}

pinGenerator();
console.log(`${cpus()[0]?.model ?? "unknown CPU"}, ${cpus().length} cores, Bun ${Bun.version}`);
{
  await using testbed = await createTestbed(Number(process.env["ROUNDS"] ?? DEFAULT_ROUNDS));
  for (const [name, run] of Object.entries(workloads)) {
    if (names.length > 0 && !names.includes(name)) continue;
    console.log(`\n${(await run(testbed)).join("\n")}`);
  }
}
// Sockets that were closed may keep the process alive.
process.exit(0);
