import { createECDH, createHmac, createPrivateKey, type KeyObject } from "node:crypto";

import { SignJWT } from "jose";

import { newKeyPair } from "./encrypt.ts";

/** RFC 8292 allows 24 hours. The clocks may differ. */
const TOKEN_LIFETIME_MS = 12 * 3_600_000;
/** A token is used until this long before it expires. */
const MIN_REMAINING_MS = 3_600_000;
/** Push services whose tokens are kept. */
const MAX_TOKENS = 100;
const PRIVATE_KEY_BYTES = 32;
/** RFC 8030, section 5.4. */
const MAX_TOPIC_LENGTH = 32;

/** Returns a new private key, as `Vapid` takes it. */
export function newPrivateKey(): string {
  // `getPrivateKey` leaves out leading zeros.
  const bytes = newKeyPair().getPrivateKey();
  return Buffer.concat([Buffer.alloc(PRIVATE_KEY_BYTES - bytes.length), bytes]).toString("base64url");
}

interface Token {
  /** The value of the header `Authorization`. */
  authorization: Promise<string>;
  expiresAt: number;
}

/** Identifies the server to push services (VAPID, RFC 8292), and its rooms in a form that they cannot read. */
export class Vapid {
  /** The key with which browsers subscribe: an uncompressed point, base64url. */
  readonly publicKey: string;
  readonly #secret: Buffer;
  readonly #key: KeyObject;
  readonly #contact: string;
  readonly #now: () => number;
  /** By the origin of the push service. */
  readonly #tokens = new Map<string, Token>();

  /** `privateKey` is the number d of a key on P-256, base64url. `now` returns milliseconds since the epoch. Throws for any other key. */
  constructor({ privateKey, contact, now }: { privateKey: string; contact: string; now: () => number }) {
    this.#secret = Buffer.from(privateKey, "base64url");
    const keyPair = createECDH("prime256v1");
    keyPair.setPrivateKey(this.#secret);
    const point = keyPair.getPublicKey();
    this.publicKey = point.toString("base64url");
    const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString("base64url"));
    const jwk = {
      kty: "EC",
      crv: "P-256",
      d: privateKey,
      ...(x !== undefined && y !== undefined && { x, y }),
    };
    this.#key = createPrivateKey({ key: jwk, format: "jwk" });
    this.#contact = contact;
    this.#now = now;
  }

  /** The value of the header `Authorization` for a push service. */
  authorization(origin: string): Promise<string> {
    const now = this.#now();
    const known = this.#tokens.get(origin);
    if (known && known.expiresAt - now > MIN_REMAINING_MS) return known.authorization;
    const [oldest] = this.#tokens.keys();
    if (oldest !== undefined && this.#tokens.size >= MAX_TOKENS) this.#tokens.delete(oldest);
    const expiresAt = now + TOKEN_LIFETIME_MS;
    const authorization = this.#sign(origin, expiresAt);
    this.#tokens.set(origin, { authorization, expiresAt });
    return authorization;
  }

  async #sign(origin: string, expiresAt: number): Promise<string> {
    const token = await new SignJWT({ sub: this.#contact })
      .setProtectedHeader({ typ: "JWT", alg: "ES256" })
      .setAudience(origin)
      .setExpirationTime(Math.floor(expiresAt / 1000))
      .sign(this.#key);
    return `vapid t=${token}, k=${this.publicKey}`;
  }

  /** A name of the room for the header `Topic`: of the pushes of a room, a browser that was off gets the last one. */
  topic(room: string): string {
    return createHmac("sha256", this.#secret).update(room).digest("base64url").slice(0, MAX_TOPIC_LENGTH);
  }
}
