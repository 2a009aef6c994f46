import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  SignJWT,
} from "jose";

export const audience = "https://chat.example.com";

export interface SigningKey {
  kid: string;
  privateKey: CryptoKey;
  publicJwk: JWK;
}

/** Changes to the default claims and header, and another signing key. An undefined value leaves a claim out. */
export interface TokenOptions {
  claims?: Record<string, unknown>;
  header?: Partial<JWTHeaderParameters> & Record<string, unknown>;
  key?: SigningKey;
}

let keyCount = 0;

/** A new key with a `kid` of its own. */
export async function makeKey(alg = "RS256"): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const kid = `key-${++keyCount}`;
  return { kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } };
}

/** The `sub` of the user with this email. */
export function subjectOf(email: string): string {
  return `user|${email}`;
}

/** A token for the user with this verified email, which expires in an hour. */
export async function sign(
  issuer: string,
  email: string,
  { key, claims = {}, header = {} }: TokenOptions & { key: SigningKey },
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const payload = {
    iss: issuer,
    aud: audience,
    sub: subjectOf(email),
    email,
    email_verified: true,
    iat: now,
    exp: now + 3600,
    ...claims,
  };
  return new SignJWT(payload)
    .setProtectedHeader({ alg: "RS256", kid: key.kid, typ: "JWT", ...header })
    .sign(key.privateKey);
}
