import { type Refusal, StoreError } from "./store.ts";

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

const refusals: Record<Refusal, readonly [Code, string]> = {
  removed: ["removed", "You are no longer in this room."],
  room_deleted: ["room_deleted", "This room has been deleted."],
  no_message: ["message_not_found", "There is no such message in this room."],
  deleted: ["message_not_found", "This message has been deleted."],
  not_sender: ["forbidden", "Only its sender may edit a message."],
  not_moderator: ["forbidden", "Only its sender, a moderator or an owner may delete a message."],
  too_many_reactions: ["forbidden", "This message has as many reactions as a message may have."],
  not_owner: ["forbidden", "Your role in this room does not allow this."],
  last_owner: ["conflict", "A room keeps at least one owner; name another one first."],
  too_many_members: ["forbidden", "This room has as many members as a room may have."],
};

/** What the client hears of what the store has refused. */
export function refused(refusal: Refusal): ChatError {
  return new ChatError(...refusals[refusal]);
}

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
