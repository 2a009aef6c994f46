/** The store's key of a room. A room that is deleted and created again under the same id has another key. */
export type RoomKey = number;
/** The store's key of a user. */
export type UserKey = number;

export const roles = ["owner", "moderator", "member"] as const;
export type Role = (typeof roles)[number];

/** Who may become a member of a room on their own: nobody, or any signed-in user. */
export const accesses = ["members", "open"] as const;
export type Access = (typeof accesses)[number];

/** Who may post in a room: all members, or only moderators and owners. */
export const postings = ["members", "moderators"] as const;
export type Posting = (typeof postings)[number];

/** A banned user cannot be a member of a room. A muted member reads, but does not post. */
export const restrictionKinds = ["ban", "mute"] as const;
export type RestrictionKind = (typeof restrictionKinds)[number];

/** Who a user is, according to their identity provider. */
export interface Profile {
  sub: string;
  /** Normalized, and verified by the identity provider. Absent when the token has no such address. */
  email?: string;
  name?: string;
}

/** What a verified token says about its bearer. Times are milliseconds since the epoch. */
export interface Identity extends Profile {
  /** The token grants `chat:admin`: its bearer may act in every room. */
  admin: boolean;
  /** The key that verified the token: its issuer and its RFC 7638 thumbprint. */
  signingKey: string;
  /** The token's `exp`. */
  expiresAt: number;
  /** `expiresAt` plus the clock tolerance. From then on the token is refused, and its connections are closed. */
  acceptedUntil: number;
}

/** A verified `sub`, as the store knows it. */
export interface User {
  key: UserKey;
  /** The `sub`. Null for a user who was invited by email and has never signed in. */
  id: string | null;
  email: string | null;
  name: string | null;
}

/** A user who acts, with the permission that their token gives them. */
export interface Actor extends User {
  admin: boolean;
}

/** The person at the command line. No stored user has the key 0. */
export const operator: Actor = { key: 0, id: null, email: null, name: null, admin: true };

/** Whom a membership is for: an email, whose user may never have signed in, or a `sub`. */
export type Invitee = { email: string } | { sub: string };

/** What owners may change about a room. */
export interface RoomSettings {
  name: string;
  access: Access;
  posting: Posting;
  /** Seconds between two messages of one member; 0 is off. */
  slowMode: number;
}

/** The settings of a new room, unless it gets others. */
export const defaultSettings: Omit<RoomSettings, "name"> = {
  access: "members",
  posting: "members",
  slowMode: 0,
};

/** The longest slow mode: six hours. */
export const MAX_SLOW_MODE_S = 21_600;

export interface Room extends RoomSettings {
  key: RoomKey;
  id: string;
  /** The number of the newest message; 0 when there is none. */
  seq: number;
  /** The change counter. */
  rev: number;
  /** Milliseconds since the epoch, as are all times in this file. */
  createdAt: number;
}

/** A room's key, and the id by which clients know it. */
export type RoomRef = Pick<Room, "key" | "id">;

/** Why a user is no longer in a room. `left`: at their own request. */
export type Departure = "removed" | "room_deleted" | "left";

/** A user in a room. */
export interface Member {
  user: User;
  role: Role;
  joinedAt: number;
}

/** Who is to be a member. Without `role`, a member keeps theirs and a new one becomes a `member`. */
export interface Invitation {
  who: Invitee;
  role: Role | undefined;
}

/** How far a user has read a room; 0 when they have read nothing. */
export interface ReadMark {
  user: User;
  seq: number;
}

/** A user as they were at some moment. */
export type UserSnapshot = Pick<User, "id" | "email" | "name">;

/** A ban or a mute of one user in one room. */
export interface Restriction {
  user: User;
  /** Who imposed it, as they were then. Null for the command line. */
  by: UserSnapshot | null;
  at: number;
  /** Null for a restriction without an end. */
  until: number | null;
  reason: string | null;
}

/** What a moderator, an owner or an administrator did. Users are as they were then. */
export type ModerationAction =
  | { action: "member_removed"; user: UserSnapshot }
  /** `before` is null for a user who was not a member. */
  | { action: "role_changed"; user: UserSnapshot; role: Role; before: Role | null }
  | { action: "banned" | "muted"; user: UserSnapshot; until: number | null; reason: string | null }
  | { action: "ban_lifted" | "mute_lifted"; user: UserSnapshot }
  /** Another user's message: `user` is its sender. */
  | { action: "message_deleted"; user: UserSnapshot; seq: number }
  /** The new values of the settings that were changed. */
  | { action: "room_changed"; changes: Partial<RoomSettings> };

/** An entry of a room's audit list. */
export type AuditEntry = ModerationAction & {
  /** The entry's number in its room. */
  n: number;
  at: number;
  /** Null for the command line. */
  actor: UserSnapshot | null;
};

/**
 * A room as one user sees it. `role` is null for an administrator who is not a member, and for anyone else who is not and who
 * looks at an open room.
 */
export interface Membership {
  room: Room;
  role: Role | null;
  /** The other user of a direct conversation, for its two users. */
  directWith?: User | undefined;
}

/** A room in a user's own list, as of the room's `rev`. */
export interface RoomEntry extends Membership {
  /** The user's read mark. */
  read: number;
  /** Messages after the mark that are not deleted. */
  unread: number;
  /** Those of them that mention the user, or everyone in the room; counted up to `MAX_COUNTED_MENTIONS`. */
  mentions: number;
}

/** A room in a user's own list, with what it shows of the conversation. */
export interface RoomSummary extends RoomEntry {
  /** The newest message that is not deleted. */
  lastMessage: Message | null;
}

export interface Reaction {
  emoji: string;
  /** Ids of users, in the order in which they reacted. */
  by: readonly string[];
}

/** Data that an application attaches to a message: any JSON object, within limits. */
export type Meta = Readonly<Record<string, unknown>>;

export interface Message {
  /** The message's number in its room: 1, 2, 3 … without gaps. */
  seq: number;
  /** The room's `rev` at the message's last change. */
  rev: number;
  sender: User;
  /** Null once the message is deleted. */
  text: string | null;
  sentAt: number;
  editedAt: number | null;
  deletedAt: number | null;
  replyTo: number | null;
  /** The sender's idempotency key, unique per room and sender for ever. */
  clientId: string | null;
  /** Compact JSON, as `encodeMeta` returns it. Null when there is none, and once the message is deleted. */
  meta: string | null;
  /** Whom the text mentions: JSON as clients get it. Null when it mentions nobody, and once the message is deleted. */
  mentions: string | null;
  reactions: readonly Reaction[];
}

/** What a user does in a room and the store keeps. `seq` names a message of that room. */
export type Action =
  | { type: "send"; text: string; clientId: string | null; replyTo: number | null; meta: string | null }
  | { type: "edit"; seq: number; text: string }
  | { type: "delete"; seq: number }
  | { type: "react"; seq: number; emoji: string; on: boolean }
  /** Moves the actor's read mark forward, to the newest message at most. */
  | { type: "read"; seq: number };

/** An action on its way to the store. */
export interface Draft {
  room: RoomKey;
  actor: Actor;
  at: number;
  action: Action;
}

/** A stored fact. */
export interface Change {
  kind: "created" | "edited" | "deleted" | "reacted";
  message: Message;
  /** The message's `mentions` before it was edited or deleted, if they were others. */
  mentionsBefore?: string | null;
}

/** Something that everyone in a room is told and that is not stored. */
export type Notice =
  | { type: "presence"; user: User; online: boolean }
  | { type: "typing"; user: User }
  /** `role` is null for a user who is no longer a member. */
  | { type: "member"; user: User; role: Role | null }
  | { type: "room"; room: Pick<Room, "id"> & RoomSettings };

/** A point in a room's history: its newest `seq` and `rev` there. */
export interface Position {
  seq: number;
  rev: number;
}

/** Where a command was stored. */
export type Ack = Position;

/** A read mark that was moved, and what that means for its user. As of the draft, within its batch. */
export interface MarkMove {
  /** Where the mark is now. */
  seq: number;
  /** Messages after the mark that are not deleted. */
  unread: number;
  /** Those of them that mention the user, or everyone in the room; counted up to `MAX_COUNTED_MENTIONS`. */
  mentions: number;
  /** The room's newest `seq` and `rev`. */
  head: Position;
}

/** The latest state of a room, for sessions in which it is not open. */
export interface Activity extends Position {
  /** The newest message that is not deleted. */
  lastMessage: Message | null;
  /** Messages deleted since the last activity of this room: the `seq` of each, and the `rev` of its deletion. */
  deleted: readonly Position[];
  /** Changes of what messages mention since then. Undefined when there were too many of them. */
  mentions: readonly MentionChange[] | undefined;
}

/** A message that mentions other users than before, and the `rev` of that change. Both are JSON, as in `Message.mentions`. */
export interface MentionChange extends Position {
  now: string | null;
  before: string | null;
}

/** Messages by `rev`, and the `rev` that a reader has reached with them. */
export interface Page {
  messages: readonly Message[];
  rev: number;
}

/** Limits per user, room or message. 0 means no limit. */
export interface Limits {
  /** Bytes of UTF-8 in a message's text. */
  textBytes: number;
  /** Commands per second and user, over all of the user's connections. */
  messageRate: number;
  /** Commands that a user may send at once after a pause. */
  messageBurst: number;
  /** Rooms that one user may create. */
  roomsPerUser: number;
  /** Members of one room, including invited users who have never signed in. */
  membersPerRoom: number;
}

/** Messages in the history that a new connection gets. */
export const HISTORY_LENGTH = 50;
