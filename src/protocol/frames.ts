import type { Code } from "../chat/errors.ts";
import type { Role } from "../chat/model.ts";

/**
 * What `chat.v2` and the HTTP API put on the wire. Times are RFC 3339, UTC, in milliseconds. Types alone: the server
 * writes them, the client reads them.
 */

/** `id` is the token's `sub`; null for somebody who was invited by email and has never connected. */
export interface UserBody {
  id: string | null;
  email: string | null;
  name: string | null;
}

export interface ReactionBody {
  emoji: string;
  /** Ids of users, in the order in which they came. */
  by: readonly string[];
}

/** A message as it is now. A deleted one keeps its `seq`; its text is empty, and its reactions are gone. */
export interface MessageBody {
  /** Its number in its room: 1, 2, 3 … without gaps. */
  seq: number;
  /** The room's `rev` at its last change. */
  rev: number;
  sender: UserBody;
  text: string;
  sent_at: string;
  edited_at?: string;
  deleted_at?: string;
  /** The `seq` of an earlier message. */
  reply_to?: number;
  client_id?: string;
  reactions: readonly ReactionBody[];
}

/** `seq` and `rev` are how far the room has come; `role` is null for an administrator who is not a member. */
export interface RoomBody {
  id: string;
  name: string;
  role: Role | null;
  seq: number;
  rev: number;
  created_at: string;
}

export interface RoomSummaryBody extends RoomBody {
  unread: number;
  last_message: MessageBody | null;
}

export interface MemberBody extends UserBody {
  role: Role;
  joined_at: string;
}

/** What the server takes; 0 stands for no limit. */
export interface LimitsBody {
  /** Bytes of UTF-8 in a text. */
  text_bytes: number;
  /** Bytes of one frame. */
  frame_bytes: number;
  /** Commands a second, and at once after a pause. */
  rate: number;
  burst: number;
}

/** The first frame. It brings the cursor to `rev`. */
export interface Hello {
  type: "hello";
  room: RoomBody;
  me: UserBody;
  rev: number;
  /** Whether `messages` go on from the `since` that was asked for; otherwise they are the room's last ones. */
  resumed: boolean;
  messages: MessageBody[];
  online: UserBody[];
  token_expires_at: string;
  limits: LimitsBody;
}

/** What was missed. It brings the cursor to `rev`. */
export interface Changes {
  type: "changes";
  rev: number;
  messages: MessageBody[];
}

/** Something has just happened. `message.rev` is the cursor + 1. */
export interface ChangeFrame {
  type: "change";
  kind: "created" | "edited" | "deleted" | "reacted";
  message: MessageBody;
}

/** A command is on disk. */
export interface AckFrame {
  type: "ack";
  id: string;
  seq: number;
  rev: number;
}

/** A command was refused, and changed nothing. Without an `id` where the frame had none that could be read. */
export interface ErrorFrame {
  type: "error";
  id?: string;
  code: Code;
  message: string;
  retry_after_ms?: number;
}

export type NoticeFrame =
  | { type: "presence"; user: UserBody; online: boolean }
  | { type: "typing"; user: UserBody }
  | { type: "read"; user: UserBody; seq: number }
  /** Somebody was made a member, or has another role; null when he is one no more. */
  | { type: "member"; user: UserBody; role: Role | null }
  | { type: "room"; room: { id: string; name: string } };

export type ServerFrame =
  | Hello
  | Changes
  | ChangeFrame
  | AckFrame
  | ErrorFrame
  | NoticeFrame
  | { type: "token.expiring"; expires_at: string }
  | { type: "restarting"; retry_after_ms: number };

/** What a client sends. `id` is its own, up to 64 characters, and comes back in the `ack` or `error`. */
export type Command =
  | { type: "send"; id: string; text: string; client_id?: string; reply_to?: number }
  | { type: "edit"; id: string; seq: number; text: string }
  | { type: "delete"; id: string; seq: number }
  | { type: "react"; id: string; seq: number; emoji: string; on: boolean }
  /** `seq` 0 moves nothing: a way to ask whether the connection lives. */
  | { type: "read"; id: string; seq: number }
  | { type: "auth"; id: string; token: string }
  | { type: "typing"; id?: string };
