import { dirname } from "node:path";

import { listeningUrl, type RunningProcess, startProcess } from "../support/process.ts";
import { audience } from "../support/tokens.ts";
import type { Dice } from "./dice.ts";

export interface ServerOptions {
  binary: string;
  database: string;
  issuer: string;
}

/** A server that dies and comes back, at the same place with the same database. */
export class MortalServer implements AsyncDisposable {
  kills = 0;
  restarts = 0;
  /** It ended when nobody wanted it to. */
  died: string | undefined;
  #running: RunningProcess | undefined;
  #wanted = false;
  #over = false;

  private constructor(
    private readonly options: ServerOptions,
    readonly port: number,
  ) {}

  static async start(options: ServerOptions, dice: Dice): Promise<MortalServer> {
    const server = new MortalServer(options, freePort(dice));
    await server.#start();
    return server;
  }

  get address(): { host: string; port: number } {
    return { host: "127.0.0.1", port: this.port };
  }

  async #start(): Promise<void> {
    if (this.#over) throw new Error("the run is over");
    const { binary, database, issuer } = this.options;
    this.#running = startProcess([binary, "serve"], {
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
    await listeningUrl(this.#running);
    this.#wanted = true;
    void this.#look(this.#running);
  }

  async #look({ ended }: RunningProcess): Promise<void> {
    const { code, stdout, stderr } = await ended;
    if (this.#wanted)
      this.died = `the server ended by itself with ${code}: ${stderr}\n${stdout.slice(-2000)}`;
  }

  /** Kills it with -9, whatever it is doing, and starts it again. */
  async kill(): Promise<void> {
    this.kills++;
    this.#wanted = false;
    this.#running?.kill("SIGKILL");
    await this.#running?.ended;
    await this.#start();
  }

  /** Stops it in good order, and starts it again. */
  async restart(): Promise<void> {
    this.restarts++;
    await this.stop();
    await this.#start();
  }

  /** Stops it in good order. Rejects when that fails. */
  async stop(): Promise<void> {
    this.#wanted = false;
    this.#running?.kill("SIGTERM");
    const ended = await this.#running?.ended;
    if (ended?.code !== 0) throw new Error(`the server ended with ${ended?.code}: ${ended?.stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wanted = false;
    this.#over = true;
    await this.#running?.[Symbol.asyncDispose]();
  }
}

/**
 * A port below those that systems give to outgoing connections: while the server is away, none of the proxy's may take
 * its place.
 */
function freePort(dice: Dice): number {
  for (;;) {
    const port = 10_000 + ((dice.below(20_000) + process.pid) % 20_000);
    try {
      const listener = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
      listener.stop(true);
      return port;
    } catch {
      // Somebody has it.
    }
  }
}
