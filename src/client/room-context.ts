import type { SessionLimitsBody } from "../protocol/frames.ts";
import type { Api } from "./api.ts";
import type { Connection } from "./connection.ts";
import type { ErrorCode } from "./error.ts";
import type { Sender } from "./messages.ts";
import type { Clock } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { RoomList } from "./room-list.ts";

/** What a room needs of its chat. */
export interface RoomContext {
  readonly me: Sender | undefined;
  readonly limits: SessionLimitsBody | undefined;
  /** Whether its connection is open. */
  readonly isOnline: boolean;
  readonly isClosed: boolean;
  readonly api: Api;
  readonly list: RoomList;
  readonly outbox: Outbox;
  readonly connection: Pick<Connection, "send">;
  readonly clock: Clock;
  /** Opens a room on the server, again if need be. */
  openOnServer(room: string): void;
  /** A room has ended. */
  onEnd(room: string, code: ErrorCode): void;
}
