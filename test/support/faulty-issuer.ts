import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export const DISCOVERY_PATH = "/.well-known/openid-configuration";
export const JWKS_PATH = "/jwks.json";

/** An issuer on loopback that answers as a test tells it to. */
export interface FaultyIssuer extends AsyncDisposable {
  issuer: string;
  jwksUrl: string;
  /** Answers all requests from now on. */
  handler: Handler;
  /** Number of requests, by path. */
  hits: Map<string, number>;
  /** When requests for the key set arrived, in milliseconds of `performance.now`. */
  jwksRequests: number[];
}

export const json =
  (body: unknown): Handler =>
  (_, response) =>
    void response.setHeader("content-type", "application/json").end(JSON.stringify(body));

/** Answers with a valid discovery document and a key set of these entries. */
export function publish({ issuer, jwksUrl }: FaultyIssuer, keys: readonly unknown[]): Handler {
  const discovery = json({ issuer, jwks_uri: jwksUrl });
  return (request, response) => (request.url === JWKS_PATH ? json({ keys }) : discovery)(request, response);
}

/** Starts an issuer that answers 500 until its `handler` is set. */
export async function startFaultyIssuer(): Promise<FaultyIssuer> {
  const hits = new Map<string, number>();
  const jwksRequests: number[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    hits.set(path, (hits.get(path) ?? 0) + 1);
    if (path === JWKS_PATH) jwksRequests.push(performance.now());
    faulty.handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const faulty: FaultyIssuer = {
    issuer,
    jwksUrl: `${issuer}${JWKS_PATH}`,
    handler: (_, response) => void response.writeHead(500).end(),
    hits,
    jwksRequests,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return faulty;
}
