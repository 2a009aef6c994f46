import type { JWTPayload } from "jose";
import * as v from "valibot";

import type { Identity } from "../chat/model.ts";
import { isEmail, isStorable, isUserId, normalizeEmail } from "../chat/validation.ts";

/** The scope or permission that makes a token's bearer an administrator of every room. */
export const ADMIN_SCOPE = "chat:admin";

/** `expiresAt` of a token that never expires. RFC 3339 has no later year. */
const LATEST_EXPIRY_MS = Date.UTC(9999, 11, 31);

export interface ClaimOptions {
  /** The claim with the email address. */
  emailClaim: string;
  /** The claim that says whether the address is verified. Default: `email_verified` in the namespace of `emailClaim`. */
  emailVerifiedClaim: string | undefined;
  /** `required`: an address counts only if the token says that it is verified. `optional`: also if the token does not say. */
  emailVerified: "required" | "optional";
  /** The claim with the user's name. */
  nameClaim: string;
  /** In seconds. */
  clockTolerance: number;
}

/**
 * The header of a token. `crit` and `b64` change what a signature covers, so both are refused (RFC 7515 section 4.1.11,
 * RFC 7797). Keys that a token carries or points to (`jwk`, `jku`, `x5c`, `x5u`) are never used.
 */
export function headerSchema(algorithms: readonly string[]) {
  return v.object({
    alg: v.picklist(algorithms),
    kid: v.optional(v.string()),
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
}

const claimsSchema = v.looseObject({
  sub: v.pipe(v.string(), v.check(isUserId, "must have 1 to 255 valid characters")),
  exp: v.number(),
  iat: v.optional(v.number()),
  scope: v.optional(v.unknown()),
  permissions: v.optional(v.unknown()),
});
type Claims = v.InferOutput<typeof claimsSchema>;

const emailSchema = v.pipe(v.string(), v.check(isStorable), v.transform(normalizeEmail), v.check(isEmail));
const nameSchema = v.pipe(v.string(), v.minLength(1), v.maxLength(255), v.check(isStorable));

export interface ParsedClaims {
  identity: Omit<Identity, "signingKey">;
  /** Why the token's email address was not used. Undefined if it was, or if there is none. */
  unusedEmail: string | undefined;
}

/** Parses the claims of a token whose signature, issuer, audience and times were checked. Throws if they are invalid. */
export function parseClaims(payload: JWTPayload, now: number, options: ClaimOptions): ParsedClaims {
  const claims = v.parse(claimsSchema, payload);
  const secondsAhead = claims.iat === undefined ? 0 : claims.iat - now / 1000;
  if (secondsAhead > options.clockTolerance) {
    throw new Error(`iat is ${Math.ceil(secondsAhead)} seconds in the future`);
  }
  const email = parseEmail(claims, options);
  const name = v.safeParse(nameSchema, claims[options.nameClaim]);
  const expiresAt = Math.min(claims.exp * 1000, LATEST_EXPIRY_MS);
  const identity = {
    sub: claims.sub,
    ...(email.address !== undefined && { email: email.address }),
    ...(name.success && { name: name.output }),
    admin: hasScope(claims.scope, ADMIN_SCOPE) || hasScope(claims.permissions, ADMIN_SCOPE),
    expiresAt,
    acceptedUntil: expiresAt + options.clockTolerance * 1000,
  };
  return { identity, unusedEmail: email.unused };
}

/** The token's address if it counts, or why it does not. Neither if the token has no address. */
function parseEmail(claims: Claims, options: ClaimOptions): { address?: string; unused?: string } {
  const { emailClaim, emailVerified } = options;
  const claimed = claims[emailClaim];
  if (claimed === undefined || claimed === null) return {};
  const address = v.safeParse(emailSchema, claimed);
  if (!address.success) return { unused: `${emailClaim} is not an email address` };
  const verifiedClaim = options.emailVerifiedClaim ?? siblingClaim(emailClaim, "email_verified");
  const verified = claims[verifiedClaim];
  if (verified === true || verified === "true") return { address: address.output };
  if (verified !== undefined) {
    return { unused: `${verifiedClaim} is ${JSON.stringify(verified).slice(0, 40)}, not true` };
  }
  if (emailVerified === "optional") return { address: address.output };
  return { unused: `the token has no ${verifiedClaim}` };
}

/** The name of a claim in the namespace of another one: `https://example.com/email` has `https://example.com/email_verified`. */
function siblingClaim(claim: string, name: string): string {
  return claim.slice(0, claim.lastIndexOf("/") + 1) + name;
}

/** Whether a claim lists a scope: a string with spaces between scopes (RFC 8693 section 4.2), or an array. */
function hasScope(claim: unknown, scope: string): boolean {
  const scopes: unknown[] = typeof claim === "string" ? claim.split(" ") : Array.isArray(claim) ? claim : [];
  return scopes.includes(scope);
}
