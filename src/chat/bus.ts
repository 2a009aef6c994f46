import type { Change, Notice, RoomKey, UserKey } from "./model.ts";

/**
 * What every node hears. An event is a hint and never the truth: a listener that hears one may have missed another, and
 * reads from the store what it lacks.
 */
export type BusEvent =
  /** Changes of a room that are on disk, in the order of their `rev`. */
  | { kind: "changes"; room: RoomKey; changes: readonly Change[] }
  | { kind: "notice"; room: RoomKey; notice: Notice }
  /** The user is no longer a member of the room. */
  | { kind: "member_removed"; room: RoomKey; user: UserKey }
  | { kind: "room_deleted"; room: RoomKey }
  /** Another process has written to the database: whatever a node knows may be out of date. */
  | { kind: "invalidate" };

export interface Bus {
  /**
   * Never throws. Every listener on every node hears the event, this node's included. Events of one room are heard in the
   * order in which they were published.
   */
  publish(event: BusEvent): void;
  subscribe(listener: (event: BusEvent) => void): void;
  close(): void;
}
