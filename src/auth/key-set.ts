import { calculateJwkThumbprint, type CryptoKey, errors, importJWK, type JWK } from "jose";
import * as v from "valibot";

import { reasonOf } from "./reason.ts";

/** Keys that may be tried on one token. Each costs up to 0.1 ms of CPU. */
const MAX_CANDIDATES = 3;
/** A key set with more entries is invalid. */
const MAX_ENTRIES = 500;
const MAX_LOGGED_KID_LENGTH = 100;
/** RFC 7518 section 3.3. */
const MIN_RSA_BITS = 2048;

const keySetSchema = v.object({ keys: v.pipe(v.array(v.unknown()), v.maxLength(MAX_ENTRIES)) });
/** RFC 7517 section 4. Some issuers write null for what is absent. */
const entrySchema = v.looseObject({
  kty: v.picklist(["RSA", "EC", "OKP"]),
  kid: v.nullish(v.string()),
  alg: v.nullish(v.string()),
  use: v.nullish(v.literal("sig")),
  key_ops: v.nullish(v.pipe(v.array(v.string()), v.includes("verify"))),
});

/** An issuer's public key, and what it may verify. */
interface VerificationKey {
  /** The issuer and the RFC 7638 thumbprint: the same key has the same id in every set of the issuer. */
  id: string;
  kid: string | undefined;
  /** By algorithm. An RSA key without an `alg` has several. */
  cryptoKeys: ReadonlyMap<string, CryptoKey>;
}

/** A key that may have signed a token. */
export interface Candidate {
  /** The issuer and the key's RFC 7638 thumbprint. */
  id: string;
  cryptoKey: CryptoKey;
}

/** The usable keys of an issuer's JSON Web Key Set (RFC 7517). */
export class KeySet {
  readonly ids: ReadonlySet<string>;
  readonly #keys: readonly VerificationKey[];
  readonly #byKid: ReadonlyMap<string | undefined, readonly VerificationKey[]>;

  private constructor(
    keys: readonly VerificationKey[],
    /** Why entries are not used, one line each. */
    readonly skipped: readonly string[],
  ) {
    this.#keys = keys;
    this.#byKid = Map.groupBy(keys, (key) => key.kid);
    this.ids = new Set(keys.map((key) => key.id));
  }

  /**
   * Reads a key set. Entries that verify none of the algorithms are skipped (RFC 7517 section 5). Throws when no usable
   * key is left.
   */
  static async parse(issuer: string, document: unknown, algorithms: readonly string[]): Promise<KeySet> {
    const keys: VerificationKey[] = [];
    const skipped: string[] = [];
    for (const [index, entry] of v.parse(keySetSchema, document).keys.entries()) {
      try {
        keys.push(await importEntry(issuer, entry, algorithms));
      } catch (error) {
        skipped.push(`entry ${index}: ${reasonOf(error)}`);
      }
    }
    if (keys.length === 0) {
      throw new Error(`the key set has no usable key: ${skipped.slice(0, 3).join("; ") || "it is empty"}`);
    }
    return new KeySet(keys, skipped);
  }

  /** The `kid` of each key, for the log; null for a key without one. */
  get kids(): (string | null)[] {
    return this.#keys.map(({ kid }) => kid?.slice(0, MAX_LOGGED_KID_LENGTH) ?? null);
  }

  /** Changes when the usable keys, their kids or the skipped entries change. */
  get summary(): string {
    return JSON.stringify([[...this.ids], this.kids, this.skipped]);
  }

  /**
   * Returns the keys that may have signed a token: those with its `kid`, or all if it has none. Throws if there are too
   * many, since one token must not cost a check with every key.
   */
  candidates(alg: string, kid: string | undefined): Candidate[] {
    const matching = kid === undefined ? this.#keys : (this.#byKid.get(kid) ?? []);
    const candidates = matching.flatMap(({ id, cryptoKeys }) => {
      const cryptoKey = cryptoKeys.get(alg);
      return cryptoKey ? [{ id, cryptoKey }] : [];
    });
    if (candidates.length > MAX_CANDIDATES) {
      const which = kid === undefined ? "a token without kid" : "the token's kid";
      throw new Error(
        `${candidates.length} ${alg} keys match ${which}, and at most ${MAX_CANDIDATES} are tried`,
      );
    }
    return candidates;
  }
}

/** Imports one entry. Throws an error that says why it can't be used. */
async function importEntry(
  issuer: string,
  entry: unknown,
  algorithms: readonly string[],
): Promise<VerificationKey> {
  const { kid, alg, use: _use, key_ops: _operations, ...jwk } = v.parse(entrySchema, entry);
  const allowed = alg == null ? algorithms : algorithms.filter((name) => name === alg);
  if (allowed.length === 0) throw new Error(`alg: ${JSON.stringify(alg)} is not accepted`);
  const cryptoKeys = new Map<string, CryptoKey>();
  let reason = `no accepted algorithm uses ${jwk.kty} keys`;
  for (const name of allowed) {
    try {
      cryptoKeys.set(name, await importKey(jwk, name));
    } catch (error) {
      if (!(error instanceof errors.JOSENotSupported)) reason = reasonOf(error);
    }
  }
  if (cryptoKeys.size === 0) throw new Error(reason);
  return { id: `${issuer} ${await calculateJwkThumbprint(jwk)}`, kid: kid ?? undefined, cryptoKeys };
}

async function importKey(jwk: JWK, alg: string): Promise<CryptoKey> {
  const key = await importJWK(jwk, alg);
  if (key instanceof Uint8Array || key.type !== "public") throw new Error("the key is not public");
  if ("modulusLength" in key.algorithm && Number(key.algorithm.modulusLength) < MIN_RSA_BITS) {
    throw new Error(`the RSA key is shorter than ${MIN_RSA_BITS} bits`);
  }
  return key;
}
