import type { ErrorFrame } from "../protocol/frames.ts";

/**
 * Why something failed: one of the server's error codes, or one of this client's own:
 * - `left`: the user has left the room
 * - `network`: no response from the server
 * - `closed`: the chat or the room was closed with `close()`
 * - `too_many_pending`: too many commands are waiting to be sent
 */
export type ErrorCode = ErrorFrame["code"] | "left" | "network" | "closed" | "too_many_pending";

/** The error with which every promise of this client rejects. */
export class ParleyError extends Error {
  override readonly name = "ParleyError";
  /** HTTP status, if the HTTP API refused a request. */
  readonly status: number | undefined;
  /** Milliseconds to wait before another attempt, if the server gave a time. */
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { cause?: unknown; status?: number | undefined; retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options);
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The error of a frame. */
export function errorOf({ code, message, retry_after_ms: retryAfterMs }: ErrorFrame): ParleyError {
  return new ParleyError(code, message, { retryAfterMs });
}
