import type { SessionLimitsBody } from "../protocol/frames.ts";
import type { Api } from "./api.ts";
import type { Connection } from "./connection.ts";
import type { EventEmitter } from "./emitter.ts";
import type { ChatEvent, ChatStatus } from "./events.ts";
import type { Sender } from "./messages.ts";
import type { Opener } from "./opener.ts";
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
  readonly replicas: Map<string, RoomReplica>;
  readonly opener: Opener;
  /** Aborted by `close()`, with its error as the reason. */
  readonly signal: AbortSignal;
  /** Reports something that will be tried again. */
  onError(error: unknown): void;
  /** Something that `status` depends on may have changed. */
  updateStatus(): void;
}
