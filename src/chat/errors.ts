/** Every reason why Parley refuses something: one closed list for HTTP, close reasons and error frames. */
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
  "member_not_found",
  "conflict",
  "rate_limited",
  "too_many_connections",
  "storage_unavailable",
  "keys_unavailable",
  "restarting",
  "internal",
] as const;

export type Code = (typeof codes)[number];

/** What a client is told beside code and message. */
export interface ErrorDetails {
  /** With `conflict`: the message that already has the `client_id`. */
  seq?: number;
  /** With `conflict`: ids of the members who share one email. */
  users?: readonly string[];
  /** With `forbidden`, for a muted user: when the mute ends (RFC 3339). Absent when it has no end. */
  until?: string;
  /** In a list: which item was refused, from 0. */
  index?: number;
}

/** A refusal. The client sees its code, message and details; its `cause` only reaches the log. */
export class ChatError extends Error {
  override readonly name = "ChatError";
  /** Milliseconds to wait before another attempt. */
  readonly retryAfterMs: number | undefined;
  readonly details: ErrorDetails;

  constructor(
    readonly code: Code,
    message: string,
    options: { cause?: unknown; retryAfterMs?: number; details?: ErrorDetails | undefined } = {},
  ) {
    super(message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details ?? {};
  }
}

/** The storage cannot be used: full, broken, or locked by another process for too long. */
export class StoreError extends Error {
  override readonly name = "StoreError";
}

const refusals = {
  /** The same for a room that does not exist and for one that the user is not in, so nobody can probe for rooms. */
  room_not_found: ["room_not_found", "There is no such room, or you are not a member of it."],
  removed: ["removed", "You are no longer a member of this room."],
  room_deleted: ["room_deleted", "This room has been deleted."],
  message_not_found: ["message_not_found", "There is no such message in this room."],
  message_deleted: ["message_not_found", "This message has been deleted."],
  client_id_used: ["conflict", "You have already sent another message with this client_id."],
  member_not_found: ["member_not_found", "There is no such member in this room."],
  /** The same for a user who does not exist and for one who shares no room with the actor, so nobody can probe for users. */
  user_not_found: ["member_not_found", "There is no such user, or you share no room with them."],
  own_direct: ["forbidden", "You cannot have a direct conversation with yourself."],
  direct_room: ["forbidden", "The members and settings of a direct conversation cannot be changed."],
  not_sender: ["forbidden", "Only the sender may edit a message."],
  not_moderator: ["forbidden", "Only the sender, a moderator or an owner may delete a message."],
  too_many_reactions: ["forbidden", "This message has the maximum number of reactions."],
  not_allowed: ["forbidden", "Your role in this room does not allow this."],
  read_only_room: ["forbidden", "Only moderators and owners may post in this room."],
  muted: ["forbidden", "You are muted in this room."],
  slow_mode: ["rate_limited", "This room is in slow mode. Wait before you send another message."],
  banned: ["forbidden", "A banned user cannot be a member of this room."],
  own_restriction: ["forbidden", "You cannot ban or mute yourself."],
  too_many_restrictions: ["forbidden", "This room has the maximum number of bans and mutes."],
  not_administrator: ["forbidden", "Only administrators may do this."],
  last_owner: ["conflict", "A room needs an owner: make someone else an owner first, or delete the room."],
  too_many_members: ["forbidden", "This room has the maximum number of members."],
  too_many_rooms: ["forbidden", "You have created the maximum number of rooms."],
  room_id_taken: ["conflict", "A room with this id already exists."],
  ambiguous_email: ["conflict", "More than one member has this email address: use the user id instead."],
} as const satisfies Record<string, readonly [Code, string]>;

/** Why a rule of the chat refuses something. */
export type Refusal = keyof typeof refusals;

/** How rules and stores refuse. Nothing was changed. */
export interface Refused {
  refused: Refusal;
  details?: ErrorDetails;
  /** Milliseconds until the same may be allowed. */
  retryAfterMs?: number;
}

/** What a rule or a store returns: the result, or why there is none. */
export type Result<T> = T | Refused;

export function isRefused(result: unknown): result is Refused {
  return typeof result === "object" && result !== null && "refused" in result;
}

/** The error that tells a client about a refusal. */
export function refusalError({ refused, details, retryAfterMs }: Refused): ChatError {
  const [code, message] = refusals[refused];
  return new ChatError(code, message, { details, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

/** Returns the result, or throws the `ChatError` of a refusal. */
export function unwrap<T>(result: Result<T>): T {
  if (isRefused(result)) throw refusalError(result);
  return result;
}

/** The error for a room that does not exist, or that the user is not in. */
export const roomNotFound = () => refusalError({ refused: "room_not_found" });

/** The error to show a client for anything that was thrown. */
export function asChatError(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  if (error instanceof StoreError) {
    return new ChatError("storage_unavailable", "The storage is not available. Try again soon.", {
      cause: error,
    });
  }
  return new ChatError("internal", "Something went wrong on the server. It has been logged.", {
    cause: error,
  });
}
