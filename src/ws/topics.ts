import type { RoomKey } from "../chat/model.ts";

/** Topics of Bun's pub/sub, one set for each room. */
export const topics = {
  classic: (room: RoomKey) => `room:${room}:classic`,
  v2: (room: RoomKey) => `room:${room}:v2`,
  /** Separate from the changes, so that they can be withheld from slow readers. */
  notices: (room: RoomKey) => `room:${room}:notices`,
  /** For sessions in which the room is not open. */
  activity: (room: RoomKey) => `room:${room}:activity`,
};
