import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import type { Logger } from "pino";
import * as v from "valibot";

import { ChatError } from "../chat/errors.ts";
import type { Identity } from "../chat/model.ts";
import { type ClaimOptions, headerSchema, parseClaims } from "./claims.ts";
import { JwksClient, type JwksOptions, type JwksTiming } from "./jwks.ts";
import type { Candidate } from "./key-set.ts";
import { reasonOf } from "./reason.ts";
import { TokenCache } from "./token-cache.ts";
import { UnusedClaimLog } from "./unused-claim-log.ts";

export interface VerifierOptions extends ClaimOptions {
  /** `grantsAdmin`: whether `chat:admin` in the issuer's tokens counts. */
  issuers: readonly (Pick<JwksOptions, "issuer" | "jwksUrl"> & { grantsAdmin: boolean })[];
  audiences: readonly string[];
  algorithms: readonly string[];
  log: Logger;
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** When keys are loaded. */
  keys?: JwksTiming;
  /** Called with the keys (`Identity.signingKey`) that an issuer no longer publishes. Must not throw. */
  onKeysRevoked?: (keys: ReadonlySet<string>) => void;
}

/** Verifies tokens (RFC 7519, RFC 8725) and reads the user's identity from them. */
export class Verifier {
  readonly #options: VerifierOptions;
  readonly #now: () => number;
  readonly #headerSchema: ReturnType<typeof headerSchema>;
  /** By issuer. */
  readonly #jwks: ReadonlyMap<string, JwksClient>;
  readonly #cache = new TokenCache();
  /** Issuers whose tokens may have `chat:admin`. */
  readonly #adminIssuers: ReadonlySet<string>;
  readonly #unusedEmails: UnusedClaimLog;
  readonly #unusedAdmin: UnusedClaimLog;

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#headerSchema = headerSchema(options.algorithms);
    const adminIssuers = options.issuers.filter(({ grantsAdmin }) => grantsAdmin);
    this.#adminIssuers = new Set(adminIssuers.map(({ issuer }) => issuer));
    this.#unusedEmails = new UnusedClaimLog(options.log, "Email address of a token not used");
    this.#unusedAdmin = new UnusedClaimLog(options.log, "chat:admin of a token ignored");
    const { algorithms, log, keys: timing, onKeysRevoked } = options;
    const shared = {
      algorithms,
      log,
      ...(timing && { timing }),
      onKeysRevoked: (keys: ReadonlySet<string>) => {
        this.#cache.deleteSignedWith(keys);
        onKeysRevoked?.(keys);
      },
    };
    this.#jwks = new Map(
      options.issuers.map(({ issuer, jwksUrl }) => [issuer, new JwksClient({ issuer, jwksUrl, ...shared })]),
    );
  }

  /** Loads the keys now, and again at intervals until `stop`. Never rejects. */
  async start(): Promise<void> {
    await Promise.all([...this.#jwks.values()].map((jwks) => jwks.start()));
  }

  stop(): void {
    for (const jwks of this.#jwks.values()) jwks.stop();
  }

  /** Whether the keys of at least one issuer are loaded. */
  get ready(): boolean {
    return [...this.#jwks.values()].some((jwks) => jwks.loaded);
  }

  /** Whether a key that verified a token (`Identity.signingKey`) is still one of its issuer's keys. */
  trusts(signingKey: string): boolean {
    return [...this.#jwks.values()].some((jwks) => jwks.has(signingKey));
  }

  /** Returns the bearer's identity. Rejects with `unauthorized`, `token_expired` or `keys_unavailable`; the log has the reason. */
  async verify(token: string): Promise<Identity> {
    const cacheKey = TokenCache.keyOf(token);
    const cached = this.#cache.get(cacheKey, this.#now());
    if (cached) return cached;
    try {
      return await this.#verify(token, cacheKey);
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  async #verify(token: string, cacheKey: string): Promise<Identity> {
    const jwks = this.#jwksOf(token);
    const { alg, kid } = v.parse(this.#headerSchema, decodeProtectedHeader(token));
    const { payload, key } = await this.#verifySignature(token, jwks.issuer, await jwks.candidates(alg, kid));
    // No await from here on: a later revocation must find the token in the cache.
    if (!jwks.has(key)) throw new Error("the issuer revoked the key while the token was being verified");
    const now = this.#now();
    const { identity: claimed, unusedEmail } = parseClaims(payload, now, this.#options);
    // jose compares whole seconds.
    if (now >= claimed.acceptedUntil) throw new errors.JWTExpired("exp is in the past", payload, "exp");
    const admin = claimed.admin && this.#adminIssuers.has(jwks.issuer);
    const identity = { ...claimed, admin, signingKey: key };
    if (unusedEmail !== undefined) this.#unusedEmails.add(identity.sub, unusedEmail);
    if (admin !== claimed.admin)
      this.#unusedAdmin.add(identity.sub, `PARLEY_ADMIN_ISSUER does not have ${jwks.issuer}`);
    this.#cache.set(cacheKey, identity);
    return identity;
  }

  /** The keys of the token's issuer. `iss` is not trusted yet: jose compares it again once the signature is verified. */
  #jwksOf(token: string): JwksClient {
    const [first] = this.#jwks.values();
    if (first && this.#jwks.size === 1) return first;
    const jwks = this.#jwks.get(String(decodeJwt(token).iss));
    if (!jwks) throw new Error("iss is not a trusted issuer");
    return jwks;
  }

  /** The claims of a token that one of the candidates signed, and the key that did. */
  async #verifySignature(
    token: string,
    issuer: string,
    candidates: readonly Candidate[],
  ): Promise<{ payload: JWTPayload; key: string }> {
    const { audiences, algorithms, clockTolerance } = this.#options;
    const options = {
      issuer,
      audience: [...audiences],
      algorithms: [...algorithms],
      clockTolerance,
      currentDate: new Date(this.#now()),
    };
    for (const { id, cryptoKey } of candidates) {
      try {
        return { payload: (await jwtVerify(token, cryptoKey, options)).payload, key: id };
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }

  #refusal(error: unknown): ChatError {
    if (error instanceof ChatError) return error;
    this.#options.log.info({ reason: reasonOf(error), ...claimDetail(error) }, "Token refused");
    return error instanceof errors.JWTExpired
      ? new ChatError("token_expired", "The token has expired.")
      : new ChatError("unauthorized", "The token is not valid here.");
  }
}

/** The claim at fault, if the token has a valid signature. */
function claimDetail(error: unknown): { claim?: string; value?: string } {
  if (!(error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired)) return {};
  const { claim, payload } = error;
  return { claim, value: JSON.stringify(payload[claim] ?? null).slice(0, 200) };
}
