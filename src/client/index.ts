export type {
  LimitsBody as Limits,
  MemberBody as Member,
  MentionsBody as Mentions,
  ReactionBody as Reaction,
  RoomBody as RoomInfo,
  RoomSummaryBody as RoomSummary,
  SessionLimitsBody as SessionLimits,
  UserBody as User,
} from "../protocol/frames.ts";
export type { Chat } from "./chat.ts";
export { connect } from "./connect.ts";
export type { Ack } from "./command.ts";
export { type ErrorCode, type ErrorDetails, ParleyError } from "./error.ts";
export type {
  ChatEvent,
  ChatEventOf,
  ChatStatus,
  FailedEvent,
  RoomEvent,
  RoomEventOf,
  RoomStatus,
} from "./events.ts";
export type { Change, RoomPosition, SavedRoom } from "./history.ts";
export { createHttpClient, type HttpClient, type RequestParts } from "./http-client.ts";
export type { Message, PendingMessage, Sender } from "./messages.ts";
export type {
  ApiOptions,
  Clock,
  ConnectOptions,
  Fetch,
  OpenOptions,
  OutboxStorage,
  Random,
  SendOptions,
  Snapshot,
  Socket,
  SocketClass,
  Token,
} from "./options.ts";
export type { Room } from "./room.ts";
