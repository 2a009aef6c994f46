/** The store's own key of a room. A room that is deleted and made again under its old id has another key. */
export type RoomKey = number;
/** The store's own key of a user. */
export type UserKey = number;

export const roles = ["owner", "moderator", "member"] as const;
export type Role = (typeof roles)[number];

/** Who a user says they are, vouched for by their identity provider. */
export interface Profile {
  sub: string;
  /** Normalized, and verified by the identity provider. Absent when the token has no such address. */
  email?: string;
  name?: string;
}

/** What a verified token says about its bearer. */
export interface Identity extends Profile {
  /** The token holds `chat:admin`: its bearer may act on every room. */
  admin: boolean;
  /** The key that verified the token: its issuer and its RFC 7638 thumbprint. */
  signingKey: string;
  /** The token's `exp`, in milliseconds since the epoch. */
  expiresAt: number;
  /** `expiresAt` plus the clock tolerance. From then on the token is refused, and its connection is closed. */
  acceptedUntil: number;
}

/** A verified `sub`, as the store knows it. */
export interface User {
  key: UserKey;
  /** The `sub`. Null for somebody who was invited by email and has never connected. */
  id: string | null;
  email: string | null;
  name: string | null;
}

/** Who asks: a user, with the rights that his token gives him. */
export interface Actor extends User {
  admin: boolean;
}

/** Whoever runs the command line. */
export const operator: Actor = { key: 0, id: null, email: null, name: null, admin: true };

export interface Room {
  key: RoomKey;
  id: string;
  name: string;
  /** The number of its newest message; 0 when there is none. */
  seq: number;
  /** Its change counter. */
  rev: number;
  /** Milliseconds since the epoch, as are all times here. */
  createdAt: number;
}

/** A user in a room. */
export interface Member {
  user: User;
  role: Role;
  joinedAt: number;
}

/** A room as one user sees it. `role` is null for an administrator who is not a member. */
export interface Membership {
  room: Room;
  role: Role | null;
}

/** A room in a user's own list. */
export interface RoomSummary extends Membership {
  unread: number;
  lastMessage: Message | null;
}

export interface Reaction {
  emoji: string;
  /** Ids of users, in the order in which they came. */
  by: readonly string[];
}

export interface Message {
  /** Its number in the room: 1, 2, 3 … without gaps. */
  seq: number;
  /** The room's `rev` at the message's last change. */
  rev: number;
  sender: User;
  /** Null once it is deleted. */
  text: string | null;
  sentAt: number;
  editedAt: number | null;
  deletedAt: number | null;
  replyTo: number | null;
  /** The sender's own name for it, unique for ever per room and sender. */
  clientId: string | null;
  reactions: readonly Reaction[];
}

/** What a member does in a room, and the store keeps. Each `seq` names a message of that room. */
export type Action =
  | { type: "send"; text: string; clientId: string | null; replyTo: number | null }
  | { type: "edit"; seq: number; text: string }
  | { type: "delete"; seq: number }
  | { type: "react"; seq: number; emoji: string; on: boolean }
  /** Moves his read mark forward, to the last message at most. */
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
}

/** What is told to whoever is in a room just now, and not stored. */
export type Notice =
  | { type: "presence"; user: User; online: boolean }
  | { type: "typing"; user: User }
  | { type: "read"; user: User; seq: number }
  /** `role` is null for somebody who is a member no more. */
  | { type: "member"; user: User; role: Role | null }
  | { type: "room"; room: Pick<Room, "id" | "name"> };

/** How far a room has come. */
export interface Position {
  seq: number;
  rev: number;
}

/** Where a command was stored. */
export type Ack = Position;

/** What one user, room or message may take. In each, 0 lifts the limit. */
export interface Limits {
  /** Bytes of UTF-8 in a message's text. */
  textBytes: number;
  /** Messages a second, per user over all his connections … */
  messageRate: number;
  /** … and how many he may send at once after a pause. */
  messageBurst: number;
  /** Rooms that one user may make. */
  roomsPerUser: number;
  /** Members, invited ones included, of one room. */
  membersPerRoom: number;
}

/** Whether every database can keep a text and give it back unchanged: no lone surrogates, no NUL. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** What is seen: of the characters that only steer others the joiner between emoji, and the tags of some flags. */
const emojiPattern = /^(?=.*[^\p{Cf}])(?:[^\s\p{Cc}\p{Cf}]|[\u200d\u{e0020}-\u{e007f}])+$/u;

/** What may stand in a reaction: an emoji of any length there is, or a short word such as `:tada:`. */
export function isEmoji(text: string): boolean {
  return text.length <= 32 && isStorable(text) && emojiPattern.test(text);
}

/** Whether a client may name a message, or a command, so: 1 to 64 characters, whichever way its language counts them. */
export function isName(text: string): boolean {
  return text.length > 0 && (text.length <= 64 || (text.length <= 128 && Array.from(text).length <= 64));
}

/** Messages that a newcomer is sent. */
export const historyLength = 50;

/** What a room's id may look like: what URLs, and the groups of Django Channels, take as it is. */
const roomIdPattern = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$/;
export const roomIdRule = "A room's id has 1 to 100 letters, digits, and . _ -, without a dot in front.";

export function isRoomId(text: string): boolean {
  return roomIdPattern.test(text);
}
