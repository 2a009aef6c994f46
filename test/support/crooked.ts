import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** An issuer that answers as badly as a test wants. */
export interface Crooked extends AsyncDisposable {
  issuer: string;
  jwksUrl: string;
  /** How it answers from now on. */
  answer: Answer;
  /** Requests that it got, by path. */
  hits: Map<string, number>;
}

export const json =
  (body: unknown): Answer =>
  (_, response) =>
    void response.setHeader("content-type", "application/json").end(JSON.stringify(body));

/** Discovery and keys, as they should be. */
export function honest(crooked: Crooked, keys: readonly object[]): Answer {
  const discovery = json({ issuer: crooked.issuer, jwks_uri: crooked.jwksUrl });
  return (request, response) =>
    (request.url === "/jwks.json" ? json({ keys }) : discovery)(request, response);
}

export async function startCrooked(): Promise<Crooked> {
  const hits = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    hits.set(path, (hits.get(path) ?? 0) + 1);
    crooked.answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const crooked: Crooked = {
    issuer,
    jwksUrl: `${issuer}/jwks.json`,
    answer: (_, response) => void response.writeHead(500).end(),
    hits,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return crooked;
}
