import type { ErrorFrame } from "../protocol/frames.ts";

/**
 * Why something failed: a code of the server's closed list, or one of the client's own. `network`: no answer, or none
 * that Parley gives; `closed`: the room was closed here; `too_many_pending`: too many commands wait already.
 */
export type ErrorCode = ErrorFrame["code"] | "network" | "closed" | "too_many_pending";

/** What every promise of this client rejects with. */
export class ParleyError extends Error {
  override readonly name = "ParleyError";
  /** The HTTP status, when it was the HTTP API that refused. */
  readonly status: number | undefined;
  /** Milliseconds after which another try makes sense, when the server said so. */
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { cause?: unknown; status?: number | undefined; retryAfterMs?: number | undefined } = {},
  ) {
    super(message, { cause: options.cause });
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
  }
}
