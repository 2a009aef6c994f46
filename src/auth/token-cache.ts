import type { Identity } from "../chat/model.ts";

/** The most verified tokens that are kept; the oldest is evicted. */
const MAX_TOKENS = 20_000;

/** Verified tokens, by the SHA-256 of their exact text, so that a reconnect costs no signature check. */
export class TokenCache {
  readonly #identities = new Map<string, Identity>();

  /** What `get` and `set` know a token by. */
  static keyOf(token: string): string {
    return Bun.SHA256.hash(token, "base64");
  }

  /** Undefined for a token that is not in the cache, or not accepted any longer. */
  get(key: string, now: number): Identity | undefined {
    const identity = this.#identities.get(key);
    if (identity === undefined || now < identity.acceptedUntil) return identity;
    this.#identities.delete(key);
    return undefined;
  }

  set(key: string, identity: Identity): void {
    if (this.#identities.size >= MAX_TOKENS) {
      const [oldest] = this.#identities.keys();
      if (oldest !== undefined) this.#identities.delete(oldest);
    }
    this.#identities.set(key, identity);
  }

  /** Removes the tokens that these keys signed. */
  deleteSignedWith(signingKeys: ReadonlySet<string>): void {
    for (const [key, { signingKey }] of this.#identities) {
      if (signingKeys.has(signingKey)) this.#identities.delete(key);
    }
  }
}
