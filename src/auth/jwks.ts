import type { Logger } from "pino";
import * as v from "valibot";

import { ChatError } from "../chat/errors.ts";
import { isSecureUrl } from "../url.ts";
import { fetchDiscovery, fetchJson } from "./fetch-json.ts";
import { type Candidate, KeySet } from "./key-set.ts";
import { reasonOf } from "./reason.ts";

/** OpenID Connect Discovery 1.0 section 3. */
const discoverySchema = v.object({ issuer: v.string(), jwks_uri: v.string() });

/** Keys, and skipped entries, that one log line lists. */
const MAX_LOGGED_ENTRIES = 20;

export interface JwksOptions {
  /** The `iss` of the tokens, and the base URL of the discovery document. */
  issuer: string;
  /** URL of the key set. Default: the `jwks_uri` of the discovery document. */
  jwksUrl: string | undefined;
  /** Signature algorithms that are accepted. */
  algorithms: readonly string[];
  log: Logger;
  /** Called after a load with the ids of the keys that the issuer no longer publishes. Must not throw. */
  onKeysRevoked: (keys: ReadonlySet<string>) => void;
  timing?: JwksTiming;
}

/** When keys are loaded. All times are in milliseconds. */
export interface JwksTiming {
  /** Time between two loads while the issuer answers. Default: 600,000. */
  reloadIntervalMs?: number;
  /** Time after a load during which tokens with an unknown key cause no other load. Default: 30,000. */
  unknownKeyCooldownMs?: number;
  /** Time from a failed load to the next one, doubled with each further failure. Default: 1,000. */
  minRetryMs?: number;
  /** The longest time from a failed load to the next one. Default: 30,000. */
  maxRetryMs?: number;
  /** Timeout of each request to the issuer. Default: 5,000. */
  timeoutMs?: number;
  /** Milliseconds on a clock that never goes back. Default: `performance.now`. */
  monotonic?: () => number;
}

const DEFAULT_TIMING: Required<JwksTiming> = {
  reloadIntervalMs: 600_000,
  unknownKeyCooldownMs: 30_000,
  minRetryMs: 1000,
  maxRetryMs: 30_000,
  timeoutMs: 5000,
  monotonic: () => performance.now(),
};

/**
 * An issuer's public keys. They are loaded at the start, at intervals, and when a token names an unknown key. While the
 * issuer is down, the last keys stay in use.
 */
export class JwksClient {
  readonly issuer: string;
  readonly #options: JwksOptions;
  readonly #timing: Required<JwksTiming>;
  readonly #stopping = new AbortController();
  #keySet: KeySet | undefined;
  /** Failed loads since the last successful one. */
  #failures = 0;
  /** Earliest time of a load caused by a token, on the monotonic clock. */
  #nextLoadAt = -Infinity;
  #loading: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: JwksOptions) {
    this.#options = options;
    this.#timing = { ...DEFAULT_TIMING, ...options.timing };
    this.issuer = options.issuer;
  }

  /** Whether keys have been loaded. */
  get loaded(): boolean {
    return this.#keySet !== undefined;
  }

  /** Loads the keys now, and again at intervals until `stop`. Never rejects. */
  async start(): Promise<void> {
    await (this.#loading ?? this.#load());
  }

  stop(): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
  }

  /** Whether the issuer still publishes a key. */
  has(key: string): boolean {
    return this.#keySet?.ids.has(key) ?? false;
  }

  /**
   * Returns the keys that may have signed a token with this header, at least one. Rejects with `keys_unavailable` when the
   * issuer does not respond, and with a plain error when it has no such key.
   */
  async candidates(alg: string, kid: string | undefined): Promise<Candidate[]> {
    let candidates = this.#keySet?.candidates(alg, kid) ?? [];
    if (candidates.length > 0) return candidates;
    await this.#loadUnlessRecent();
    candidates = this.#keySet?.candidates(alg, kid) ?? [];
    if (candidates.length > 0) return candidates;
    // The issuer may have published the key since the last successful load.
    if (this.#failures > 0 || !this.#keySet) throw this.#unavailable();
    throw new Error(`the issuer has no key for alg ${alg} and kid ${JSON.stringify(kid ?? null)}`);
  }

  #unavailable(): ChatError {
    const retryAfterMs = Math.max(1, Math.ceil(this.#nextLoadAt - this.#timing.monotonic()));
    return new ChatError("keys_unavailable", "The issuer's signing keys are not available; try again soon.", {
      retryAfterMs,
    });
  }

  async #loadUnlessRecent(): Promise<void> {
    if (!this.#loading && this.#timing.monotonic() < this.#nextLoadAt) return;
    await (this.#loading ?? this.#load());
  }

  /** Loads the keys and schedules the next load. Never rejects. */
  #load(): Promise<void> {
    clearTimeout(this.#timer);
    this.#loading = this.#tryLoad().finally(() => {
      this.#loading = undefined;
      if (this.#stopping.signal.aborted) return;
      const { minRetryMs, maxRetryMs, unknownKeyCooldownMs, reloadIntervalMs, monotonic } = this.#timing;
      const retryMs = Math.min(maxRetryMs, minRetryMs * 2 ** (this.#failures - 1));
      const failed = this.#failures > 0;
      this.#nextLoadAt = monotonic() + (failed ? retryMs : unknownKeyCooldownMs);
      this.#timer = setTimeout(() => void this.#load(), failed ? retryMs : reloadIntervalMs);
      this.#timer.unref();
    });
    return this.#loading;
  }

  async #tryLoad(): Promise<void> {
    const { issuer, log, algorithms } = this.#options;
    try {
      this.#use(await KeySet.parse(issuer, await this.#fetchKeys(), algorithms));
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#failures++;
      const reason = reasonOf(error);
      if (this.#keySet) log.warn({ issuer, reason }, "Signing keys not reloaded, the old ones stay in use");
      else log.error({ issuer, reason }, "Signing keys not loaded");
    }
  }

  #use(keySet: KeySet): void {
    const { issuer, log, onKeysRevoked } = this.#options;
    const before = this.#keySet;
    if (this.#failures > 0 || before?.summary !== keySet.summary) {
      const kids = keySet.kids.slice(0, MAX_LOGGED_ENTRIES);
      log.info({ issuer, kids, skipped: keySet.skipped.slice(0, MAX_LOGGED_ENTRIES) }, "Signing keys loaded");
    }
    this.#keySet = keySet;
    this.#failures = 0;
    const revoked = before?.ids.difference(keySet.ids);
    if (revoked && revoked.size > 0) onKeysRevoked(revoked);
  }

  async #fetchKeys(): Promise<unknown> {
    return fetchJson(await this.#jwksUrl(), this.#signal());
  }

  async #jwksUrl(): Promise<string> {
    const { issuer, jwksUrl } = this.#options;
    if (jwksUrl !== undefined) return jwksUrl;
    const discovery = v.parse(discoverySchema, await fetchDiscovery(issuer, this.#signal()));
    if (discovery.issuer !== issuer) {
      throw new Error(`the discovery document is for another issuer: ${discovery.issuer}`);
    }
    if (!isSecureUrl(discovery.jwks_uri)) throw new Error(`jwks_uri is not https: ${discovery.jwks_uri}`);
    return discovery.jwks_uri;
  }

  #signal(): AbortSignal {
    return AbortSignal.any([AbortSignal.timeout(this.#timing.timeoutMs), this.#stopping.signal]);
  }
}
