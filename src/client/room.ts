import type { MemberBody, RoomBody, SessionLimitsBody, UserBody } from "../protocol/frames.ts";
import type { Ack } from "./command.ts";
import type { RoomEvent, RoomEventOf, RoomStatus } from "./events.ts";
import type { RoomPosition } from "./history.ts";
import type { Message, PendingMessage, Sender } from "./messages.ts";
import type { SendOptions } from "./options.ts";

/**
 * An open room of a chat.
 *
 * The methods that change something (`send`, `edit`, `remove`, `react`, `read`) queue a command, wait for a connection if
 * need be, and repeat the command until the server answers. Their promises resolve once the change is on disk, and reject
 * with a `ParleyError`: with the server's code if it refused, `closed` if the chat was closed first, `too_many_pending` if
 * 1,000 commands are waiting, or `conflict` if the room was recreated or restored meanwhile. A rejection may be ignored.
 * Commands that wait when the room is closed are still sent.
 *
 * Arrays, maps and objects that it returns are never changed. Each is the same one until something in it changes, and
 * every change is followed by an event.
 */
export interface Room extends AsyncIterable<RoomEvent> {
  readonly id: string;

  readonly status: RoomStatus;

  /** Resolves when the room is first open. Rejects with a `ParleyError` if it is closed before that. */
  readonly ready: Promise<void>;

  /** The room's name. Undefined until it is known. */
  readonly name: string | undefined;

  /** The other user of a direct conversation. Undefined in other rooms, and until it is known. */
  readonly direct: UserBody | undefined;

  /** This user's role. Null for an administrator who is not a member. Undefined until it is known. */
  readonly role: MemberBody["role"] | null | undefined;

  /** Who may join: those whom a moderator or an owner adds, or any user. Undefined until it is known. */
  readonly access: RoomBody["access"] | undefined;

  /** Who may send messages: all members, or only moderators and owners. Undefined until it is known. */
  readonly posting: RoomBody["posting"] | undefined;

  /** Seconds between two messages of one member; 0 is off. It does not bind moderators and owners. Undefined until it is known. */
  readonly slowMode: number | undefined;

  /** This user's mute, until it is lifted: they can read, but not write. `until` is when it ends, null without an end. */
  readonly mute: { until: string | null } | undefined;

  /** This user's unread messages. */
  readonly unread: number;

  /** Those of them that mention this user or everyone in the room, counted to 1000. */
  readonly mentions: number;

  /** This user, as `Chat.me`. */
  readonly me: Sender | undefined;

  /** The server's limits, as `Chat.limits`. */
  readonly limits: SessionLimitsBody | undefined;

  /**
   * The newest messages, oldest first, without gaps. Edits, deletions and reactions made here show at once, and are taken
   * back if the server refuses them.
   */
  readonly messages: readonly Message[];

  /** Whether `messages` starts with the room's first message, so that `older` has nothing to load. */
  readonly complete: boolean;

  /** Messages sent here that are not among `messages`: waiting, stored a moment ago, or failed. */
  readonly pending: readonly PendingMessage[];

  /** How far the room is known. Store it as JSON, and pass it to a later `Chat.open` as `since`. */
  readonly position: RoomPosition | undefined;

  /** The users who are connected to the room, this one included. */
  readonly online: readonly UserBody[];

  /** The other users who are typing: for 5 seconds after the last sign of it, or until their next message. */
  readonly typingUsers: readonly UserBody[];

  /**
   * The other users' read marks: the `seq` up to which they have read, by user id. In a room of more than 100 members the
   * server does not tell them.
   */
  readonly reads: ReadonlyMap<string, number>;

  /** The members, kept up to date once `loadMembers` has loaded them. Empty before that. */
  readonly members: readonly MemberBody[];

  /** Loads `members` if it has not been loaded yet. Rejects with a `ParleyError`, or with what `token` threw. */
  loadMembers(): Promise<readonly MemberBody[]>;

  /** The users who have read a message, without its sender and this user. */
  seenBy(seq: number): UserBody[];

  /** Calls `listener` for each event of a type. Returns a function that removes the listener. */
  on<T extends RoomEvent["type"]>(type: T, listener: (event: RoomEventOf<T>) => void): () => void;

  /** Calls `listener` after each event of any type. Returns a function that removes the listener. */
  readonly subscribe: (listener: (event: RoomEvent) => void) => () => void;

  /**
   * Iterates over all events: the first iterator over those since `Chat.open`, each other one over those from now on. Ends
   * when the room is closed. If more than 1,000 events wait for an iterator, one `reset` replaces them.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<RoomEvent, undefined>;

  /** Sends a message. It is in `pending` until it is among `messages`, and is stored once however often it is repeated. */
  send(text: string, options?: SendOptions): Promise<Ack>;

  /** Sends a failed message again. */
  resend(message: PendingMessage): Promise<Ack>;

  /** Removes a failed message from `pending`. */
  discard(message: PendingMessage): void;

  /** Replaces the text of one of this user's messages. */
  edit(seq: number, text: string): Promise<Ack>;

  /** Deletes a message. Moderators and owners may also delete the messages of others. */
  remove(seq: number): Promise<Ack>;

  /** Adds this user's reaction to a message, or removes it if `on` is false. */
  react(seq: number, emoji: string, on?: boolean): Promise<Ack>;

  /** Moves this user's read mark forward. Default: to the newest message. */
  read(seq?: number): Promise<Ack>;

  /** Tells the others that this user is typing. Call it at every key press: it sends at most every 3 seconds. */
  typing(): void;

  /**
   * Loads up to `limit` older messages, 50 by default and 100 at most, and prepends them to `messages`. Resolves with them; with none if
   * there are no older messages, or if `messages` has reached `keep`. Rejects with a `ParleyError`, or with what `token`
   * threw. A call during another one gets the same result.
   */
  older(limit?: number): Promise<Message[]>;

  /**
   * Gives the room back: the counterpart of one `Chat.open`. Shortly after the last one, the room is closed and its
   * iterators end. Commands that wait are still sent.
   */
  close(): void;
}
