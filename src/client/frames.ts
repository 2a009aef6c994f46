import type {
  LeftFrame,
  OpenedFrame,
  RoomSummaryBody,
  SessionFrame,
  SessionHelloFrame,
} from "../protocol/frames.ts";
import type { ChatContext } from "./chat-context.ts";
import { asMessages } from "./messages.ts";

/** What the frames of a session change. */
export interface FrameTarget extends ChatContext {
  applyHello(frame: SessionHelloFrame): void;
  /** Adds summaries to the list. `more` tells whether others follow. */
  addToList(rooms: readonly RoomSummaryBody[], more: boolean): void;
  leave(frame: LeftFrame): void;
}

/** Applies a frame to the list of rooms, and to the room that it is about. */
export function applyFrame(frame: SessionFrame, target: FrameTarget): void {
  switch (frame.type) {
    case "hello":
      return target.applyHello(frame);
    case "rooms":
      return target.addToList(frame.rooms, frame.more);
    case "joined":
      target.addToList([frame.room], true);
      return target.events.emit(frame);
    case "left":
      return target.leave(frame);
    case "activity":
      return target.list.applyActivity(frame);
    case "change":
      target.replicas.get(frame.room)?.apply(frame);
      return countMessages(target, frame.room, [frame.message], frame.message.rev, true);
    case "changes":
      target.replicas.get(frame.room)?.apply(frame);
      return countMessages(target, frame.room, frame.messages, frame.rev);
    case "presence":
    case "typing":
    case "read":
    case "member":
    case "room":
      target.list.applyNotice(frame);
      target.replicas.get(frame.type === "room" ? frame.room.id : frame.room)?.applyNotice(frame);
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
  { list, replicas }: ChatContext,
  room: string,
  messages: OpenedFrame["messages"],
  rev: number,
  isLive = false,
): void {
  const window = replicas.get(room)?.history.messages ?? [];
  list.applyMessages(room, asMessages(messages), rev, window, isLive);
}
