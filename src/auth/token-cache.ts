import type { Identity } from "../chat/model.ts";

/** Verified tokens in the cache. Beyond that, the oldest is evicted. */
const MAX_TOKENS = 20_000;

/** Verified tokens, by the SHA-256 of their exact text, so that a reconnect costs no signature check. */
export class TokenCache {
  readonly #identities = new Map<string, Identity>();

  /** The key of a token for `get` and `set`. */
  static keyOf(token: string): string {
    return Bun.SHA256.hash(token, "base64");
  }

  /** The identity of a token. Undefined if it is not in the cache, or no longer accepted. `now` is in milliseconds. */
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
