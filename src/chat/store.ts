import type {
  Ack,
  Actor,
  Change,
  Draft,
  Member,
  Membership,
  Message,
  Position,
  Profile,
  Role,
  Room,
  RoomKey,
  RoomSummary,
  User,
  UserKey,
} from "./model.ts";

/**
 * What must be kept. Every method may be called at any time, and rejects with `StoreError` when the storage does not
 * answer; a write that rejects has changed nothing. A write that resolves is on disk.
 */
export interface Store {
  /**
   * Stores drafts in one transaction, in their order: each change gets the next `rev` of its room, a new message the next
   * `seq` too. Answers one outcome for each draft, in their order: a draft that is refused fails alone. Who sends has read
   * the room up to there.
   */
  append(drafts: readonly Draft[]): Promise<Outcome[]>;

  /** The user of a verified token: known by `sub`, made when new. The first to bring an email claims what it was given. */
  signIn(profile: Profile): Promise<User>;

  /** The room, and the user's role in it; `role` is null when he has none. */
  membership(roomId: string, user: UserKey): Promise<Membership | undefined>;
  /** How far the room has come; undefined when it is gone. */
  head(room: RoomKey): Promise<Position | undefined>;
  /** Messages, oldest first, with `after < seq < before`: the last `limit` of them, or the first when `oldest`. */
  messages(room: RoomKey, range: Range): Promise<Message[]>;
  /**
   * Messages changed after `rev`, each as it is now, by `rev`, and how far they bring whoever reads them; all that changed
   * up to there is among them. Perhaps none, while there is more: a page is what can be read at once. At the room's end,
   * and beyond it, `rev` stays what it was.
   */
  changes(room: RoomKey, rev: number, limit: number): Promise<Page>;

  /** `"taken"` when the id is, `"too_many"` when `owner` made `roomsPerUser` (0: any number) already. */
  createRoom(room: NewRoom, roomsPerUser: number): Promise<Room | "taken" | "too_many">;
  /** Undefined when it is done, or why `by` may not do it. */
  renameRoom(room: RoomKey, name: string, by: Actor): Promise<Refusal | undefined>;
  /** Undefined when it is done, or why `by` may not do it. Its messages go little by little, see `purge`. */
  deleteRoom(room: RoomKey, by: Actor): Promise<Refusal | undefined>;
  /** All rooms, by id. */
  rooms(): Promise<Room[]>;
  /** The rooms that a user is in, by id. */
  roomsOf(user: UserKey): Promise<RoomSummary[]>;

  /** Members of a room, owners first, then by email. */
  members(room: RoomKey): Promise<Member[]>;
  /** The keys of a room's members; undefined when the room is gone. */
  roster(room: RoomKey): Promise<Set<UserKey> | undefined>;
  /** A user's role in a room; undefined when he has none, or the room is gone. */
  role(room: RoomKey, user: UserKey): Promise<Role | undefined>;
  /** Makes a member, or changes his role; without one he keeps his, or begins as a member. A room that had an owner keeps one. */
  setMember(room: RoomKey, who: Invitee, role: Role | undefined, grant: Grant): Promise<Granted | Refusal>;
  /** Who it was; undefined when he is not in the room. A room that had an owner keeps one. */
  removeMember(room: RoomKey, who: Invitee, by: Actor): Promise<Member | Refusal | undefined>;

  /** Removes some of what deleted rooms left behind, little enough for one turn; true while more is left. */
  purge(): Promise<boolean>;
  /** Resolves when a write was made durable just now. */
  probe(): Promise<void>;
  /** Writes everything back and lets go of the files. */
  close(): Promise<void>;
}

/** What became of a draft. */
export type Outcome = Done | { refused: Refusal };
export interface Done {
  ack: Ack;
  /** Absent when there was nothing to do: the same `clientId` was stored before, the message is so already. */
  change?: Change;
  /** The actor's read mark was moved by a `read`; it stands at `ack.seq`. */
  marked?: true;
}
/** Why something was refused. The actor is no member (any more), the room is gone, or what the rules of `amend` and `rights` say. */
export type Refusal =
  | "removed"
  | "room_deleted"
  | "no_message"
  | "deleted"
  | "not_sender"
  | "not_moderator"
  | "too_many_reactions"
  | "not_owner"
  | "last_owner"
  | "too_many_members";

/** Messages, and the `rev` to which they bring whoever reads them. */
export interface Page {
  messages: readonly Message[];
  rev: number;
}

export interface Range {
  after?: number;
  before?: number;
  limit: number;
  oldest?: boolean;
}

export interface NewRoom {
  id: string;
  name: string;
  /** Null when the operator makes it. */
  owner: UserKey | null;
  createdAt: number;
}

/** Somebody by email, who need not have connected yet, or by `sub`. */
export type Invitee = { email: string } | { sub: string };

export interface Grant {
  by: Actor;
  joinedAt: number;
  /** 0: any number. */
  membersPerRoom: number;
}
export interface Granted {
  member: Member;
  /** False when he was a member already. */
  added: boolean;
}

/** The storage does not answer: full, broken, or held by another process for too long. */
export class StoreError extends Error {
  override readonly name = "StoreError";
}
