import type { Context } from "hono";

import { isNamedIn, weakEtag } from "../etag.ts";
import type { ApiEnv } from "./env.ts";

/** Bytes that are sent at once. A longer response is sent as the client reads it. */
const CHUNK_BYTES = 65_536;
/** How long a client may read nothing of a response. Then the connection is closed. */
const READ_TIMEOUT_S = 10;
/** Bytes of a response that one command of the rate limit pays for. */
const BYTES_PER_COMMAND = 16_384;

/**
 * Responds to a `GET` with JSON, and charges the user for its size. Has a weak ETag (RFC 9110, section 8.8.3), and responds
 * with 304 when the client has that version already. It is charged all the same: it had to be read.
 */
export function respond(c: Context<ApiEnv>, json: string): Response {
  const etag = weakEtag(json);
  const bytes = Buffer.from(json);
  const extra = Math.floor(bytes.length / BYTES_PER_COMMAND);
  if (extra > 0) c.get("budgets").spend(c.get("actor"), "reads", extra);
  if (isNamedIn(c.req.header("if-none-match"), etag)) return c.body(null, 304, { etag });
  const headers = { "content-type": "application/json", etag };
  if (c.req.method === "HEAD")
    return c.body(null, 200, { ...headers, "content-length": String(bytes.length) });
  if (bytes.length <= CHUNK_BYTES) return c.body(bytes, 200, headers);
  return c.body(stream(c, bytes), 200, headers);
}

/** Sends chunk by chunk, as the client reads. The request ends with the last chunk, or when the client reads no more. */
function stream(c: Context<ApiEnv>, bytes: Uint8Array): ReadableStream<Uint8Array> {
  const request = c.get("request");
  request.isStreamed = true;
  c.env.server.timeout(c.req.raw, READ_TIMEOUT_S);
  // A stream is neither read nor cancelled when the client has gone before.
  const timer = setTimeout(() => request.end(), READ_TIMEOUT_S * 1000);
  const finish = () => {
    clearTimeout(timer);
    request.end();
  };
  let at = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        timer.refresh();
        controller.enqueue(bytes.subarray(at, (at += CHUNK_BYTES)));
        if (at < bytes.length) return;
        controller.close();
        finish();
      },
      cancel: finish,
    },
    { highWaterMark: 0 },
  );
}
