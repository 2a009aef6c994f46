import type { MemberBody, SessionLimitsBody, UserBody } from "../protocol/frames.ts";
import type { Ack } from "./command-queue.ts";
import type { RoomEvent, RoomEventOf, RoomStatus } from "./events.ts";
import type { RoomPosition } from "./history.ts";
import type { Message, PendingMessage, Sender } from "./messages.ts";
import type { SendOptions } from "./options.ts";
import type { RoomReplica } from "./room-replica.ts";

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
export class Room implements AsyncIterable<RoomEvent> {
  readonly id: string;
  readonly #replica: RoomReplica;

  constructor(replica: RoomReplica) {
    this.#replica = replica;
    this.id = replica.id;
  }

  get status(): RoomStatus {
    return this.#replica.status;
  }

  /** Resolves when the room is first open. Rejects with a `ParleyError` if it is closed before that. */
  get ready(): Promise<void> {
    return this.#replica.ready.promise;
  }

  /** The room's name. Undefined until it is known. */
  get name(): string | undefined {
    return this.#replica.info?.name;
  }

  /** This user's role. Null for an administrator who is not a member, undefined until it is known. */
  get role(): MemberBody["role"] | null | undefined {
    return this.#replica.info?.role;
  }

  /** This user's unread messages. */
  get unread(): number {
    return this.#replica.unread;
  }

  /** This user, as `Chat.me`. */
  get me(): Sender | undefined {
    return this.#replica.me;
  }

  /** The server's limits, as `Chat.limits`. */
  get limits(): SessionLimitsBody | undefined {
    return this.#replica.limits;
  }

  /**
   * The newest messages, oldest first, without gaps. Edits, deletions and reactions made here show at once, and are taken
   * back if the server refuses them.
   */
  get messages(): readonly Message[] {
    return this.#replica.messages;
  }

  /** Whether `messages` starts with the room's first message, so that `older` has nothing to load. */
  get complete(): boolean {
    return this.#replica.complete;
  }

  /** Messages sent here that are not among `messages`: waiting, stored a moment ago, or failed. */
  get pending(): readonly PendingMessage[] {
    return this.#replica.pending;
  }

  /** How far the room is known. Store it as JSON, and pass it to a later `Chat.open` as `since`. */
  get position(): RoomPosition | undefined {
    return this.#replica.history.position;
  }

  /** The users who are connected to the room, this one included. */
  get online(): readonly UserBody[] {
    return this.#replica.users.online;
  }

  /** The other users who are typing: for 5 seconds after the last sign of it, or until their next message. */
  get typingUsers(): readonly UserBody[] {
    return this.#replica.users.typing;
  }

  /**
   * The other users' read marks: the `seq` up to which they have read, by user id. In a room of more than 100 members the
   * server does not tell them.
   */
  get reads(): ReadonlyMap<string, number> {
    return this.#replica.users.reads;
  }

  /** The members, kept up to date once `loadMembers` has loaded them. Empty before that. */
  get members(): readonly MemberBody[] {
    return this.#replica.users.members;
  }

  /** Loads `members` if it has not been loaded yet. Rejects with a `ParleyError`, or with what `token` threw. */
  loadMembers(): Promise<readonly MemberBody[]> {
    return this.#replica.loadMembers();
  }

  /** The users who have read a message, without its sender and this user. */
  seenBy(seq: number): UserBody[] {
    return this.#replica.seenBy(seq);
  }

  /** Calls `listener` for each event of a type. Returns a function that removes the listener. */
  on<T extends RoomEvent["type"]>(type: T, listener: (event: RoomEventOf<T>) => void): () => void {
    return this.#replica.events.on(type, listener);
  }

  /** Calls `listener` after each event of any type. Returns a function that removes the listener. */
  readonly subscribe = (listener: (event: RoomEvent) => void): (() => void) =>
    this.#replica.events.subscribe(listener);

  /**
   * Iterates over all events: the first iterator over those since `Chat.open`, each other one over those from now on. Ends
   * when the room is closed. If more than 1,000 events wait for an iterator, one `reset` replaces them.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<RoomEvent, undefined> {
    return this.#replica.events.iterate();
  }

  /** Sends a message. It is in `pending` until it is among `messages`, and is stored once however often it is repeated. */
  send(text: string, options: SendOptions = {}): Promise<Ack> {
    return this.#replica.send(text, options);
  }

  /** Sends a failed message again. */
  resend(message: PendingMessage): Promise<Ack> {
    return this.#replica.resend(message);
  }

  /** Removes a failed message from `pending`. */
  discard(message: PendingMessage): void {
    this.#replica.discard(message);
  }

  /** Replaces the text of one of this user's messages. */
  edit(seq: number, text: string): Promise<Ack> {
    return this.#replica.add({ type: "edit", seq, text });
  }

  /** Deletes a message. Moderators and owners may also delete the messages of others. */
  remove(seq: number): Promise<Ack> {
    return this.#replica.add({ type: "delete", seq });
  }

  /** Adds or removes this user's reaction to a message. */
  react(seq: number, emoji: string, on = true): Promise<Ack> {
    return this.#replica.add({ type: "react", seq, emoji, on });
  }

  /** Moves this user's read mark forward. Default: to the newest message. */
  read(seq = this.#replica.history.last): Promise<Ack> {
    return this.#replica.add({ type: "read", seq });
  }

  /** Tells the others that this user is typing. Call it at every key press: it sends at most every 3 seconds. */
  typing(): void {
    this.#replica.sendTyping();
  }

  /**
   * Loads up to `limit` older messages, 100 at most, and prepends them to `messages`. Resolves with them; with none if
   * there are no older messages, or if `messages` has reached `keep`. Rejects with a `ParleyError`, or with what `token`
   * threw. A call during another one gets the same result.
   */
  older(limit = 50): Promise<Message[]> {
    return this.#replica.loadOlder(limit);
  }

  /**
   * Gives the room back: the counterpart of one `Chat.open`. Shortly after the last one, the room is closed and its
   * iterators end. Commands that wait are still sent.
   */
  close(): void {
    this.#replica.release();
  }
}
