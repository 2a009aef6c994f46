import { StoreError } from "./store.ts";

/** Every way in which Parley refuses, one closed list shared by HTTP, close reasons and error frames. */
export const codes = [
  "invalid_message",
  "message_too_long",
  "invalid_command",
  "unauthorized",
  "token_expired",
  "forbidden",
  "removed",
  "room_not_found",
  "room_deleted",
  "message_not_found",
  "conflict",
  "rate_limited",
  "too_many_connections",
  "storage_unavailable",
  "keys_unavailable",
  "restarting",
  "internal",
] as const;

export type Code = (typeof codes)[number];

/** A refusal that the client may hear: its code and message leave the server, its `cause` only reaches the log. */
export class ChatError extends Error {
  override readonly name = "ChatError";
  /** Milliseconds after which another try makes sense. */
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly code: Code,
    message: string,
    options: { cause?: unknown; retryAfterMs?: number } = {},
  ) {
    super(message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** One answer for a room that does not exist and for one that the user is not in, so that nobody can probe for rooms. */
export const roomNotFound = () =>
  new ChatError("room_not_found", "There is no such room, or you are not in it.");

/** What the client hears of whatever was thrown. */
export function asChatError(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  if (error instanceof StoreError) {
    return new ChatError("storage_unavailable", "The storage does not answer; try again soon.", {
      cause: error,
    });
  }
  return new ChatError("internal", "Something went wrong here; it has been logged.", { cause: error });
}
