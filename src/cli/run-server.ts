import type { Logger } from "pino";

import type { Config } from "../config.ts";
import type { RunningServer } from "../server.ts";
import { EXIT_FAILED, Failure } from "./failure.ts";
import { LogDestination } from "./log-destination.ts";
import { createLog } from "./log.ts";

const STDOUT_FD = 1;
/** How long the last log lines may take to be written. */
const LAST_FLUSH_MS = 500;
/** How long a shutdown may take beyond PARLEY_DRAIN. */
const SHUTDOWN_GRACE_MS = 10_000;

export type StartServer = (log: Logger, output: LogDestination) => Promise<RunningServer>;

/**
 * Runs a server until SIGTERM or SIGINT, and shuts it down. Resolves after a clean shutdown. Rejects with the error of the
 * start, or with `Failure` when the shutdown failed or took too long. A second signal exits at once.
 */
export async function runServer(
  { logLevel, drain }: Pick<Config, "logLevel" | "drain">,
  start: StartServer,
): Promise<void> {
  const output = new LogDestination(STDOUT_FD);
  const log = createLog(logLevel, output);
  const crash = async (error: unknown) => {
    log.fatal({ err: error }, "Unexpected error, exiting");
    await output.end(LAST_FLUSH_MS);
    process.exit(EXIT_FAILED);
  };
  process.on("uncaughtException", (error) => void crash(error));
  process.on("unhandledRejection", (error) => void crash(error));
  try {
    await runUntilSignal(() => start(log, output), log, drain * 1000 + SHUTDOWN_GRACE_MS);
  } finally {
    await output.end(LAST_FLUSH_MS);
  }
}

/** `limitMs` is the longest time that the shutdown may take, in milliseconds. */
export function runUntilSignal(
  start: () => Promise<Pick<RunningServer, "stop">>,
  log: Logger,
  limitMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const stop = (signal: NodeJS.Signals) => {
      if (stopping) process.exit(EXIT_FAILED);
      stopping = true;
      log.info({ signal }, "Shutting down");
      setTimeout(() => {
        log.error({ limitMs }, "Shutdown takes too long, exiting");
        reject(new Failure(`The shutdown took longer than ${limitMs / 1000} seconds.`));
      }, limitMs);
      starting
        .then((running) => running.stop())
        .then(resolve, (err: unknown) => {
          log.fatal({ err }, "Shutdown failed");
          reject(new Failure("The shutdown failed. See the log."));
        });
    };
    // Before the start: a signal may come while it waits for signing keys.
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    const starting = start();
    starting.catch(reject);
  });
}
