import type { Code } from "../chat/errors.ts";
import type { Access, Meta, Posting, Role } from "../chat/model.ts";

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

/** A message as it is now. A deleted one keeps its `seq`; its text is empty, its metadata and reactions are gone. */
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
  /** What the sender attached to the message. */
  meta?: Meta;
  reactions: readonly ReactionBody[];
}

/** What owners may change about a room. */
export interface RoomSettingsBody {
  name: string;
  /** `open`: any signed-in user may join. */
  access: Access;
  /** `moderators`: members cannot send messages. */
  posting: Posting;
  /** Seconds between two messages of one member; 0 is off. */
  slow_mode: number;
}

/**
 * `seq` and `rev` are the room's newest; `role` is null for an administrator who is not a member, and for a user who looks at an
 * open room.
 */
export interface RoomBody extends RoomSettingsBody {
  id: string;
  role: Role | null;
  seq: number;
  rev: number;
  created_at: string;
}

/** A room in a user's list, as of `rev`. */
export interface RoomSummaryBody extends RoomBody {
  /** The user's read mark. */
  read: number;
  /** Messages after the mark that are not deleted. */
  unread: number;
  /**
   * The newest message that is not deleted: its text cut to 200 UTF-16 units, and without its metadata if that has more than
   * 512 bytes.
   */
  last_message: MessageBody | null;
}

/** How far a member has read a room. */
export interface ReadBody {
  user: UserBody;
  seq: number;
}

export interface MemberBody extends UserBody {
  role: Role;
  joined_at: string;
}

/** A ban or a mute. */
export interface RestrictionBody {
  user: UserBody;
  /** Who imposed it, as they were then. Null for the command line. */
  by: UserBody | null;
  at: string;
  /** Null for one without an end. */
  until: string | null;
  reason: string | null;
}

/** What a moderator, an owner or an administrator did. Users are as they were then. */
export type AuditBody = {
  /** The entry's number in its room. */
  n: number;
  at: string;
  /** Null for the command line. */
  actor: UserBody | null;
} & (
  | { action: "member_removed"; user: UserBody }
  /** `before` is null for a user who was not a member. */
  | { action: "role_changed"; user: UserBody; role: Role; before: Role | null }
  | { action: "banned" | "muted"; user: UserBody; until: string | null; reason: string | null }
  | { action: "ban_lifted" | "mute_lifted"; user: UserBody }
  /** `user` is the sender of the message. */
  | { action: "message_deleted"; user: UserBody; seq: number }
  /** The new values of the settings that were changed. */
  | { action: "room_changed"; changes: Partial<RoomSettingsBody> }
);

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

/** The limits of a session: those of the server, and the rooms that may be open at once. */
export interface SessionLimitsBody extends LimitsBody {
  open_rooms: number;
}

/** A room as a connection begins to follow it. */
interface RoomStart {
  room: RoomBody;
  /** The client's new cursor. */
  rev: number;
  /** Whether `messages` is what changed after the requested `since`; otherwise it is the room's last messages. */
  resumed: boolean;
  messages: MessageBody[];
  online: UserBody[];
}

/** The first frame of a connection to one room. */
export interface HelloFrame extends RoomStart {
  type: "hello";
  me: UserBody;
  token_expires_at: string;
  limits: LimitsBody;
}

/** The first frame of a session. */
export interface SessionHelloFrame {
  type: "hello";
  me: UserBody;
  token_expires_at: string;
  limits: SessionLimitsBody;
  /** The user's rooms, most recent activity first. */
  rooms: RoomSummaryBody[];
  /** Whether a `rooms` frame with more of them follows. */
  more: boolean;
}

/** Summaries that follow `hello`, or replace what the client knows of these rooms. */
export interface RoomsFrame {
  type: "rooms";
  rooms: RoomSummaryBody[];
  more: boolean;
}

/** Answers the command `open`. */
export interface OpenedFrame extends RoomStart {
  type: "opened";
  id: string;
  reads: ReadBody[];
}

/** A room that is not open in this session has changed. This is its latest state. */
export interface ActivityFrame {
  type: "activity";
  room: string;
  seq: number;
  rev: number;
  last_message: MessageBody | null;
  /** Messages deleted since the last activity of this room, and the `rev` of each deletion. */
  deleted?: number[];
  deleted_revs?: number[];
}

/** The user has become a member of a room. */
export interface JoinedFrame {
  type: "joined";
  room: RoomSummaryBody;
}

/** The user is no longer a member of a room, or it was deleted. */
export interface LeftFrame {
  type: "left";
  room: string;
  reason: "removed" | "room_deleted" | "left";
}

/** Changes that the client missed. The frame advances its cursor to `rev`. */
export interface ChangesFrame {
  type: "changes";
  room: string;
  rev: number;
  messages: MessageBody[];
}

/** A live change. `message.rev` is the cursor + 1. */
export interface ChangeFrame {
  type: "change";
  room: string;
  kind: "created" | "edited" | "deleted" | "reacted";
  message: MessageBody;
}

/**
 * The result of the command is on disk. In a session, `auth` has no room, and only commands that are stored have `seq` and
 * `rev`.
 */
export interface AckFrame {
  type: "ack";
  room?: string;
  id: string;
  seq?: number;
  rev?: number;
}

/** The command was refused and changed nothing. `id` and `room` are absent if the frame had none that could be read. */
export interface ErrorFrame {
  type: "error";
  room?: string;
  id?: string;
  code: Code;
  message: string;
  retry_after_ms?: number;
  /** With `conflict`: the message that already has the `client_id`. */
  seq?: number;
  /** With `forbidden`, for a muted user: when the mute ends. Absent when it has no end. */
  until?: string;
}

/** A user's read mark has moved to `seq`. */
export interface ReadFrame {
  type: "read";
  room: string;
  user: UserBody;
  seq: number;
  /** The user's unread messages as of `room_rev`, when `room_seq` was the newest message. */
  unread?: number;
  room_seq?: number;
  room_rev?: number;
}

export type NoticeFrame =
  | ReadFrame
  | { type: "presence"; room: string; user: UserBody; online: boolean }
  | { type: "typing"; room: string; user: UserBody }
  /** A new member or a new role; `role` is null for a user who is no longer a member. */
  | { type: "member"; room: string; user: UserBody; role: Role | null }
  | { type: "room"; room: { id: string } & RoomSettingsBody };

/** Frames of both URLs. */
export type RoomFrame =
  | ChangesFrame
  | ChangeFrame
  | AckFrame
  | ErrorFrame
  | NoticeFrame
  | { type: "token.expiring"; expires_at: string }
  | { type: "restarting"; retry_after_ms: number };

/** What the server sends to a session. */
export type SessionFrame =
  SessionHelloFrame | RoomsFrame | OpenedFrame | ActivityFrame | JoinedFrame | LeftFrame | RoomFrame;

/** What the server sends. */
export type ServerFrame = HelloFrame | SessionFrame;
