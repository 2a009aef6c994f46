import type { Change, Notice, RoomKey, UserKey } from "./model.ts";

/**
 * An event for every node. It is a hint, never the truth: a listener may have missed earlier ones, and reads what it lacks
 * from the store.
 */
export type BusEvent =
  /** Changes of a room, in order of `rev`. They are on disk. */
  | { kind: "changes"; room: RoomKey; changes: readonly Change[] }
  | { kind: "notice"; room: RoomKey; notice: Notice }
  /** The user is no longer a member of the room. */
  | { kind: "member_removed"; room: RoomKey; user: UserKey }
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
