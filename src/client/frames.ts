import type {
  LeftFrame,
  OpenedFrame,
  RoomSummaryBody,
  SessionFrame,
  SessionHelloFrame,
} from "../protocol/frames.ts";
import type { EventEmitter } from "./emitter.ts";
import type { ChatEvent } from "./events.ts";
import { asMessages, type Sender } from "./messages.ts";
import type { RoomList } from "./room-list.ts";
import type { RoomReplica } from "./room-replica.ts";

/** What the frames of a session change. */
export interface FrameTarget {
  readonly me: Sender | undefined;
  readonly list: RoomList;
  readonly events: Pick<EventEmitter<ChatEvent>, "emit">;
  /** An open room. */
  roomOf(id: string): RoomReplica | undefined;
  applyHello(frame: SessionHelloFrame): void;
  /** Adds summaries to the list. `more` tells whether others follow. */
  addToList(rooms: readonly RoomSummaryBody[], more: boolean): void;
  leave(frame: LeftFrame): void;
}

/** Applies a frame to the list of rooms, and to the room that it is about. */
export function applyFrame(frame: SessionFrame, target: FrameTarget): void {
  const { list, me } = target;
  switch (frame.type) {
    case "hello":
      target.applyHello(frame);
      break;
    case "rooms":
      target.addToList(frame.rooms, frame.more);
      break;
    case "joined":
      target.addToList([frame.room], true);
      target.events.emit(frame);
      break;
    case "left":
      target.leave(frame);
      break;
    case "activity":
      list.applyActivity(frame);
      break;
    case "change":
      target.roomOf(frame.room)?.apply(frame);
      countMessages(target, frame.room, [frame.message], frame.message.rev, true);
      break;
    case "changes":
      target.roomOf(frame.room)?.apply(frame);
      countMessages(target, frame.room, frame.messages, frame.rev);
      break;
    case "presence":
    case "typing":
      target.roomOf(frame.room)?.applyNotice(frame);
      break;
    case "read":
      if (frame.user.id === me?.id) list.applyMark(frame);
      target.roomOf(frame.room)?.applyNotice(frame);
      break;
    case "member":
      if (frame.user.id === me?.id && frame.role) list.change(frame.room, { role: frame.role });
      target.roomOf(frame.room)?.applyNotice(frame);
      break;
    case "room":
      list.change(frame.room.id, { name: frame.room.name });
      target.roomOf(frame.room.id)?.applyNotice(frame);
      break;
    // The connection handles these.
    case "ack":
    case "error":
    case "opened":
    case "token.expiring":
    case "restarting":
      break;
  }
}

/** Counts the changes of a room, even if it has been closed meanwhile. */
export function countMessages(
  target: Pick<FrameTarget, "list" | "roomOf">,
  room: string,
  messages: OpenedFrame["messages"],
  rev: number,
  isLive = false,
): void {
  const window = target.roomOf(room)?.history.messages ?? [];
  target.list.applyMessages(room, asMessages(messages), rev, window, isLive);
}
