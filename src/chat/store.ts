import type { Standing } from "./decide-posting.ts";
import type { WantedRestriction } from "./decide-restrictions.ts";
import type { RoomChanges } from "./decide-rooms.ts";
import type { Result } from "./errors.ts";
import type {
  Ack,
  Actor,
  AuditEntry,
  Change,
  Draft,
  Invitation,
  Invitee,
  MarkMove,
  Member,
  Membership,
  Message,
  Page,
  Position,
  Profile,
  ReadMark,
  Restriction,
  RestrictionKind,
  Role,
  Room,
  RoomEntry,
  RoomKey,
  RoomSettings,
  User,
  UserKey,
} from "./model.ts";

/**
 * The durable state. Every method may be called at any time and rejects with `StoreError` when the storage cannot be used.
 * A write that rejects has changed nothing, and a write that resolves is on disk. A write that the rules refuse resolves
 * with `Refused`. A store holds no rules of its own: it looks up facts under the lock that it writes with, passes them to
 * `decide.ts`, `decide-rooms.ts` and `decide-users.ts`, and writes what these decide.
 */
export interface Store {
  /**
   * Stores drafts in one transaction, in the order given. Each change gets the next `rev` of its room; a new message gets the
   * next `seq` too. Resolves with one outcome for each draft: a draft that is refused fails alone.
   */
  append(drafts: readonly Draft[]): Promise<Outcome[]>;

  /**
   * The user with the profile's `sub`, created if new. Gives them the memberships that wait for their verified email, and the
   * messages and reactions that were imported for it. Bans and mutes of the invited user become theirs, too.
   */
  signIn(profile: Profile): Promise<SignedIn>;
  /** Sets the name of a user, which they keep until they sign in with another one. */
  setName(user: UserKey, name: string): Promise<void>;

  /** The room, with the user's role in it (null for none). Undefined when there is no such room. */
  membership(roomId: string, user: UserKey): Promise<Membership | undefined>;
  /** The room's newest `seq` and `rev`. Undefined when it has been deleted. */
  head(room: RoomKey): Promise<Position | undefined>;
  /** The last `limit` messages, oldest first, and the room's position at that moment. Undefined when it has been deleted. */
  history(room: RoomKey, limit: number): Promise<History | undefined>;
  /** Messages with `after < seq < before`, oldest first: the last `limit` of them, or the first ones when `oldest`. */
  messages(room: RoomKey, range: Range): Promise<Message[]>;
  /**
   * Messages that changed after `rev`, each as it is now, in order of `rev`, and the `rev` up to which the page is complete.
   * A page may be empty although more follow. At the end of the room, and beyond it, the page's `rev` is the one passed in.
   */
  changes(room: RoomKey, rev: number, limit: number): Promise<Page>;

  createRoom(room: NewRoom): Promise<Result<Room>>;
  /** Resolves with the room as it is then. */
  changeRoom(room: RoomKey, changes: RoomChanges, by: Actor): Promise<Result<Room>>;
  /** The room disappears at once; `purge` removes its messages step by step. */
  deleteRoom(room: RoomKey, by: Actor): Promise<Result<undefined>>;
  /** The direct conversation of `by` with another user, created if there is none. An email means its present owner. */
  openDirect(wanted: WantedDirect): Promise<Result<OpenedDirect>>;
  /** All rooms, by id. */
  rooms(): Promise<Room[]>;
  /** Rooms of others too, each with this user's role, by id: the first `limit` after an id. */
  memberships(user: UserKey, page: RoomPage): Promise<Membership[]>;
  /** The rooms that a user is a member of, in no particular order. */
  roomsOf(user: UserKey): Promise<RoomEntry[]>;
  /** One of these rooms. Undefined when the user is not a member, or the room has been deleted. */
  roomOf(user: UserKey, room: RoomKey): Promise<RoomEntry | undefined>;
  /** The newest message of each of these rooms that is not deleted; null when there is none. */
  lastMessages(rooms: readonly RoomKey[]): Promise<Map<RoomKey, Message | null>>;

  /** Members of a room: owners, then moderators, then members; those of a role in order of their `user.key`. */
  members(room: RoomKey, page?: MemberPage): Promise<Member[]>;
  /** Members with an id, or who are shown with an email. */
  findMembers(room: RoomKey, who: Invitee): Promise<Member[]>;
  /** Keys of a room's members. Undefined when the room has been deleted. */
  memberKeys(room: RoomKey): Promise<Set<UserKey> | undefined>;
  /** A user's role. Undefined when they are not a member, or the room has been deleted. */
  role(room: RoomKey, user: UserKey): Promise<Role | undefined>;
  /** A user's read mark; 0 when they have none. */
  readMark(room: RoomKey, user: UserKey): Promise<number>;
  /** The read marks of a room's members. Undefined when it has more than `limit` members, or has been deleted. */
  readMarks(room: RoomKey, limit: number): Promise<ReadMark[] | undefined>;
  /** Adds members or changes their roles, in order: all of them, or none if one is refused. */
  setMembers(room: RoomKey, invitations: readonly Invitation[], grant: Grant): Promise<Result<Granted[]>>;
  /** Resolves with the removed member; undefined when there was none. An email means the member who is shown with it. */
  removeMember(room: RoomKey, who: Invitee, by: Actor): Promise<Result<Member | undefined>>;
  /** Makes `by` a member, if the room is open. */
  joinRoom(room: RoomKey, grant: Grant): Promise<Result<Granted>>;
  /** Open rooms by id, after one of them, with the user's role in each. */
  openRooms(user: UserKey, page: RoomPage): Promise<Membership[]>;

  /** A user's role and mute, and who may post. Undefined when the room has been deleted. */
  standing(room: RoomKey, user: UserKey): Promise<(Standing & Pick<Room, "posting">) | undefined>;
  /**
   * Bans or mutes a user. `who` is a member or a user with such a restriction who has this id, or is shown with this email;
   * otherwise the email's owner, who is invited if there is none.
   */
  restrict(room: RoomKey, who: Invitee, wanted: WantedRestriction, by: Actor): Promise<Result<Restricted>>;
  /** Resolves with the user whose restriction was lifted; undefined when there was none. */
  liftRestriction(
    room: RoomKey,
    who: Invitee,
    lifted: Pick<WantedRestriction, "kind" | "at">,
    by: Actor,
  ): Promise<Result<User | undefined>>;
  /** Restrictions that are not over, newest first. */
  restrictions(room: RoomKey, range: RestrictionRange): Promise<Restriction[]>;
  /** Entries of the audit list with a smaller `n` than `before`, newest first. */
  audit(room: RoomKey, range: { before: number | undefined; limit: number }): Promise<AuditEntry[]>;

  /** Removes some rows of deleted rooms, few enough for one turn. Resolves with true while more remain. */
  purge(): Promise<boolean>;
  /** Resolves when a test write has become durable. */
  probe(): Promise<void>;
  /** Writes everything back and closes the files. */
  close(): Promise<void>;
}

/** What the store did with a draft. */
export type Outcome = Result<Done>;

export interface Done {
  ack: Ack;
  /** Absent when nothing had to change: the `clientId` is known already, or the message is already as wanted. */
  change?: Change;
  /** Present when the actor's read mark was moved, by a `read` action or by sending a message. */
  mark?: MarkMove;
}

export interface History extends Position {
  messages: readonly Message[];
}

export interface Range {
  after?: number;
  before?: number;
  limit: number;
  /** Whether to return the first messages of the range instead of the last. Default: false. */
  oldest?: boolean;
}

/** The first `limit` rooms whose id is after `after`. */
export interface RoomPage {
  after: string | undefined;
  limit: number;
}

/** At most `limit` members, those after a place in the list. Default: all. */
export interface MemberPage {
  after?: MemberCursor | undefined;
  limit?: number;
}

/** A place in the list of a room's members. */
export interface MemberCursor {
  role: Role;
  user: UserKey;
}

export interface NewRoom extends RoomSettings {
  id: string;
  /** Null when the operator creates it. */
  owner: UserKey | null;
  createdAt: number;
  /** Rooms that the owner may have created. 0 means no limit. */
  roomsPerUser: number;
}

export interface WantedDirect {
  by: Actor;
  who: Invitee;
  /** Of the room, if it is created. */
  id: string;
  createdAt: number;
  /** Rooms that `by` may have created. 0 means no limit. */
  roomsPerUser: number;
}

export interface OpenedDirect {
  room: RoomKey;
  /** The other user. */
  other: UserKey;
  created: boolean;
}

export interface Grant {
  by: Actor;
  joinedAt: number;
  /** 0 means no limit. */
  membersPerRoom: number;
}

export interface Restricted {
  restriction: Restriction;
  /** Whether there was one before that was not over. */
  replaced: boolean;
  /** The membership that a ban has ended. */
  ended: Member | undefined;
}

/** A place in a list of restrictions: when one was imposed, and on whom. */
export interface RestrictionCursor {
  at: number;
  user: UserKey;
}

export interface RestrictionRange {
  kind: RestrictionKind;
  after: RestrictionCursor | undefined;
  limit: number;
  now: number;
}

/** A user who has signed in. */
export interface SignedIn extends User {
  /** Rooms in which a ban ended their membership, since it was of a user who was only invited and whose email is theirs. */
  removedFrom?: readonly RoomKey[];
}

export interface Granted {
  member: Member;
  /** False if they were a member already. */
  added: boolean;
  /** False if they were a member already, with this role. */
  changed: boolean;
}
