/** A server under test, in a process on the first core. */
export interface Server extends AsyncDisposable {
  url: URL;
  pid: number;
}

const taskset = Bun.which("taskset");

/** Moves the generator, which is this process, to the second core. */
export function pinGenerator(): void {
  if (taskset) Bun.spawnSync([taskset, "-acp", "1", String(process.pid)], { stdout: "ignore" });
}

/** Starts a server and waits for its log line `{"msg":"listening","url":…}`. */
export async function startServer(command: string[], env: Record<string, string> = {}): Promise<Server> {
  const child = Bun.spawn([...(taskset ? [taskset, "-c", "0"] : []), ...command], {
    env: { ...process.env, ...env },
    stdout: "pipe",
    stderr: "inherit",
  });
  const listening = Promise.withResolvers<string>();
  void readLog(child.stdout, listening.resolve).then(() =>
    listening.reject(new Error("the server did not start")),
  );
  return {
    url: new URL(await listening.promise),
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** Reads a log to its end, so that its writer never blocks. */
async function readLog(
  log: ReadableStream<Uint8Array<ArrayBuffer>>,
  listening: (url: string) => void,
): Promise<void> {
  let found = false;
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of log) {
    if (found) continue;
    text += decoder.decode(chunk, { stream: true });
    const line = text.split("\n").find((each) => each.includes('"listening"') && each.endsWith("}"));
    if (line === undefined) continue;
    found = true;
    listening((JSON.parse(line) as { url: string }).url);
  }
}
