export type {
  LimitsBody,
  MemberBody,
  MessageBody,
  ReactionBody,
  RoomBody,
  RoomSummaryBody,
  UserBody,
} from "../protocol/frames.ts";
export { Api, api, type ApiOptions, type Page } from "./api.ts";
export type { Clock, Fetch, Random, Socket, SocketClass, Token } from "./options.ts";
export { type ErrorCode, ParleyError } from "./error.ts";
export type { RoomEvent, RoomEventOf, Status } from "./events.ts";
export type { Change, RoomPosition } from "./history.ts";
export type { Ack } from "./outbox.ts";
export type { PendingMessage } from "./pending.ts";
export { connect, type ConnectOptions, Room } from "./room.ts";
export type { SendOptions } from "./sender.ts";
