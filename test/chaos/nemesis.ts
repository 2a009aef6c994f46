import type { Link, Proxy } from "../support/proxy.ts";
import { Random } from "../support/random.ts";
import type { History } from "./history.ts";
import type { ChaosServer } from "./server.ts";

export interface NemesisOptions {
  seed: number;
  operations: number;
  /** Times that the server is killed or restarted. */
  kills: number;
  proxies: readonly Proxy[];
  server: ChaosServer;
  history: History;
}

/** Operations between two network faults, on average. */
const NETWORK_FAULT_INTERVAL = 25;
/** Longer than a client on its fast clock waits for an answer. */
const MAX_STALL_MS = 4_500;
const MIN_STALL_MS = 20;
const MAX_REFUSE_MS = 550;
/** The server is killed up to this long after the operation that triggers it: between two batches, in a commit, before a publish. */
const MAX_KILL_DELAY_MS = 40;

/** Share of the operations at the end that no fault disturbs: there, nothing that was missed is mended by a reconnect. */
export const CALM_SHARE = 0.25;

/** Injects faults. It counts in operations, so that the same seed does the same on every machine. */
export class Nemesis {
  readonly #options: NemesisOptions;
  readonly #random: Random;
  /** Operations after which the server is restarted, ascending. */
  readonly #restartsAt: number[];
  #nextFaultAt: number;
  readonly #calmFrom: number;
  #restarting: Promise<void> | undefined;
  #failure: unknown;
  #stopped = false;

  constructor(options: NemesisOptions) {
    const { seed, kills, operations } = options;
    this.#options = options;
    this.#random = new Random(seed, "nemesis");
    this.#nextFaultAt = this.#random.integer(NETWORK_FAULT_INTERVAL);
    this.#calmFrom = (1 - CALM_SHARE) * operations;
    this.#restartsAt = Array.from({ length: kills }, (_, index) =>
      Math.floor(((index + this.#random.between(0.3, 1)) / kills) * this.#calmFrom),
    );
  }

  /** Injects the faults that are due after this many operations. */
  advance(operationsDone: number): void {
    if (this.#stopped) return;
    while (operationsDone >= this.#nextFaultAt && this.#nextFaultAt < this.#calmFrom) {
      this.#nextFaultAt += 1 + this.#random.integer(2 * NETWORK_FAULT_INTERVAL);
      this.#disturbNetwork();
    }
    if (this.#restarting || operationsDone < (this.#restartsAt[0] ?? Number.POSITIVE_INFINITY)) return;
    this.#restartsAt.shift();
    this.#restarting = this.#restartServer()
      .catch((error: unknown) => (this.#failure = error))
      .then(() => (this.#restarting = undefined));
  }

  /** Resolves when the server is up again. Rejects when it did not come back. */
  async finish(): Promise<void> {
    await this.#restarting;
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Kills the server; every third time restarts it gracefully. */
  async #restartServer(): Promise<void> {
    const { server } = this.#options;
    await Bun.sleep(this.#random.between(0, MAX_KILL_DELAY_MS));
    if ((server.kills + server.restarts) % 3 === 2) await server.restart();
    else await server.kill();
  }

  #disturbNetwork(): void {
    const { proxies, history } = this.#options;
    const random = this.#random;
    // Always the same number of draws, whatever the fault.
    const [roll, place, size] = [random.next(), random.next(), random.next()];
    const side = random.chance(0.5) ? "client" : "server";
    const links = proxies.flatMap((proxy) => [...proxy.links]);
    const link = links[Math.floor(place * links.length)];
    const faults: [probability: number, name: string, inject: (link: Link) => void][] = [
      [0.25, "cut", (target) => target.cut()],
      [0.2, "cut within a frame", (target) => target.cutWithin(side)],
      [0.1, "closed", (target) => target.end()],
      [0.15, "half closed", (target) => target.halfClose(side)],
      [0.2, "stalled", (target) => target.stall(side, MIN_STALL_MS + size ** 3 * MAX_STALL_MS)],
      [
        0.05,
        "stalled both ways",
        (target) => {
          target.stall("client", MIN_STALL_MS + size * MAX_STALL_MS);
          target.stall("server", MIN_STALL_MS + size * MAX_STALL_MS);
        },
      ],
      [0.04, "connections refused", () => proxies.forEach((proxy) => proxy.refuse(size * MAX_REFUSE_MS))],
      [0.01, "all cut", () => links.forEach((each) => each.cut())],
    ];
    let sum = 0;
    const fault = faults.find(([probability]) => (sum += probability) > roll) ?? faults[0];
    if (!fault || !link) return;
    const [, name, inject] = fault;
    history.count(`network: ${name}`);
    inject(link);
  }
}
