import { readFileSync } from "node:fs";

import type { Server } from "./server.ts";

const CLOCK_TICK_US = 10_000;

/** CPU time that a process has used with all its threads, in microseconds, accurate to 10 ms. */
export function cpuTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_US;
}

/** Resident memory of a process, in bytes. */
export function residentMemory(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
}

/** What happened in a period of time. */
export interface Period {
  seconds: number;
  /** CPU time in microseconds. */
  serverCpu: number;
  generatorCpu: number;
}

/** Measures the next milliseconds. */
export async function measure({ pid }: Server, milliseconds: number): Promise<Period> {
  const [start, server, generator] = [performance.now(), cpuTime(pid), cpuTime(process.pid)];
  await Bun.sleep(milliseconds);
  return {
    seconds: (performance.now() - start) / 1000,
    serverCpu: cpuTime(pid) - server,
    generatorCpu: cpuTime(process.pid) - generator,
  };
}

/** How busy the two cores were. The server is the limit when its core is, and the generator's is not. */
export function load({ seconds, serverCpu, generatorCpu }: Period): string {
  const share = (cpu: number) => `${Math.round((cpu / 1e6 / seconds) * 100)} %`;
  return `server ${share(serverCpu)}, generator ${share(generatorCpu)} of a core`;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Half and nearly all of some latencies, in milliseconds. */
export function latency(values: readonly number[]): string {
  return `p50 ${percentile(values, 0.5).toFixed(2)} ms, p99 ${percentile(values, 0.99).toFixed(2)} ms`;
}

export function integer(value: number): string {
  return Math.round(value).toLocaleString("en");
}
