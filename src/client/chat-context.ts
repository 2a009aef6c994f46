import type { SessionLimitsBody } from "../protocol/frames.ts";
import type { Api } from "./api.ts";
import type { Connection } from "./connection.ts";
import type { EventEmitter } from "./emitter.ts";
import type { ParleyError } from "./error.ts";
import type { ChatEvent, ChatStatus } from "./events.ts";
import type { Sender } from "./messages.ts";
import type { Outbox } from "./outbox.ts";
import type { RoomList } from "./room-list.ts";
import type { RoomReplica } from "./room-replica.ts";
import type { TimeSource } from "./timer.ts";

/** What the parts of a chat know of it. */
export interface ChatContext extends TimeSource {
  readonly status: ChatStatus;
  readonly me: Sender | undefined;
  readonly limits: SessionLimitsBody | undefined;
  readonly events: EventEmitter<ChatEvent>;
  readonly api: Api;
  readonly list: RoomList;
  readonly outbox: Outbox;
  readonly connection: Connection;
  /** The open rooms, by id. */
  readonly replicas: ReadonlyMap<string, RoomReplica>;
  /** The last token. It tells the user before the server does. */
  readonly token: string | undefined;
  /** Aborted by `close()`, with its error as the reason. */
  readonly signal: AbortSignal;
  /** Reports something that will be tried again. */
  readonly onError: (error: unknown) => void;
  /** Opens a room on the server, again if need be, or closes it there if it is not among `replicas`. */
  syncRoom(room: string): void;
  /** A room has ended. */
  onEnd(room: string, error: ParleyError): void;
}
