/** Receives failures that no caller sees, or that the operator should know about. */
export interface Observer {
  /** A connection started with an empty history, because the history could not be read. */
  historyFailed(error: unknown): void;
  /** A batch of messages could not be stored. */
  commitFailed(error: unknown): void;
  /** A room could not be checked for missed changes, or its last message not be read. The read is retried. */
  syncFailed(error: unknown): void;
  /** The members of a room, or the rooms of a user, could not be read to check connections. The read is retried. */
  recheckFailed(error: unknown): void;
}
