import type { ErrorFrame } from "../protocol/frames.ts";

/**
 * Why something failed: one of the server's error codes, or one of this client's own:
 * - `left`: the user has left the room
 * - `network`: no response from the server
 * - `closed`: the chat or the room was closed with `close()`
 * - `too_many_pending`: too many commands are waiting to be sent
 */
export type ErrorCode = ErrorFrame["code"] | "left" | "network" | "closed" | "too_many_pending";

/** What a refusal tells beside its code and its message. */
export interface ErrorDetails {
  /** HTTP status, if the HTTP API refused a request. */
  status?: number | undefined;
  /** Milliseconds to wait before another attempt, if the server gave a time. */
  retryAfterMs?: number | undefined;
  /** With `conflict`: the `seq` of the message that already has the `client_id`. */
  seq?: number | undefined;
  /** With `conflict`: ids of the users who share the email address. */
  users?: readonly string[] | undefined;
  /** With `forbidden`, for a muted user: when the mute ends (RFC 3339). Undefined when it has no end. */
  until?: string | undefined;
  /** For `setMembers` with several users: which of them was refused, from 0. */
  index?: number | undefined;
}

/** The error with which every promise of this client rejects. */
export class ParleyError extends Error implements ErrorDetails {
  override readonly name = "ParleyError";
  readonly status: ErrorDetails["status"];
  readonly retryAfterMs: ErrorDetails["retryAfterMs"];
  readonly seq: ErrorDetails["seq"];
  readonly users: ErrorDetails["users"];
  readonly until: ErrorDetails["until"];
  readonly index: ErrorDetails["index"];

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: ErrorDetails & { cause?: unknown } = {},
  ) {
    super(message, options);
    ({
      status: this.status,
      retryAfterMs: this.retryAfterMs,
      seq: this.seq,
      users: this.users,
      until: this.until,
      index: this.index,
    } = options);
  }
}

/** The error of a frame. */
export function errorOf({
  code,
  message,
  retry_after_ms: retryAfterMs,
  ...details
}: ErrorFrame): ParleyError {
  return new ParleyError(code, message, { ...details, retryAfterMs });
}
