export type {
  LimitsBody,
  MemberBody,
  MessageBody,
  ReactionBody,
  RoomBody,
  RoomSummaryBody,
  UserBody,
} from "../protocol/frames.ts";
export { Api, api, type Page } from "./api.ts";
export { type ErrorCode, ParleyError } from "./error.ts";
export type { PendingMessage, RoomEvent, RoomEventOf, Status } from "./events.ts";
export type { Change, RoomPosition } from "./history.ts";
export type {
  ApiOptions,
  Clock,
  ConnectOptions,
  Fetch,
  Random,
  SendOptions,
  Socket,
  SocketClass,
  Token,
} from "./options.ts";
export type { Ack } from "./outbox.ts";
export { connect, Room } from "./room.ts";
