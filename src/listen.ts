import type { Server } from "bun";

import type { Config } from "./config.ts";
import type { SocketData } from "./ws/connection.ts";

const MAX_REQUEST_BYTES = 1 << 20;

/** The server cannot listen. The message is one line for the operator. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

const ignore = () => undefined;

/** Listens, so that the address is known. `reload` sets the real handlers before this turn of the event loop ends. */
export function listen(config: Config): Server<SocketData> {
  try {
    return Bun.serve<SocketData>({
      hostname: config.host,
      port: config.port,
      maxRequestBodySize: MAX_REQUEST_BYTES,
      // Bun's error pages for development show stack traces and source code.
      development: false,
      // With it, Bun would share a port that another process listens on.
      reusePort: false,
      fetch: () => new Response(null, { status: 503 }),
      websocket: { message: ignore },
    });
  } catch (error) {
    throw listenError(error, config);
  }
}

function listenError(cause: unknown, { host, port }: Config): ListenError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (code === "EADDRINUSE") return new ListenError(`PARLEY_PORT: port ${port} is already in use`, { cause });
  if (code === "EACCES")
    return new ListenError(`PARLEY_PORT: this user may not listen on port ${port}`, { cause });
  return new ListenError(`PARLEY_HOST: cannot listen on "${host}" (${code || String(cause)})`, { cause });
}

/** The URL of a request without a Host header (HTTP/1.0) is only a path, which may begin with two slashes. */
export function withAbsoluteUrl(request: Request): Request {
  return request.url.startsWith("/") ? new Request(`http://localhost${request.url}`, request) : request;
}
