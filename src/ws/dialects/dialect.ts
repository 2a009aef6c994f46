import type { JoinResult } from "../../chat/join.ts";
import type { Connection } from "../connection.ts";

/** How a connection speaks. */
export interface Dialect {
  /** Whether a connection begins with an empty history when it cannot be read, instead of ending. */
  readonly historyOptional: boolean;
  /** Sends the first frame, then what was published in the meantime, and subscribes. */
  start(connection: Connection, joined: JoinResult): void;
  /** Handles a frame of the client. Never throws. */
  message(connection: Connection, frame: string | Buffer): void;
  /** The reader keeps up again. */
  drained?(connection: Connection): void;
}
