import type { JoinResult } from "../../chat/join.ts";
import type { Connection, OpenRoom } from "../connection.ts";

/** A protocol, as connections speak it. */
export interface Dialect {
  /** Whether a connection starts with an empty history when the history cannot be read, instead of being closed. */
  readonly historyOptional: boolean;
  /** Messages in the history that a connection starts with. Default: `HISTORY_LENGTH`. */
  readonly historyLength?: number;
  /** Sends the first frame and what was published in the meantime, and subscribes to the room's topic. */
  start(room: OpenRoom, joined: JoinResult): void;
  /** Handles a frame of the client. Never throws. */
  message(connection: Connection, frame: string | Buffer): void;
  /** The send buffer has drained: the reader has caught up. */
  drained?(connection: Connection): void;
}
