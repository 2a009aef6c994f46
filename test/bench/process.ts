import { readFileSync } from "node:fs";

/** A server under test, in a process of its own on a core of its own. */
export interface Served extends AsyncDisposable {
  url: URL;
  pid: number;
}

const taskset = Bun.which("taskset");

/** Puts this process on the second core, away from the server. */
export function pinSelf(): void {
  if (taskset) Bun.spawnSync([taskset, "-acp", "1", String(process.pid)], { stdout: "ignore" });
}

/** Starts a server that logs a line `{"msg":"listening","url":…}`. */
export async function serve(command: string[], env: Record<string, string> = {}): Promise<Served> {
  const child = Bun.spawn([...(taskset ? [taskset, "-c", "0"] : []), ...command], {
    env: { ...process.env, ...env },
    stdout: "pipe",
    stderr: "inherit",
  });
  const started = Promise.withResolvers<string>();
  void listen(child.stdout, started.resolve).then(() =>
    started.reject(new Error("the server did not start")),
  );
  return {
    url: new URL(await started.promise),
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** Reads a log to its end, so that its writer never waits. */
async function listen(
  log: ReadableStream<Uint8Array<ArrayBuffer>>,
  started: (url: string) => void,
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
    started((JSON.parse(line) as { url: string }).url);
  }
}

/** Microseconds of CPU that a process and its threads have used; to 10 ms. */
export function cpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** Bytes of memory that a process holds. */
export function memory(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
}

export function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
