import type { Activity } from "../chat/activity.ts";
import type { Departure, RoomSummary } from "../chat/model.ts";
import type { JoinedFrame, LeftFrame, OpenedFrame, SessionHelloFrame } from "./frames.ts";
import { encodeLastMessage, encodeSummary } from "./serialize.ts";
import { encodeAround } from "./v2.ts";

/** Frames of `chat.v2` that only sessions get, as docs/protocol.md describes them. */

/** Rooms in one frame of the room list. */
export const ROOMS_PER_FRAME = 100;

/** Encodes the first frame of a session. */
export function encodeSessionHello(
  parts: Omit<SessionHelloFrame, "type" | "rooms" | "more">,
  rooms: readonly RoomSummary[],
  more: boolean,
): string {
  const front = JSON.stringify({ type: "hello", ...parts }).slice(0, -1);
  return `${front},"rooms":[${encodeSummaries(rooms)}],"more":${more}}`;
}

export function encodeRooms(rooms: readonly RoomSummary[], more: boolean): string {
  return `{"type":"rooms","rooms":[${encodeSummaries(rooms)}],"more":${more}}`;
}

function encodeSummaries(rooms: readonly RoomSummary[]): string {
  let encoded = "";
  for (const room of rooms) encoded += encoded === "" ? encodeSummary(room) : `,${encodeSummary(room)}`;
  return encoded;
}

/** Encodes the answer to `open`. `messages` returns its encoded messages; it is passed the bytes of the rest. */
export function encodeOpened(
  { id, room, rev, resumed, ...rest }: Omit<OpenedFrame, "type" | "messages">,
  messages: (restBytes: number) => string,
): string {
  return encodeAround({ type: "opened", id, room, rev, resumed }, rest, messages);
}

export function encodeActivity(room: string, { seq, rev, lastMessage, deleted }: Activity): string {
  const seqs = deleted.map((each) => each.seq);
  const revs = deleted.map((each) => each.rev);
  const rest = deleted.length > 0 ? `,"deleted":[${seqs.join()}],"deleted_revs":[${revs.join()}]` : "";
  const last = lastMessage ? encodeLastMessage(lastMessage) : "null";
  return `{"type":"activity","room":"${room}","seq":${seq},"rev":${rev},"last_message":${last}${rest}}`;
}

export function encodeJoined(room: RoomSummary): string {
  return `{"type":"${"joined" satisfies JoinedFrame["type"]}","room":${encodeSummary(room)}}`;
}

export function encodeLeft(room: string, reason: Departure): string {
  return JSON.stringify({ type: "left", room, reason } satisfies LeftFrame);
}
