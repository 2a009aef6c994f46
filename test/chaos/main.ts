import { parseArgs } from "node:util";

import { buildBinary } from "../support/binary.ts";
import { runChaos } from "./run.ts";

// `npm run chaos -- --seed 7 --operations 20000`. Without a seed one is chosen at random, and printed.
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
    operations: { type: "string", default: "20000" },
    users: { type: "string", default: "30" },
    rooms: { type: "string", default: "20" },
    kills: { type: "string", default: "8" },
  },
});

function integer(name: keyof typeof values): number {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} must be a non-negative integer`);
  return value;
}

const options = {
  seed: integer("seed"),
  operations: integer("operations"),
  users: integer("users"),
  rooms: integer("rooms"),
  kills: integer("kills"),
};
const flags = Object.entries(options).map(([name, value]) => `--${name} ${value}`);
const command = `npm run chaos -- ${flags.join(" ")}`;

console.log(command);
using binary = await buildBinary();
const { violations, counts, operations, seconds } = await runChaos({
  ...options,
  binary: binary.path,
  tokenLifetimeSeconds: 6,
  stallTimeoutSeconds: 60,
  progress: (line) => console.log(line),
});
console.log(`\n${operations} operations in ${seconds.toFixed(1)} s`);
for (const [name, count] of [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  console.log(`${String(count).padStart(8)}  ${name}`);
if (violations.length > 0) {
  console.error(`\nFailed with ${violations.length} violations. The first ones:`);
  console.error(violations.slice(0, 20).join("\n"));
  console.error(`Repeat with: ${command}`);
  process.exitCode = 1;
}
