import { join } from "node:path";

import { version } from "../../package.json";

export { version };

export const root = join(import.meta.dir, "../..");

/** The command line as it is run while developing. Not by way of the shell, so that no PATH is needed. */
export const parleyCommand = [process.execPath, join(root, "src/main.ts")];

export interface ProcessResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface ProcessOptions {
  cwd: string;
  /** The whole environment: nothing of the test's own comes along. */
  env?: Record<string, string>;
}

/** Runs a command to its end. */
export async function runProcess(
  command: string[],
  { cwd, env = {} }: ProcessOptions,
): Promise<ProcessResult> {
  const child = Bun.spawn(command, { cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  return { code: child.exitCode, stdout, stderr };
}

/** A command that goes on until it is told to stop. It is killed at the end of the test, if it still runs then. */
export interface RunningProcess extends AsyncDisposable {
  pid: number;
  /** Resolves with what was printed so far, once it matches. Rejects when the command ends without. */
  waitForOutput(pattern: RegExp): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<ProcessResult>;
}

export function startProcess(command: string[], { cwd, env = {} }: ProcessOptions): RunningProcess {
  const child = Bun.spawn(command, { cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  let stdout = "";
  let wake = Promise.withResolvers<void>();
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      stdout += decoder.decode(chunk, { stream: true });
      wake.resolve();
      wake = Promise.withResolvers();
    }
  })();
  const ended = (async () => {
    const [stderr] = await Promise.all([child.stderr.text(), reading, child.exited]);
    wake.resolve();
    return { code: child.exitCode, stdout, stderr };
  })();
  return {
    pid: child.pid,
    async waitForOutput(pattern) {
      for (;;) {
        if (pattern.test(stdout)) return stdout;
        if (child.exitCode !== null) throw new Error(`ended without ${pattern}: ${(await ended).stderr}`);
        await wake.promise;
      }
    },
    kill: (signal) => child.kill(signal),
    ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** The URL that a server logs once it listens. */
export async function listeningUrl(server: RunningProcess): Promise<URL> {
  const log = await server.waitForOutput(/"msg":"listening"/);
  const line = log.split("\n").find((text) => text.includes('"msg":"listening"'));
  return new URL((JSON.parse(line ?? "{}") as { url: string }).url);
}
