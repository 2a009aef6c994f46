import type { RoomSummaryBody, SessionLimitsBody } from "../protocol/frames.ts";
import type { Api } from "./api.ts";
import type { ChatEvent, ChatEventOf, ChatStatus } from "./events.ts";
import type { Sender } from "./messages.ts";
import type { ConnectOptions, OpenOptions } from "./options.ts";
import type { RoomReplica } from "./room-replica.ts";
import { Room } from "./room.ts";
import { Session } from "./session.ts";

/**
 * A user's chat: one connection for all of their rooms, which reconnects whenever it is lost.
 *
 * Arrays and objects that it returns are never changed. Each is the same one until something in it changes, and every
 * change is followed by an event.
 */
export class Chat implements AsyncIterable<ChatEvent> {
  readonly #session: Session;
  readonly #rooms = new WeakMap<RoomReplica, Room>();

  constructor(options: ConnectOptions) {
    this.#session = new Session(options);
  }

  get status(): ChatStatus {
    return this.#session.status;
  }

  /**
   * Resolves when the chat is first open. Rejects with a `ParleyError` if it is closed before that; after `retry()` there
   * is a new promise.
   */
  get ready(): Promise<void> {
    return this.#session.ready.promise;
  }

  /** This user. Undefined until the chat is first open. */
  get me(): Sender | undefined {
    return this.#session.me;
  }

  /** The server's limits. Undefined until the chat is first open. */
  get limits(): SessionLimitsBody | undefined {
    return this.#session.limits;
  }

  /** The HTTP API of the server, with the same token. Its requests end when the chat is closed. */
  get api(): Api {
    return this.#session.api;
  }

  /** This user's rooms, most recent activity first. */
  get rooms(): readonly RoomSummaryBody[] {
    return this.#session.list.rooms;
  }

  /** Unread messages in all rooms. */
  get unread(): number {
    return this.#session.list.unread;
  }

  /** Whether `rooms` has all rooms. The server sends a long list in pages. */
  get complete(): boolean {
    return this.#session.list.complete;
  }

  /** A room of `rooms`. */
  room(id: string): RoomSummaryBody | undefined {
    return this.#session.list.get(id);
  }

  /**
   * Opens a room, and returns it at once. The same object is returned until the room is closed: each `open` needs one
   * `close`, and the last one closes the room. If the server does not let the user open it, its status becomes `closed`.
   */
  open(id: string, options: OpenOptions = {}): Room {
    const replica = this.#session.open(id, options);
    let room = this.#rooms.get(replica);
    if (!room) this.#rooms.set(replica, (room = new Room(replica)));
    return room;
  }

  /** Calls `listener` for each event of a type. Returns a function that removes the listener. */
  on<T extends ChatEvent["type"]>(type: T, listener: (event: ChatEventOf<T>) => void): () => void {
    return this.#session.events.on(type, listener);
  }

  /** Calls `listener` after each event of any type. Returns a function that removes the listener. */
  readonly subscribe = (listener: (event: ChatEvent) => void): (() => void) =>
    this.#session.events.subscribe(listener);

  /**
   * Iterates over all events: the first iterator over those since `connect`, each other one over those from now on. Ends
   * when the chat is closed. If more than 1,000 events wait for an iterator, one `rooms` replaces them.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ChatEvent, undefined> {
    return this.#session.events.iterate();
  }

  /**
   * Connects now if there is no connection, and otherwise checks it. Begins again after the server has closed the chat.
   * Does nothing after `close()`.
   */
  readonly retry = (): void => this.#session.retry();

  /**
   * Closes the chat and its rooms for good. Commands that were not acknowledged reject with `closed`; those in `storage`
   * are sent by the next chat that uses it.
   */
  close(): void {
    this.#session.close();
  }
}

/** Connects to a server and returns the chat at once. Later failures are events. Throws a `TypeError` if an option is invalid. */
export function connect(options: ConnectOptions): Chat {
  return new Chat(options);
}
