import type { Change, Notice, RoomKey, UserKey } from "./model.ts";

/**
 * What every node must hear. A hint is never the truth: whoever hears one may have missed another, and reads from the
 * store what he lacks.
 */
export type Hint =
  /** Changes of a room that are on disk, by `rev`. */
  | { kind: "changes"; room: RoomKey; changes: readonly Change[] }
  /** What is told, and not stored. */
  | { kind: "notice"; room: RoomKey; notice: Notice }
  /** Who is in the room has changed; `out` is who is out of it by that, or everyone, since it is gone. */
  | { kind: "roster"; room: RoomKey; out?: UserKey | "everyone" }
  /** Something was written by somebody who does not publish. */
  | { kind: "anything" };

export interface Bus {
  /** Never throws. Every listener of every node hears it, this node's included, in the order of publishing per room. */
  publish(hint: Hint): void;
  subscribe(listener: (hint: Hint) => void): void;
  close(): void;
}
