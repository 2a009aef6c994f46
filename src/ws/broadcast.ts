import type { RoomKey } from "../chat/model.ts";
import type { Broadcaster } from "../chat/room-sync.ts";
import * as classic from "../protocol/classic.ts";
import { encodeChange, encodeChanges, encodeChunks } from "../protocol/v2.ts";

/** Topics of Bun's pub/sub, one set for each room. */
export const topics = {
  classic: (room: RoomKey) => `room:${room}:classic`,
  v2: (room: RoomKey) => `room:${room}:v2`,
  /** Separate from the changes, so that they can be withheld from slow readers. */
  notices: (room: RoomKey) => `room:${room}:notices`,
};

/** The part of Bun's server that publishing needs. */
export interface TopicServer {
  subscriberCount(topic: string): number;
  /** Negative when bytes wait for at least one subscriber. */
  publish(topic: string, frame: string, compress: boolean): number;
}

/** Publishes a room's changes to its connections. Each change is encoded once per dialect, however many connections there are. */
export function createBroadcaster(server: TopicServer): Broadcaster {
  return {
    publish(room, changes) {
      const [toClassic, toV2] = [topics.classic(room), topics.v2(room)];
      const [hasClassic, hasV2] = [server.subscriberCount(toClassic) > 0, server.subscriberCount(toV2) > 0];
      for (const change of changes) {
        if (hasClassic && change.kind === "created")
          server.publish(toClassic, classic.encodeCreated(change.message), false);
        if (hasV2) server.publish(toV2, encodeChange(change), false);
      }
    },
    publishMissed(room, page, created) {
      for (const message of created) {
        // A message that has been deleted since was never shown, so there is nothing to announce.
        if (message.text !== null)
          server.publish(topics.classic(room), classic.encodeCreated(message), false);
      }
      if (server.subscriberCount(topics.v2(room)) === 0) return;
      for (const chunk of encodeChunks(page)) server.publish(topics.v2(room), encodeChanges(chunk), false);
    },
  };
}
