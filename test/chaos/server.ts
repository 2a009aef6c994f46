import { dirname } from "node:path";

import {
  listeningUrl,
  type ProcessResult,
  type RunningProcess,
  runProcess,
  startProcess,
} from "../support/process.ts";
import type { Random } from "../support/random.ts";
import { audience } from "../support/tokens.ts";

export interface ChaosServerOptions {
  /** Path of the compiled server. */
  binary: string;
  database: string;
  issuer: string;
}

/** A server that can be killed and started again, on the same port with the same database. */
export class ChaosServer implements AsyncDisposable {
  kills = 0;
  restarts = 0;
  /** Set when the server ended by itself. */
  crash: string | undefined;
  #process: RunningProcess | undefined;
  /** Whether the process is meant to be running. */
  #expected = false;
  #disposed = false;

  private constructor(
    private readonly options: ChaosServerOptions,
    readonly port: number,
  ) {}

  static async start(options: ChaosServerOptions, random: Random): Promise<ChaosServer> {
    const server = new ChaosServer(options, freePort(random));
    await server.#start();
    return server;
  }

  async #start(): Promise<void> {
    if (this.#disposed) throw new Error("the run is over");
    const { binary, database, issuer } = this.options;
    this.#process = startProcess([binary, "serve"], {
      cwd: dirname(database),
      env: {
        PARLEY_PORT: String(this.port),
        PARLEY_DATABASE: database,
        PARLEY_ISSUER: issuer,
        PARLEY_AUDIENCE: audience,
        PARLEY_CLOCK_TOLERANCE: "0",
        PARLEY_MESSAGE_RATE: "0",
        PARLEY_CONNECTIONS_PER_USER: "0",
        PARLEY_DRAIN: "0.3",
      },
    });
    await listeningUrl(this.#process);
    this.#expected = true;
    void this.#detectCrash(this.#process);
  }

  async #detectCrash({ ended }: RunningProcess): Promise<void> {
    const { code, stdout, stderr } = await ended;
    if (this.#expected) this.crash = `the server exited with ${code}: ${stderr}\n${stdout.slice(-2000)}`;
  }

  /** Runs a command of the command line in a process of its own, which writes to the same database. */
  run(...command: string[]): Promise<ProcessResult> {
    const { binary, database } = this.options;
    return runProcess([binary, ...command], {
      cwd: dirname(database),
      env: { PARLEY_DATABASE: database },
    });
  }

  /** Kills the process with SIGKILL and starts it again. */
  async kill(): Promise<void> {
    this.kills++;
    this.#expected = false;
    this.#process?.kill("SIGKILL");
    await this.#process?.ended;
    await this.#start();
  }

  /** Stops the server gracefully and starts it again. */
  async restart(): Promise<void> {
    this.restarts++;
    await this.stop();
    await this.#start();
  }

  /** Stops the server gracefully. Rejects when it does not exit with 0. */
  async stop(): Promise<void> {
    this.#expected = false;
    this.#process?.kill("SIGTERM");
    const ended = await this.#process?.ended;
    if (ended?.code !== 0) throw new Error(`the server exited with ${ended?.code}: ${ended?.stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#expected = false;
    this.#disposed = true;
    await this.#process?.[Symbol.asyncDispose]();
  }
}

/** A port below the ephemeral range, so that no outgoing connection takes it while the server is down. */
function freePort(random: Random): number {
  for (;;) {
    const port = 10_000 + ((random.integer(20_000) + process.pid) % 20_000);
    try {
      const listener = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
      listener.stop(true);
      return port;
    } catch {
      // In use: try another.
    }
  }
}
