import type { LeftFrame, NoticeFrame, RoomSummaryBody } from "../protocol/frames.ts";
import type { CommandType } from "./command.ts";
import type { ErrorCode, ParleyError } from "./error.ts";
import type { Change } from "./history.ts";
import type { PendingMessage } from "./messages.ts";

/**
 * The state of a chat's connection.
 * - `connecting`: no connection, and an attempt is being made or will be
 * - `offline`: the browser says that there is no network; the client connects when there is one
 * - `closed`: by `close()`, for good; or by the server, until `retry()`
 */
export type ChatStatus = "connecting" | "open" | "offline" | "closed";

/** `connecting`: not in step with the server, and will be. `closed`: as `closed` events say. */
export type RoomStatus = "connecting" | "open" | "closed";

/** A command was refused or dropped; its promise rejects with the same error. `message` is what a `send` was to send. */
export interface FailedEvent {
  type: "failed";
  /** Id of the room. */
  room: string;
  command: CommandType;
  error: ParleyError;
  message?: PendingMessage;
}

/** What a chat reports. */
export type ChatEvent =
  /** `rooms` or `unread` has changed. */
  | { type: "rooms" }
  /** This user has become a member of a room, or has created it elsewhere. */
  | { type: "joined"; room: RoomSummaryBody }
  /** This user is no longer a member of a room. If it was open, it is closed now. */
  | LeftFrame
  | { type: "status"; status: ChatStatus }
  /** In any room, open or not. */
  | FailedEvent
  /**
   * Something failed that will be tried again. A `ParleyError`, or what `token` or `storage` threw. Its code is `restarting` when
   * the server is about to close the connection, to restart.
   */
  | { type: "error"; error: unknown }
  /**
   * The connection has ended for good: no attempt follows unless `retry()` is called. `code` is the WebSocket close code
   * and `reason` the server's error code; after `close()` they are 1000 and `closed`.
   */
  | { type: "closed"; code: number; reason: ErrorCode };

/** What a room reports. */
export type RoomEvent =
  | Change
  | NoticeFrame
  /** Everything has been replaced: read `messages` and the rest again. */
  | { type: "reset" }
  /** `messages` has changed without a `change`: by `older()`, or by an edit, deletion or reaction made here. */
  | { type: "messages" }
  /** `pending` has changed. */
  | { type: "pending" }
  /** `members` has changed. */
  | { type: "members" }
  /** `typingUsers` has changed. */
  | { type: "typingUsers" }
  /** `unread` or `mentions` has changed. */
  | { type: "unread" }
  | { type: "status"; status: RoomStatus }
  | FailedEvent
  /**
   * The room could not be opened, or a command was refused for the moment, such as with `rate_limited` when messages follow each
   * other too fast. It will be tried again, after `error.retryAfterMs` if the server says so.
   */
  | { type: "error"; error: ParleyError }
  /**
   * The room is closed; iterators end. `reason` is `closed` after `close()`, otherwise the server's error code, such as
   * `removed`, `room_deleted`, `room_not_found`, `forbidden` (too many rooms are open), or that of the chat.
   */
  | { type: "closed"; reason: ErrorCode };

/** The event of one type. */
export type ChatEventOf<T extends ChatEvent["type"]> = Extract<ChatEvent, { type: T }>;
export type RoomEventOf<T extends RoomEvent["type"]> = Extract<RoomEvent, { type: T }>;
