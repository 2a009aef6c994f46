import type { Code } from "../chat/errors.ts";
import type { Role } from "../chat/model.ts";

/**
 * What the server sends in `chat.v2` and over HTTP. Times are RFC 3339 in UTC with milliseconds. Types only: the server
 * writes them and the client reads them. What clients send is in schemas.ts.
 */

/** `id` is the token's `sub`; null for a user who was invited by email and has never signed in. */
export interface UserBody {
  id: string | null;
  email: string | null;
  name: string | null;
}

export interface ReactionBody {
  emoji: string;
  /** Ids of users, in the order in which they reacted. */
  by: readonly string[];
}

/** A message as it is now. A deleted one keeps its `seq`; its text is empty and its reactions are gone. */
export interface MessageBody {
  /** The message's number in its room: 1, 2, 3 … without gaps. */
  seq: number;
  /** The room's `rev` at the message's last change. */
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

/** `seq` and `rev` are the room's newest; `role` is null for an administrator who is not a member. */
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

/** The server's limits. 0 means no limit. */
export interface LimitsBody {
  /** Bytes of UTF-8 in a message's text. */
  text_bytes: number;
  /** Bytes in one frame. */
  frame_bytes: number;
  /** Commands per second, and commands at once after a pause. */
  rate: number;
  burst: number;
}

/** The first frame. It sets the client's cursor to `rev`. */
export interface HelloFrame {
  type: "hello";
  room: RoomBody;
  me: UserBody;
  rev: number;
  /** Whether `messages` is what changed after the requested `since`; otherwise it is the room's last messages. */
  resumed: boolean;
  messages: MessageBody[];
  online: UserBody[];
  token_expires_at: string;
  limits: LimitsBody;
}

/** Changes that the client missed. The frame advances its cursor to `rev`. */
export interface ChangesFrame {
  type: "changes";
  rev: number;
  messages: MessageBody[];
}

/** A live change. `message.rev` is the cursor + 1. */
export interface ChangeFrame {
  type: "change";
  kind: "created" | "edited" | "deleted" | "reacted";
  message: MessageBody;
}

/** The result of the command is on disk. */
export interface AckFrame {
  type: "ack";
  id: string;
  seq: number;
  rev: number;
}

/** The command was refused and changed nothing. `id` is absent if the frame had none that could be read. */
export interface ErrorFrame {
  type: "error";
  id?: string;
  code: Code;
  message: string;
  retry_after_ms?: number;
  /** With `conflict`: the message that already has the `client_id`. */
  seq?: number;
}

export type NoticeFrame =
  | { type: "presence"; user: UserBody; online: boolean }
  | { type: "typing"; user: UserBody }
  | { type: "read"; user: UserBody; seq: number }
  /** A new member or a new role; `role` is null for a user who is no longer a member. */
  | { type: "member"; user: UserBody; role: Role | null }
  | { type: "room"; room: { id: string; name: string } };

export type ServerFrame =
  | HelloFrame
  | ChangesFrame
  | ChangeFrame
  | AckFrame
  | ErrorFrame
  | NoticeFrame
  | { type: "token.expiring"; expires_at: string }
  | { type: "restarting"; retry_after_ms: number };
