import type { RoomSummaryBody, SessionLimitsBody } from "../protocol/frames.ts";
import type { ChatEvent, ChatEventOf, ChatStatus } from "./events.ts";
import type { HttpClient } from "./http-client.ts";
import type { Sender } from "./messages.ts";
import type { OpenOptions, Snapshot } from "./options.ts";
import type { Room } from "./room.ts";

/**
 * A user's chat: one connection for all of their rooms, which reconnects whenever it is lost.
 *
 * Arrays and objects that it returns are never changed. Each is the same one until something in it changes, and every
 * change is followed by an event.
 */
export interface Chat extends AsyncIterable<ChatEvent> {
  readonly status: ChatStatus;

  /**
   * Resolves when the chat is first open. Rejects with a `ParleyError` if it is closed before that; after `retry()` there
   * is a new promise.
   */
  readonly ready: Promise<void>;

  /** This user. Undefined until the chat is first open, unless it began with a snapshot; the same holds for `limits`. */
  readonly me: Sender | undefined;

  /** The server's limits. */
  readonly limits: SessionLimitsBody | undefined;

  /** For `api(chat)` of `parley-chat/api`: requests with the token of this chat, which end when it is closed. */
  readonly http: HttpClient;

  /** This user's rooms, most recent activity first. */
  readonly rooms: readonly RoomSummaryBody[];

  /** Unread messages in all rooms. */
  readonly unread: number;

  /** Whether `rooms` has all rooms. The server sends a long list in pages. */
  readonly complete: boolean;

  /** A room of `rooms`. */
  room(id: string): RoomSummaryBody | undefined;

  /**
   * Opens a room, and returns it at once. The same object is returned until the room is closed: each `open` needs one
   * `close`, and the last one closes the room. If the server does not let the user open it, its status becomes `closed`.
   */
  open(id: string, options?: OpenOptions): Room;

  /** Calls `listener` for each event of a type. Returns a function that removes the listener. */
  on<T extends ChatEvent["type"]>(type: T, listener: (event: ChatEventOf<T>) => void): () => void;

  /** Calls `listener` after each event of any type. Returns a function that removes the listener. */
  readonly subscribe: (listener: (event: ChatEvent) => void) => () => void;

  /**
   * Iterates over all events: the first iterator over those since `connect`, each other one over those from now on. Ends
   * when the chat is closed. If more than 1,000 events wait for an iterator, one `rooms` replaces them.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ChatEvent, undefined>;

  /** What this chat knows, for a later `connect` of the same user. Undefined until the chat is first open. */
  snapshot(): Snapshot | undefined;

  /**
   * Connects now if there is no connection, and otherwise checks it. Begins again after the server has closed the chat.
   * Does nothing after `close()`.
   */
  readonly retry: () => void;

  /**
   * Closes the chat and its rooms for good. Commands that were not acknowledged reject with `closed`; those in `storage`
   * are sent by the next chat that uses it.
   */
  close(): void;
}
