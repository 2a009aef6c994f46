import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { root, type RunningProcess, startProcess } from "../support/process.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

// Each test starts processes, which takes long on a busy machine.
setDefaultTimeout(20_000);

/** Runs the body in a process of its own, with `runServer`, `runUntilSignal` and a `log` in scope. */
function script(cwd: string, body: string): RunningProcess {
  const source = `
    import { createLog } from ${JSON.stringify(join(root, "src/cli/log.ts"))};
    import { runServer, runUntilSignal } from ${JSON.stringify(join(root, "src/cli/run-server.ts"))};
    const log = createLog("info", { write: (line) => process.stdout.write(line) });
    const config = { logLevel: "info", drain: 0 };
    const never = new Promise(() => {});
    ${body}`;
  return startProcess([process.execPath, "-e", source], { cwd });
}

const logged = (stdout: string) =>
  stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test("a shutdown that takes too long is given up, and the log says so", async () => {
  using folder = temporaryFolder();
  await using server = script(
    folder.path,
    `setTimeout(() => process.kill(process.pid, "SIGTERM"));
     await runUntilSignal(async () => ({ stop: () => never }), log, 100).catch((error) => {
       console.log(error.message);
       process.exit(1);
     });`,
  );
  const { code, stdout } = await server.ended;
  expect(code).toBe(1);
  expect(logged(stdout)).toMatchObject([
    { msg: "Shutting down", signal: "SIGTERM" },
    { msg: "Shutdown takes too long, exiting", limitMs: 100 },
  ]);
  expect(stdout).toContain("The shutdown took longer than 0.1 seconds.");
});

test("so is one that waits for a start without an end", async () => {
  using folder = temporaryFolder();
  await using server = script(
    folder.path,
    `setTimeout(() => process.kill(process.pid, "SIGTERM"));
     await runUntilSignal(() => never, log, 100).catch(() => process.exit(1));`,
  );
  expect((await server.ended).code).toBe(1);
});

test("a shutdown that fails is logged with its reason", async () => {
  using folder = temporaryFolder();
  await using server = script(
    folder.path,
    `setTimeout(() => process.kill(process.pid, "SIGINT"));
     const stop = () => Promise.reject(new Error("the disk is gone"));
     await runServer(config, async () => ({ stop })).catch((error) => {
       console.log(error.message);
       process.exit(1);
     });`,
  );
  const { code, stdout } = await server.ended;
  expect(code).toBe(1);
  expect(logged(stdout)).toMatchObject([
    { msg: "Shutting down" },
    { msg: "Shutdown failed", err: { message: "the disk is gone" } },
  ]);
  expect(stdout).toContain("The shutdown failed. See the log.");
});

test.each([
  ["an exception that nobody catches", "setTimeout(() => { throw new Error('oops'); })"],
  ["a rejection that nobody handles", "void Promise.reject(new Error('oops'))"],
])("%s is logged before the process ends", async (_, fault) => {
  using folder = temporaryFolder();
  await using server = script(
    folder.path,
    `await runServer(config, async (log) => {
       log.info("listening");
       ${fault};
       return { stop: async () => {} };
     });`,
  );
  const { code, stdout } = await server.ended;
  expect(code).toBe(1);
  expect(logged(stdout)).toMatchObject([
    { msg: "listening" },
    { level: 60, msg: "Unexpected error, exiting", err: { message: "oops" } },
  ]);
});
