import { STATUS_CODES } from "node:http";

import { asChatError, type ChatError } from "../chat/errors.ts";
import { answers } from "../protocol/error-codes.ts";

/** A refusal over HTTP, as application/problem+json (RFC 9457). `status` where the code's own does not fit. */
export function problem(error: unknown, status?: number): Response {
  const refusal = asChatError(error);
  const code = status ?? answers[refusal.code].status;
  return Response.json(
    {
      type: "about:blank",
      title: STATUS_CODES[code],
      status: code,
      code: refusal.code,
      detail: refusal.message,
    },
    { status: code, headers: { "content-type": "application/problem+json", ...extraHeaders(code, refusal) } },
  );
}

function extraHeaders(status: number, { retryAfterMs }: ChatError): Record<string, string> {
  switch (status) {
    case 401:
      return { "www-authenticate": "Bearer" };
    case 426:
      return { upgrade: "websocket", connection: "upgrade" };
    case 429:
    case 503:
      return { "retry-after": String(Math.max(1, Math.ceil((retryAfterMs ?? 1000) / 1000))) };
    default:
      return {};
  }
}
