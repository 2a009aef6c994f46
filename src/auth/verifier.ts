import { decodeJwt, errors, jwtVerify, type JWTVerifyOptions, type JWTVerifyResult } from "jose";
import type { Logger } from "pino";
import * as v from "valibot";

import { ChatError } from "../chat/errors.ts";
import { type Identity, isStorable } from "../chat/model.ts";
import { emailPattern, normalEmail } from "../chat/validation.ts";
import { type KeyOptions, Keys } from "./jwks.ts";

/** Verified tokens that are remembered; the oldest is forgotten for a new one. */
const memoryLength = 20_000;

/**
 * RFC 7515, section 4: `crit` and `b64` change what a signature means, and are refused. A key that a token brings along
 * or points to (`jwk`, `jku`, `x5u`, `x5c`) is never looked at.
 */
const headerSchema = v.object({
  typ: v.optional(
    v.pipe(
      v.string(),
      v.transform((typ) => typ.toLowerCase().replace(/^application\//, "")),
      v.picklist(["jwt", "at+jwt"]),
    ),
  ),
  crit: v.optional(v.never()),
  b64: v.optional(v.never()),
});

const claimsSchema = v.looseObject({
  sub: v.pipe(v.string(), v.minLength(1), v.maxLength(255), v.check(isStorable)),
  exp: v.number(),
  iat: v.optional(v.number()),
  scope: v.optional(v.unknown()),
  permissions: v.optional(v.unknown()),
  email_verified: v.optional(v.unknown()),
});

const emailSchema = v.pipe(
  v.string(),
  v.maxLength(254),
  v.check(isStorable),
  v.transform(normalEmail),
  v.regex(emailPattern),
);
const nameSchema = v.pipe(v.string(), v.minLength(1), v.maxLength(255), v.check(isStorable));

/** What a token must hold in `scope` or `permissions` for its bearer to act on every room. */
const adminScope = "chat:admin";

export interface VerifierOptions {
  issuers: readonly Pick<KeyOptions, "issuer" | "jwksUrl">[];
  audiences: readonly string[];
  algorithms: readonly string[];
  emailClaim: string;
  nameClaim: string;
  /** Seconds. */
  clockTolerance: number;
  log: Logger;
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** How keys are fetched; see `KeyOptions`. */
  keys?: Pick<KeyOptions, "cooldown" | "reload" | "timeout">;
}

/** Tells who a token's bearer is. */
export class Verifier {
  readonly #options: VerifierOptions;
  readonly #now: () => number;
  readonly #keys: Map<string, Keys>;
  /** By the SHA-256 of the exact token text. */
  readonly #memory = new Map<string, { identity: Identity; until: number }>();
  #withdrawals = 0;

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    const { log, keys } = options;
    // A token that was signed with a key its issuer took back must not outlive it here.
    const withdrawn = () => {
      this.#withdrawals++;
      this.#memory.clear();
    };
    this.#keys = new Map(
      options.issuers.map((issuer) => [issuer.issuer, new Keys({ ...issuer, ...keys, log, withdrawn })]),
    );
  }

  /** Fetches the keys now, and from time to time until `stop`. Never rejects. */
  async start(): Promise<void> {
    await Promise.all([...this.#keys.values()].map((keys) => keys.start()));
  }

  stop(): void {
    for (const keys of this.#keys.values()) keys.stop();
  }

  /** Whether some issuer's keys are here. */
  get ready(): boolean {
    return [...this.#keys.values()].some((keys) => keys.loaded);
  }

  /** Throws `unauthorized`, `token_expired` or `keys_unavailable`; only the log hears more. */
  async verify(token: string): Promise<Identity> {
    const hash = Bun.SHA256.hash(token, "base64");
    const known = this.#memory.get(hash);
    if (known) {
      if (known.until > this.#now()) return known.identity;
      this.#memory.delete(hash);
    }
    const withdrawals = this.#withdrawals;
    const { identity, until } = await this.#verify(token).catch((error: unknown) => this.#refuse(error));
    // Not when a key was withdrawn meanwhile: it may have been this token's.
    if (until > this.#now() && withdrawals === this.#withdrawals) {
      if (this.#memory.size >= memoryLength) this.#forgetOldest();
      this.#memory.set(hash, { identity, until });
    }
    return identity;
  }

  async #verify(token: string): Promise<{ identity: Identity; until: number }> {
    const { audiences, algorithms, clockTolerance } = this.#options;
    const keys = this.#keysFor(token);
    const { payload, protectedHeader } = await signed(token, keys, {
      issuer: keys.issuer,
      audience: [...audiences],
      algorithms: [...algorithms],
      clockTolerance,
      currentDate: new Date(this.#now()),
      requiredClaims: ["exp", "sub", "iss", "aud"],
    });
    v.parse(headerSchema, protectedHeader);
    const claims = v.parse(claimsSchema, payload);
    if (claims.iat !== undefined && claims.iat > this.#now() / 1000 + clockTolerance) {
      throw new Error(`iat is ${Math.ceil(claims.iat - this.#now() / 1000)} seconds in the future`);
    }
    const until = claims.exp * 1000;
    return { identity: this.#identity(claims), until };
  }

  /** Not believed yet: what a token says of its issuer tells whose key must fit, and jose compares it once more. */
  #keysFor(token: string): Keys {
    const [only] = this.#keys.values();
    if (only && this.#keys.size === 1) return only;
    const keys = this.#keys.get(String(decodeJwt(token).iss));
    if (!keys) throw new Error("the token is of an issuer that is not trusted here");
    return keys;
  }

  #identity(claims: v.InferOutput<typeof claimsSchema>): Identity {
    const { emailClaim, nameClaim, clockTolerance } = this.#options;
    const verified = claims.email_verified !== false && claims.email_verified !== "false";
    const email = v.safeParse(emailSchema, verified ? claims[emailClaim] : undefined);
    const name = v.safeParse(nameSchema, claims[nameClaim]);
    // There are tokens that are never to end, and RFC 3339 goes as far as the year 9999.
    const expiresAt = Math.min(claims.exp * 1000, Date.UTC(9999, 11, 31));
    return {
      sub: claims.sub,
      ...(email.success && { email: email.output }),
      ...(name.success && { name: name.output }),
      admin: words(claims.scope).includes(adminScope) || words(claims.permissions).includes(adminScope),
      // One that was only accepted by the tolerance has that tolerance to live.
      expiresAt: expiresAt > this.#now() ? expiresAt : expiresAt + clockTolerance * 1000,
    };
  }

  #refuse(error: unknown): never {
    if (error instanceof ChatError) throw error;
    // The message may repeat what the token says, at any length.
    const reason = (error instanceof Error ? error.message : String(error)).slice(0, 200);
    this.#options.log.info({ reason, ...detail(error) }, "token refused");
    if (error instanceof errors.JWTExpired) throw new ChatError("token_expired", "The token has expired.");
    throw new ChatError("unauthorized", "The token is not valid here.");
  }

  #forgetOldest(): void {
    for (const hash of this.#memory.keys()) {
      this.#memory.delete(hash);
      return;
    }
  }
}

/** A token that one of the keys has signed. A token that names no key is tried with each that could fit. */
async function signed(token: string, keys: Keys, options: JWTVerifyOptions): Promise<JWTVerifyResult> {
  try {
    return await jwtVerify(token, keys.find, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return await jwtVerify(token, key, options);
      } catch (inner) {
        if (!(inner instanceof errors.JWSSignatureVerificationFailed)) throw inner;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** What was compared and did not fit, of a token whose signature was good. */
function detail(error: unknown): { claim?: string; value?: string } {
  if (!(error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired)) return {};
  const { claim, payload } = error;
  return { claim, value: JSON.stringify(payload[claim] ?? null).slice(0, 200) };
}

/** A claim with words in it: a string with blanks between them (RFC 8693, section 4.2), or an array. */
function words(claim: unknown): string[] {
  if (typeof claim === "string") return claim.split(" ");
  return Array.isArray(claim) ? claim.filter((word) => typeof word === "string") : [];
}
