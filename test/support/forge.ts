import { createHmac } from "node:crypto";

import type { SigningKey } from "./tokens.ts";

type Signer = (input: Buffer) => Promise<Uint8Array> | Uint8Array;

const base64url = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url");

/** A compact JWS (RFC 7515 section 7.1) with any header and claims. A library would refuse to sign some of them. */
export async function forge(header: object, claims: object, signer: Signer): Promise<string> {
  const input = `${base64url(header)}.${base64url(claims)}`;
  const signature = Buffer.from(await signer(Buffer.from(input)));
  return `${input}.${signature.toString("base64url")}`;
}

export function rs256({ privateKey }: SigningKey): Signer {
  return async (input) =>
    new Uint8Array(await crypto.subtle.sign("RSASSA-PKCS1-v1_5", privateKey, new Uint8Array(input)));
}

export function hs256(secret: string | Uint8Array): Signer {
  return (input) => createHmac("sha256", secret).update(input).digest();
}

export const unsigned: Signer = () => new Uint8Array();
