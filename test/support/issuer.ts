import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  SignJWT,
} from "jose";
import { Provider } from "oidc-provider";

export const audience = "https://chat.example.com";
const clientId = "backend";
const clientSecret = "a-secret-of-the-tests";

export interface SigningKey {
  kid: string;
  privateKey: CryptoKey;
  publicJwk: JWK;
}

/** Claims over the defaults; undefined leaves one out. */
export interface TokenOptions {
  claims?: Record<string, unknown>;
  header?: Partial<JWTHeaderParameters> & Record<string, unknown>;
  key?: SigningKey;
}

/** A certified OpenID provider on loopback. Its own tokens come from `grant`; `sign` makes others with its very key. */
export interface Issuer extends AsyncDisposable {
  issuer: string;
  key: SigningKey;
  /** Requests that the provider got, by path. */
  hits: Map<string, number>;
  /** An access token that the provider itself issued (client credentials, RS256, `at+jwt`); its `sub` is the client. */
  grant(): Promise<string>;
  /** A token as the provider would sign it. */
  sign(email: string, options?: TokenOptions): Promise<string>;
  /** Replaces the signing key; both are published when `keepOld`. */
  rotate(options?: { keepOld?: boolean }): Promise<void>;
  /** Stops answering, as a dead server does; `revive` brings it back at the same address. */
  kill(): Promise<void>;
  revive(): Promise<void>;
}

let keys = 0;

export async function makeKey(): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
  const kid = `key-${++keys}`;
  return { kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" } };
}

export async function startIssuer(): Promise<Issuer> {
  const hits = new Map<string, number>();
  let key = await makeKey();
  let published = [key];
  let answer: ReturnType<Provider["callback"]>;

  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    hits.set(path, (hits.get(path) ?? 0) + 1);
    void answer(request, response);
  });
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, "127.0.0.1", () => resolve()));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;

  const configure = async () => {
    const jwks = await Promise.all(
      published.map(async ({ kid, privateKey }) => ({
        ...(await exportJWK(privateKey)),
        kid,
        alg: "RS256",
        use: "sig",
      })),
    );
    const provider = new Provider(issuer, {
      jwks: { keys: jwks },
      clients: [
        {
          client_id: clientId,
          client_secret: clientSecret,
          grant_types: ["client_credentials"],
          redirect_uris: [],
          response_types: [],
        },
      ],
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => audience,
          getResourceServerInfo: () => ({
            scope: "chat:admin",
            audience,
            accessTokenFormat: "jwt",
            jwt: { sign: { alg: "RS256" } },
          }),
        },
      },
    });
    answer = provider.callback();
  };
  await configure();

  const kill = () =>
    new Promise<void>((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });

  return {
    issuer,
    get key() {
      return key;
    },
    hits,
    async grant() {
      const response = await fetch(`${issuer}/token`, {
        method: "POST",
        headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
        body: new URLSearchParams({ grant_type: "client_credentials", scope: "chat:admin" }),
      });
      const { access_token: token } = (await response.json()) as { access_token: string };
      return token;
    },
    sign: (email, options = {}) => sign(issuer, email, { key, ...options }),
    async rotate({ keepOld = false } = {}) {
      const old = key;
      key = await makeKey();
      published = keepOld ? [key, old] : [key];
      await configure();
    },
    kill,
    revive: () => listen(port),
    [Symbol.asyncDispose]: kill,
  };
}

/** A token for a user with this email, good for an hour unless the claims say otherwise. */
export async function sign(
  issuer: string,
  email: string,
  { key, claims = {}, header = {} }: TokenOptions & { key: SigningKey },
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const payload = {
    iss: issuer,
    aud: audience,
    sub: `user|${email}`,
    email,
    iat: now,
    exp: now + 3600,
    ...claims,
  };
  return new SignJWT(payload as Record<string, unknown>)
    .setProtectedHeader({ alg: "RS256", kid: key.kid, typ: "JWT", ...header })
    .sign(key.privateKey);
}
