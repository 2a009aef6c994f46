import type { Token } from "../../src/client/index.ts";
import type { Issuer } from "../support/issuer.ts";
import type { Random } from "../support/random.ts";
import type { History } from "./history.ts";

const SLOW_SHARE = 0.2;
const MAX_DELAY_MS = 1_500;

/** Tokens for the clients under test, some of which expire soon. */
export class Tokens {
  #healed = false;

  constructor(
    private readonly issuer: Issuer,
    private readonly lifetimeSeconds: number,
    private readonly history: History,
  ) {}

  /** From now on all tokens are long-lived, and no request for one fails. */
  heal(): void {
    this.#healed = true;
  }

  /** Some take a while, so that a client which has lost its connection misses what happens meanwhile. */
  longLived(email: string, random: Random): Token {
    let token: Promise<string> | undefined;
    return async ({ refresh }) => {
      if (refresh) token = undefined;
      await this.#delay(random);
      return (token ??= this.issuer.sign(email));
    };
  }

  /** Expire after a few seconds. A refresh may fail, or return the old token. */
  shortLived(email: string, random: Random): Token {
    let token: string | undefined;
    return async ({ refresh }) => {
      await this.#delay(random);
      if (token !== undefined && !refresh) return token;
      if (this.#healed) return (token = await this.issuer.sign(email));
      if (token !== undefined && random.chance(0.2)) throw new Error("the identity provider is down");
      if (token !== undefined && random.chance(0.2)) return token;
      const exp = Math.floor(Date.now() / 1000) + 1 + Math.ceil(random.between(0, this.lifetimeSeconds));
      this.history.count("short-lived tokens");
      return (token = await this.issuer.sign(email, { claims: { exp } }));
    };
  }

  async #delay(random: Random): Promise<void> {
    if (random.chance(SLOW_SHARE) && !this.#healed) await Bun.sleep(random.between(0, MAX_DELAY_MS));
  }
}
