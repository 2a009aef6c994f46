import { Database } from "bun:sqlite";

import { open } from "../../src/store/sqlite/open.ts";

// A process that opens a database: <path> [die-at <statement> | count | as-nobody | at <milliseconds since the epoch>]
const [path = "", mode, argument] = process.argv.slice(2);

let statements = 0;
if (mode === "die-at" || mode === "count") {
  const last = mode === "count" ? Infinity : Number(argument);
  for (const name of ["prepare", "run"] as const) {
    const original = Database.prototype[name];
    Database.prototype[name] = function (this: Database, ...parameters: never[]) {
      // As in a power failure, nothing is closed or rolled back.
      if (statements++ >= last) process.kill(process.pid, "SIGKILL");
      return Reflect.apply(original, this, parameters) as never;
    };
  }
}
if (mode === "as-nobody") process.setuid?.(65_534);
if (mode === "at") while (Date.now() < Number(argument));

try {
  open(path, { check: true }).$client.close();
  // How many statements can be died at.
  if (mode === "count") process.stdout.write(String(statements));
} catch (error) {
  process.stderr.write(String(error));
  process.exitCode = 1;
}
