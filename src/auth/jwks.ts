import {
  createLocalJWKSet,
  type CryptoKey,
  errors,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
} from "jose";
import type { Logger } from "pino";
import * as v from "valibot";

import { ChatError } from "../chat/errors.ts";
import { isSecureUrl } from "../url.ts";

const jwksSchema = v.object({ keys: v.pipe(v.array(v.looseObject({ kty: v.string() })), v.minLength(1)) });
/** OpenID Connect Discovery 1.0, section 3. */
const discoverySchema = v.object({ issuer: v.string(), jwks_uri: v.string() });

/** Bytes that an issuer's answer may have. */
const answerLimit = 1 << 20;

export interface KeyOptions {
  issuer: string;
  /** Where the keys are; undefined asks the issuer's discovery document. */
  jwksUrl: string | undefined;
  log: Logger;
  /** Called when a key that was there is not any more. */
  withdrawn: () => void;
  /** Keys are fetched at most once in this many milliseconds, whatever is thrown at us. */
  cooldown?: number;
  /** Keys that were fetched are fetched again after this many milliseconds. */
  reload?: number;
  /** An issuer that does not answer in this many milliseconds is down. */
  timeout?: number;
}

/**
 * An issuer's public keys. They are fetched at the start, on a timer, and when a token names one that is not known; while
 * the issuer is down, the ones at hand stay good.
 */
export class Keys {
  readonly issuer: string;
  readonly #options: Required<KeyOptions>;
  #set: ReturnType<typeof createLocalJWKSet> | undefined;
  #attemptedAt = -Infinity;
  #failed = false;
  #loading: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(options: KeyOptions) {
    this.#options = { cooldown: 30_000, reload: 600_000, timeout: 5000, ...options };
    this.issuer = options.issuer;
  }

  get loaded(): boolean {
    return this.#set !== undefined;
  }

  /** Fetches the keys now, and from time to time until `stop`. Never rejects. */
  start(): Promise<void> {
    return this.#refresh();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** The key that a token's header names. Throws jose's `JWKSNoMatchingKey`, or `keys_unavailable`. */
  readonly find = async (header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> => {
    if (!this.#set) await this.#refresh();
    // Taken first: other keys may arrive while a token is compared with these.
    const before = this.#set;
    try {
      return await this.#current()(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      if (this.#set === before) await this.#refresh();
      // Perhaps the issuer has this key by now, and can't tell us.
      if (this.#failed) throw this.#unavailable();
      if (this.#set === before) throw error;
      return this.#current()(header, token);
    }
  };

  #current() {
    if (!this.#set) throw this.#unavailable();
    return this.#set;
  }

  #unavailable(): ChatError {
    const retryAfterMs = Math.max(1000, this.#attemptedAt + this.#options.cooldown - performance.now());
    return new ChatError("keys_unavailable", "The issuer's keys can't be had; try again soon.", {
      retryAfterMs,
    });
  }

  /** Resolves after the fetch that is under way, or a new one unless one was tried just now. */
  async #refresh(): Promise<void> {
    if (!this.#loading) {
      if (performance.now() - this.#attemptedAt < this.#options.cooldown) return;
      this.#begin();
    }
    await this.#loading;
  }

  #begin(): void {
    this.#attemptedAt = performance.now();
    this.#loading = this.#load().finally(() => {
      this.#loading = undefined;
      clearTimeout(this.#timer);
      if (this.#stopped) return;
      const { cooldown, reload } = this.#options;
      // Not by way of `#refresh`: a timer that fires a moment early would find it too soon, and be the last.
      const again = () => {
        if (!this.#loading) this.#begin();
      };
      this.#timer = setTimeout(again, this.#failed ? cooldown : reload);
      this.#timer.unref();
    });
  }

  async #load(): Promise<void> {
    const { issuer, log, withdrawn } = this.#options;
    try {
      const jwks = v.parse(jwksSchema, await this.#fetch(await this.#jwksUrl()));
      const before = this.#set?.jwks().keys ?? [];
      this.#set = createLocalJWKSet(jwks);
      this.#failed = false;
      log.info({ issuer, keys: jwks.keys.map((key) => key["kid"]) }, "keys loaded");
      const kept = new Set(jwks.keys.map((key) => JSON.stringify(key)));
      if (before.some((key) => !kept.has(JSON.stringify(key)))) withdrawn();
    } catch (err) {
      this.#failed = true;
      log.error({ issuer, err }, this.#set ? "keys not reloaded; the old ones stay good" : "no keys");
    }
  }

  async #jwksUrl(): Promise<string> {
    const { issuer, jwksUrl } = this.#options;
    if (jwksUrl !== undefined) return jwksUrl;
    const document = await this.#fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
    const { issuer: named, jwks_uri: url } = v.parse(discoverySchema, document);
    if (named !== issuer) throw new Error(`the discovery document is for another issuer: ${named}`);
    if (!isSecureUrl(url)) throw new Error(`jwks_uri is not https: ${url}`);
    return url;
  }

  async #fetch(url: string): Promise<unknown> {
    const response = await fetch(url, {
      headers: { accept: "application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(this.#options.timeout),
    }).catch((cause: unknown) => {
      throw new Error(`${url} does not answer`, { cause });
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`${url} answers ${response.status}`);
    }
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > answerLimit) throw new Error(`${url} answers with more than ${answerLimit} bytes`);
    }
    return JSON.parse(text);
  }
}
