import { parseArgs } from "node:util";

import { buildBinary } from "../support/binary.ts";
import { runChaos } from "./run.ts";

/** `npm run chaos -- --seed 7 --operations 20000`. The seed is drawn when none is given, and printed. */
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
    operations: { type: "string", default: "20000" },
    clients: { type: "string", default: "30" },
    rooms: { type: "string", default: "5" },
    kills: { type: "string", default: "8" },
  },
});
const number = (name: keyof typeof values): number => {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} is a whole number`);
  return value;
};
const options = {
  seed: number("seed"),
  operations: number("operations"),
  clients: number("clients"),
  rooms: number("rooms"),
  kills: number("kills"),
};
const line = `--seed ${options.seed} --operations ${options.operations} --clients ${options.clients} --rooms ${options.rooms} --kills ${options.kills}`;

console.log(`npm run chaos -- ${line}`);
using binary = await buildBinary();
const { complaints, counts, operations, seconds } = await runChaos({
  ...options,
  binary: binary.path,
  tokenSeconds: 6,
  patience: 60,
  progress: (text) => console.log(text),
});
console.log(`\n${operations} operations in ${seconds.toFixed(1)} s`);
for (const [what, count] of [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  console.log(`${String(count).padStart(8)}  ${what}`);
if (complaints.length > 0) {
  console.error(
    `\nfailed: ${complaints.length} complaints, first of all\n${complaints.slice(0, 20).join("\n")}`,
  );
  console.error(`again with: npm run chaos -- ${line}`);
  process.exitCode = 1;
}
