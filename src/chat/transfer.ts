import type { Invitee, Meta, Position, RestrictionKind, Role, RoomSettings, UserSnapshot } from "./model.ts";

/** Facts of a chat on their way from another database or product, or to one. Times are milliseconds since the epoch. */
export type TransferRecord =
  UserRecord | RoomRecord | MemberRecord | RestrictionRecord | MessageRecord | ReactionRecord | ReadRecord;

/** What a source knows about a user. Users whom other records name without such a record exist too. */
export interface UserRecord {
  type: "user";
  user: Invitee;
  name: string | null;
  /** The email that the user is shown with. */
  email: string | null;
  /** Addresses that belong to the user, because they presented them verified. Only Parley knows these. */
  emails: readonly string[];
  /** Whether the user has signed in to Parley. */
  signedIn: boolean;
}

export interface RoomRecord {
  type: "room";
  /** The room's id, as in the URL. */
  id: string;
  name: string;
  /** Absent for the defaults. */
  settings?: Omit<RoomSettings, "name">;
  /** The two users of a direct conversation. Absent for other rooms. */
  direct?: readonly [Invitee, Invitee];
  createdAt: number;
  createdBy: Invitee | null;
  /** The room's newest `seq` and `rev`, if it comes from Parley. Its messages then have a `position`. */
  head: Position | null;
}

export interface MemberRecord {
  type: "member";
  room: string;
  user: Invitee;
  role: Role;
  joinedAt: number;
}

/** A ban or a mute. */
export interface RestrictionRecord {
  type: RestrictionKind;
  room: string;
  user: Invitee;
  at: number;
  until: number | null;
  reason: string | null;
  by: UserSnapshot | null;
}

export interface MessageRecord {
  type: "message";
  room: string;
  sender: Invitee;
  /** Null once the message is deleted. */
  text: string | null;
  sentAt: number;
  editedAt: number | null;
  deletedAt: number | null;
  replyTo: MessageRef | null;
  /** For a message of another product its key there, unique in the room: it makes a second import skip the message. */
  clientId: string | null;
  meta: Meta | null;
  /** Where the message was in Parley. Null for one of another product, which is appended in order of `sentAt`. */
  position: MessagePosition | null;
}

/** `rev` is that of the message's creation, `changedRev` that of its last edit, deletion or reaction. */
export interface MessagePosition extends Position {
  changedRev: number | null;
}

/** A message of the same room: by its number in Parley, or by the key that it has in another product. */
export type MessageRef = { seq: number } | { key: string };

/** Reactions to one message follow it, in the order in which they are shown. */
export interface ReactionRecord {
  type: "reaction";
  room: string;
  message: MessageRef;
  emoji: string;
  user: Invitee;
}

/** A read mark. Without one, a member of an imported room has read everything. */
export interface ReadRecord {
  type: "read";
  room: string;
  user: Invitee;
  seq: number;
}
