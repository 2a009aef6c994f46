import type { Link, Proxy } from "../support/proxy.ts";
import { Dice } from "./dice.ts";
import type { Ledger } from "./ledger.ts";
import type { MortalServer } from "./server.ts";

export interface FaultsOptions {
  seed: number;
  operations: number;
  kills: number;
  proxies: readonly Proxy[];
  server: MortalServer;
  ledger: Ledger;
}

/** Operations from one fault of the network to the next, on average. */
const interval = 25;
/** Milliseconds of the longest stall: longer than a client on its fast clock waits for an answer. */
const longest = 4_500;

/** What goes wrong, and when: counted in operations, so that the same seed does the same on any machine. */
export class Faults {
  readonly #options: FaultsOptions;
  readonly #dice: Dice;
  readonly #kills: number[];
  #nextFault: number;
  #restarting: Promise<void> | undefined;
  #failed: unknown;
  #stopped = false;

  constructor(options: FaultsOptions) {
    const { seed, kills, operations } = options;
    this.#options = options;
    this.#dice = new Dice(seed, "faults");
    this.#nextFault = this.#dice.below(interval);
    this.#kills = Array.from({ length: kills }, (_, index) =>
      Math.floor(((index + this.#dice.between(0.3, 1)) / (kills + 0.5)) * operations),
    );
  }

  /** So many operations have been done. */
  reached(done: number): void {
    if (this.#stopped) return;
    while (done >= this.#nextFault) {
      this.#nextFault += 1 + this.#dice.below(2 * interval);
      this.#harm();
    }
    if (this.#restarting || done < (this.#kills[0] ?? Number.POSITIVE_INFINITY)) return;
    this.#kills.shift();
    this.#restarting = this.#restart()
      .catch((error: unknown) => (this.#failed = error))
      .then(() => (this.#restarting = undefined));
  }

  /** Resolves when the server is up. Rejects when it did not come back. */
  async finished(): Promise<void> {
    await this.#restarting;
    if (this.#failed !== undefined) throw this.#failed as Error;
  }

  /** Nothing goes wrong any more. */
  stop(): void {
    this.#stopped = true;
  }

  summary(): string {
    const { server, ledger } = this.#options;
    const cuts = [...ledger.counts].filter(([what]) => what.startsWith("network: "));
    return `${server.kills} kills, ${cuts.reduce((sum, [, count]) => sum + count, 0)} faults of the network`;
  }

  async #restart(): Promise<void> {
    const { server } = this.#options;
    // Anywhere in the work: between two batches, in a commit, before a publish.
    await Bun.sleep(this.#dice.between(0, 40));
    if (server.kills % 3 === 2 && server.restarts < Math.floor(server.kills / 3)) await server.restart();
    else await server.kill();
  }

  #harm(): void {
    const { proxies, ledger } = this.#options;
    const dice = this.#dice;
    const [roll, place, size, away] = [dice.next(), dice.next(), dice.next(), dice.chance(0.5)];
    const links = proxies.flatMap((proxy) => [...proxy.links]);
    const link = links[Math.floor(place * links.length)];
    const side = away ? "client" : "server";
    const faults: [share: number, what: string, harm: (link: Link) => void][] = [
      [0.25, "cut", (each) => each.cut()],
      [0.2, "cut within a frame", (each) => each.cutWithin(side)],
      [0.1, "ended", (each) => each.end()],
      [0.15, "half closed", (each) => each.halfClose(side)],
      [0.2, "stalled", (each) => each.stall(side, 20 + size ** 3 * longest)],
      [
        0.05,
        "stalled both ways",
        (each) => ["client", "server"].forEach((to) => each.stall(to as "client", 20 + size * longest)),
      ],
      [0.04, "no newcomers", () => proxies.forEach((proxy) => proxy.refuse(50 + size * 500))],
      [0.01, "all cut", () => links.forEach((each) => each.cut())],
    ];
    let sum = 0;
    const found = faults.find(([share]) => (sum += share) > roll) ?? faults[0];
    if (!found || !link) return;
    ledger.count(`network: ${found[1]}`);
    found[2](link);
  }
}
