import type { Activity, Departure, MentionChange, RoomKey, RoomSummary } from "../chat/model.ts";
import type { LeftFrame, OpenedFrame, SessionHelloFrame } from "./frames.ts";
import { encodeLastMessage, encodeSummary } from "./serialize.ts";
import { encodeAround } from "./v2.ts";

/** Frames of `chat.v2` that only sessions get, as docs/protocol.md describes them. */

/** Rooms in one frame of the room list, and UTF-16 units of their JSON. */
const MAX_ROOMS_PER_FRAME = 100;
const MAX_ROOMS_LENGTH = 49_152;

/** Summaries that fit into one frame. */
export interface RoomsPage {
  /** Encoded, separated by commas. */
  rooms: string;
  /** Whether another page follows. */
  more: boolean;
}

/**
 * Splits a list of rooms into pages. Yields at least one, even for an empty list. Each page leaves out rooms that are not
 * `listed` by the time it is asked for.
 */
export function* encodeRoomPages(
  rooms: readonly RoomSummary[],
  listed: (room: RoomKey) => boolean,
): Generator<RoomsPage, undefined> {
  let encoded = "";
  let count = 0;
  for (const room of rooms) {
    const summary = encodeSummary(room);
    if (count === MAX_ROOMS_PER_FRAME || (count > 0 && encoded.length + summary.length > MAX_ROOMS_LENGTH)) {
      yield { rooms: encoded, more: true };
      [encoded, count] = ["", 0];
    }
    if (listed(room.room.key)) encoded += count++ === 0 ? summary : `,${summary}`;
  }
  yield { rooms: encoded, more: false };
}

/** Encodes the first frame of a session. */
export function encodeSessionHello(
  parts: Omit<SessionHelloFrame, "type" | "rooms" | "more">,
  { rooms, more }: RoomsPage,
): string {
  const front = JSON.stringify({ type: "hello", ...parts }).slice(0, -1);
  return `${front},"rooms":[${rooms}],"more":${more}}`;
}

export function encodeRooms({ rooms, more }: RoomsPage): string {
  return `{"type":"rooms","rooms":[${rooms}],"more":${more}}`;
}

/** Encodes the answer to `open`. `messages` returns its encoded messages; it is passed the bytes of the rest. */
export function encodeOpened(
  { id, room, rev, resumed, ...rest }: Omit<OpenedFrame, "type" | "messages">,
  messages: (restBytes: number) => string,
): string {
  return encodeAround({ type: "opened", id, room, rev, resumed }, rest, messages);
}

export function encodeActivity(room: string, activity: Activity): string {
  const { seq, rev, lastMessage, deleted, mentions } = activity;
  const seqs = deleted.map((each) => each.seq);
  const revs = deleted.map((each) => each.rev);
  let rest = deleted.length > 0 ? `,"deleted":[${seqs.join()}],"deleted_revs":[${revs.join()}]` : "";
  if (!mentions) rest += ',"recount":true';
  else if (mentions.length > 0) rest += `,"mentions":[${mentions.map(encodeMentionChange).join()}]`;
  const last = lastMessage ? encodeLastMessage(lastMessage) : "null";
  return `{"type":"activity","room":"${room}","seq":${seq},"rev":${rev},"last_message":${last}${rest}}`;
}

function encodeMentionChange({ seq, rev, now, before }: MentionChange): string {
  return `{"seq":${seq},"rev":${rev},"now":${now ?? "null"},"before":${before ?? "null"}}`;
}

export function encodeJoined(room: RoomSummary): string {
  return `{"type":"joined","room":${encodeSummary(room)}}`;
}

export function encodeLeft(room: string, reason: Departure): string {
  return JSON.stringify({ type: "left", room, reason } satisfies LeftFrame);
}
