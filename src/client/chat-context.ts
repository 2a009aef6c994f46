import type {
  AckFrame,
  ErrorFrame,
  OpenedFrame,
  RoomBody,
  RoomSummaryBody,
  SessionLimitsBody,
} from "../protocol/frames.ts";
import type { Ack, CommandBody, RoomCommand } from "./command.ts";
import type { EventEmitter } from "./emitter.ts";
import type { ParleyError } from "./error.ts";
import type { ChatEvent, ChatStatus, RoomEvent, RoomStatus } from "./events.ts";
import type { History } from "./history.ts";
import type { HttpClient } from "./http-client.ts";
import type { Sender } from "./messages.ts";
import type { Room } from "./room.ts";
import type { SavedRooms } from "./saved-rooms.ts";
import type { TimeSource } from "./timer.ts";

/** Answers a command: the frame that has its `id`. */
export type Answer = AckFrame | ErrorFrame | OpenedFrame;

/** An open room, as the other parts of its chat know it. */
export interface OpenRoom {
  readonly history: History;
  readonly events: EventEmitter<RoomEvent>;
  readonly info: RoomBody | undefined;
  startOpening(): CommandBody | undefined;
  applyOpened(frame: OpenedFrame): void;
  updateUnread(): void;
  end(error: ParleyError): void;
}

/** What the parts of a chat know of it and of each other. */
export interface ChatContext extends TimeSource {
  readonly status: ChatStatus;
  readonly me: Sender | undefined;
  readonly limits: SessionLimitsBody | undefined;
  readonly events: EventEmitter<ChatEvent>;
  readonly http: HttpClient;
  readonly connection: {
    readonly isOpen: boolean;
    readonly token: string | undefined;
    send(command: CommandBody, onAnswer?: (answer: Answer) => void): void;
    probe(): void;
    retry(): void;
  };
  readonly list: {
    get(room: string): RoomSummaryBody | undefined;
    isCurrent(room: string): boolean;
    applyMessages(room: string, messages: OpenedFrame["messages"], rev: number): void;
  };
  readonly outbox: {
    readonly waiting: readonly { command: RoomCommand; at: string; room_created_at?: string | undefined }[];
    add(command: RoomCommand, error?: ParleyError): Promise<Ack>;
    isReady(room: string): boolean;
    save(): void;
  };
  readonly opener: { add(room: string): void };
  /** The open rooms, by id. */
  readonly replicas: Map<string, OpenRoom>;
  readonly saved: SavedRooms;
  /** Aborted by `close()`, with its error as the reason. */
  readonly signal: AbortSignal;
  /** Reports something that will be tried again. */
  onError(error: unknown): void;
  /** Something that `status` depends on may have changed. */
  updateStatus(): void;
}

/** What a room tells of its users. */
export interface RoomState {
  readonly id: string;
  readonly status: RoomStatus;
  readonly events: EventEmitter<RoomEvent>;
  online: Room["online"];
  typingUsers: Room["typingUsers"];
  reads: Room["reads"];
  members: Room["members"];
}
