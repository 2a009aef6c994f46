import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { exportJWK } from "jose";
import { Provider } from "oidc-provider";

import { audience, makeKey, sign, type SigningKey, type TokenOptions } from "./tokens.ts";

const clientId = "backend";
const clientSecret = "a-secret-of-the-tests";

/** A certified OpenID provider on loopback. */
export interface Issuer extends AsyncDisposable {
  issuer: string;
  /** The current signing key. */
  key: SigningKey;
  /** Number of requests, by path. */
  hits: Map<string, number>;
  /** An access token that the provider issued (client credentials, RS256, `at+jwt`). Its `sub` is the client. */
  grant(): Promise<string>;
  /** A token for a user, signed with the provider's current key. */
  sign(email: string, options?: TokenOptions): Promise<string>;
  /** Replaces the signing key. With `keepOld`, the key before it is still published. */
  rotate(options?: { keepOld?: boolean }): Promise<void>;
  /** Refuses connections from now on. */
  kill(): Promise<void>;
  /** Listens again, at the same address. */
  revive(): Promise<void>;
}

export async function startIssuer(): Promise<Issuer> {
  const hits = new Map<string, number>();
  let key = await makeKey();
  let published = [key];
  let handler: ReturnType<Provider["callback"]>;

  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    hits.set(path, (hits.get(path) ?? 0) + 1);
    void handler(request, response);
  });
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, "127.0.0.1", () => resolve()));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;

  const configure = async () => {
    const jwks = await Promise.all(
      published.map(async ({ kid, privateKey }) =>
        Object.assign(await exportJWK(privateKey), { kid, alg: "RS256", use: "sig" }),
      ),
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
    handler = provider.callback();
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
