import type { ActivityBroadcaster } from "../chat/activity.ts";
import type { RoomKey } from "../chat/model.ts";
import type { Broadcaster } from "../chat/room-sync.ts";
import type { ClassicFrames } from "../protocol/classic/frames.ts";
import { encodeActivity } from "../protocol/session.ts";
import { encodeChange, encodeChanges, encodeChunks } from "../protocol/v2.ts";
import { topics } from "./topics.ts";

/** The part of Bun's server that publishing needs. */
export interface TopicServer {
  subscriberCount(topic: string): number;
  /** Negative when bytes wait for at least one subscriber. */
  publish(topic: string, frame: string, compress: boolean): number;
}

export interface BroadcasterOptions {
  server: TopicServer;
  classic: ClassicFrames;
  /** The name of a room that is followed here. */
  roomName: (room: RoomKey) => string | undefined;
  /** Called when bytes wait for a reader of activity. */
  checkSessions: () => void;
}

/** Publishes a room's changes and its activity. Each change is encoded once per dialect, however many connections there are. */
export function createBroadcaster(options: BroadcasterOptions): Broadcaster & ActivityBroadcaster {
  const { server, classic, roomName, checkSessions } = options;
  const publish = (topic: string, frame: string | undefined) => {
    if (frame !== undefined) server.publish(topic, frame, false);
  };
  const named = (key: RoomKey, id: string) => ({ id, name: roomName(key) ?? id });
  return {
    publish({ key, id }, changes) {
      const [toClassic, toV2] = [topics.classic(key), topics.v2(key)];
      const [hasClassic, hasV2] = [server.subscriberCount(toClassic) > 0, server.subscriberCount(toV2) > 0];
      const room = hasClassic ? named(key, id) : undefined;
      for (const change of changes) {
        if (room) publish(toClassic, classic.encodeChange(change, room));
        if (hasV2) publish(toV2, encodeChange(id, change));
      }
    },
    publishMissed({ key, id }, page, created) {
      const toClassic = topics.classic(key);
      if (server.subscriberCount(toClassic) > 0) {
        for (const frame of classic.encodeMissed(page.messages, new Set(created), named(key, id)))
          publish(toClassic, frame);
      }
      if (server.subscriberCount(topics.v2(key)) === 0) return;
      for (const chunk of encodeChunks(page)) publish(topics.v2(key), encodeChanges(id, chunk));
    },
    followers: (room) => server.subscriberCount(topics.activity(room)),
    publishActivity({ key, id }, activity) {
      const topic = topics.activity(key);
      if (server.subscriberCount(topic) === 0) return;
      // A negative result means that bytes wait for at least one subscriber.
      if (server.publish(topic, encodeActivity(id, activity), false) < 0) checkSessions();
    },
  };
}
