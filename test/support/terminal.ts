import { type ProcessOptions, Transcript } from "./process.ts";

/** A command that runs in a terminal of its own. It is killed when it goes out of scope. */
export interface TerminalCommand extends AsyncDisposable {
  /** Resolves with all output so far, once it matches. Rejects when the command ends first. */
  waitForOutput(pattern: RegExp): Promise<string>;
  /** Types on the keyboard. */
  type(keys: string): void;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<{ code: number | null; output: string }>;
}

/** Starts a command with its standard input, output and error on a new pseudo-terminal. */
export function startInTerminal(command: string[], { cwd, env = {} }: ProcessOptions): TerminalCommand {
  const transcript = new Transcript();
  const decoder = new TextDecoder();
  const closed = Promise.withResolvers<void>();
  const child = Bun.spawn(command, {
    cwd,
    env,
    terminal: {
      data: (_, bytes) => transcript.add(decoder.decode(bytes, { stream: true })),
      exit: () => closed.resolve(),
    },
  });
  const ended = (async () => {
    // The last output may come after the exit.
    await Promise.all([child.exited, closed.promise]);
    transcript.end();
    return { code: child.exitCode, output: transcript.text };
  })();
  return {
    waitForOutput: (pattern) => transcript.waitForOutput(pattern),
    type: (keys) => void child.terminal?.write(keys),
    kill: (signal) => child.kill(signal),
    ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
