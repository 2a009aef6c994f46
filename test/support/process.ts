import { join } from "node:path";

import { version } from "../../package.json";

export { version };

export const root = join(import.meta.dir, "../..");

/** The command line, run from its source. Without a shell or npm, so that no PATH is needed. */
export const parleyCommand = [process.execPath, join(root, "src/main.ts")];

export interface ProcessResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface ProcessOptions {
  cwd: string;
  /** The whole environment; nothing is inherited. */
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

/** A command that runs until it is told to stop. It is killed when it goes out of scope. */
export interface RunningProcess extends AsyncDisposable {
  pid: number;
  /** Resolves with all output so far, once it matches. Rejects when the command ends first. */
  waitForOutput(pattern: RegExp): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<ProcessResult>;
}

export function startProcess(command: string[], { cwd, env = {} }: ProcessOptions): RunningProcess {
  const child = Bun.spawn(command, { cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const transcript = new Transcript();
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) transcript.add(decoder.decode(chunk, { stream: true }));
  })();
  const ended = (async () => {
    const [stderr] = await Promise.all([child.stderr.text(), reading, child.exited]);
    transcript.end();
    return { code: child.exitCode, stdout: transcript.text, stderr };
  })();
  return {
    pid: child.pid,
    waitForOutput: (pattern) => transcript.waitForOutput(pattern),
    kill: (signal) => child.kill(signal),
    ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** What a command has printed so far. */
export class Transcript {
  text = "";
  #ended = false;
  #wake = Promise.withResolvers<void>();

  add(text: string): void {
    this.text += text;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  async waitForOutput(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text)) {
      if (this.#ended) throw new Error(`ended without printing ${pattern}: ${this.text}`);
      await this.#wake.promise;
    }
    return this.text;
  }
}

/** The URL that a server logs once it is listening. */
export async function listeningUrl(server: Pick<RunningProcess, "waitForOutput">): Promise<URL> {
  const log = await server.waitForOutput(/"msg":"listening"/);
  const line = log.split("\n").find((text) => text.includes('"msg":"listening"'));
  return new URL((JSON.parse(line ?? "{}") as { url: string }).url);
}
