import { STATUS_CODES } from "node:http";

import { asChatError, type ChatError } from "../chat/errors.ts";
import { errorCodes } from "../protocol/error-codes.ts";

/** An error as application/problem+json (RFC 9457), with its `code`. `status` overrides the status of the code. */
export function problem(error: unknown, status?: number): Response {
  const refusal = asChatError(error);
  const { code, message, details } = refusal;
  const httpStatus = status ?? errorCodes[code].status;
  const body = {
    type: "about:blank",
    title: STATUS_CODES[httpStatus],
    status: httpStatus,
    code,
    detail: message,
    ...details,
  };
  const headers = {
    "content-type": "application/problem+json",
    "referrer-policy": "no-referrer",
    ...extraHeaders(httpStatus, refusal),
  };
  return Response.json(body, { status: httpStatus, headers });
}

function extraHeaders(status: number, { retryAfterMs = 1000 }: ChatError): Record<string, string> {
  switch (status) {
    case 401:
      return { "www-authenticate": "Bearer" };
    case 426:
      return { upgrade: "websocket", connection: "upgrade" };
    case 429:
    case 503:
      return { "retry-after": String(Math.max(1, Math.ceil(retryAfterMs / 1000))) };
    default:
      return {};
  }
}
