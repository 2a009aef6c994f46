import { Database } from "bun:sqlite";

import { open } from "../../src/store/sqlite/open.ts";

// A process that opens a database, and dies on the way or not: <path> [die-at <n> | as-nobody | at <milliseconds>]
const [path = "", how, argument] = process.argv.slice(2);

if (how === "die-at") {
  let left = Number(argument);
  for (const name of ["prepare", "run"] as const) {
    const original = Database.prototype[name];
    Database.prototype[name] = function (this: Database, ...parameters: never[]) {
      // As a power cut would: nothing is closed, nothing rolled back.
      if (--left < 0) process.kill(process.pid, "SIGKILL");
      return Reflect.apply(original, this, parameters) as never;
    };
  }
}
if (how === "as-nobody") process.setuid?.(65_534);
// All at once.
if (how === "at") while (Date.now() < Number(argument));

try {
  open(path, { check: true }).$client.close();
} catch (error) {
  process.stderr.write(String(error));
  process.exitCode = 1;
}
