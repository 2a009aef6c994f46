import type { Mute } from "./decide-posting.ts";
import type { Change, Departure, MarkMove, Notice, RoomKey, User, UserKey } from "./model.ts";

/**
 * An event for every node. It is a hint, never the truth: a listener may have missed earlier ones, and reads what it lacks
 * from the store.
 */
export type BusEvent =
  /** Changes of a room, in order of `rev`. They are on disk. */
  | { kind: "changes"; room: RoomKey; changes: readonly Change[] }
  | { kind: "notice"; room: RoomKey; notice: Notice }
  /** A user's read mark has moved. Published before the changes of the same batch. `sent`: by sending a message. */
  | { kind: "read"; room: RoomKey; user: User; mark: MarkMove; sent: boolean }
  /** The user has been muted, or, without `mute`, is not any more. */
  | { kind: "mute"; room: RoomKey; user: UserKey; mute: Mute | undefined }
  /** The user has become a member of the room. */
  | { kind: "member_added"; room: RoomKey; user: UserKey }
  /** The user is no longer a member of the room. */
  | { kind: "member_removed"; room: RoomKey; user: UserKey; reason: Departure }
  /** The user may have become a member of rooms by signing in. */
  | { kind: "rooms_changed"; user: UserKey }
  | { kind: "room_deleted"; room: RoomKey }
  /** Another process has written to the database: anything that a node has in memory may be out of date. */
  | { kind: "invalidate" };

export interface Bus {
  /**
   * Delivers the event to every listener on every node, this one included. Events of one room are delivered in the order
   * in which they were published. Never throws.
   */
  publish(event: BusEvent): void;
  subscribe(listener: (event: BusEvent) => void): void;
  close(): void;
}
