import type { ActivityBroadcaster } from "../chat/activity.ts";
import type { Broadcaster } from "../chat/room-sync.ts";
import * as classic from "../protocol/classic.ts";
import { encodeActivity } from "../protocol/session.ts";
import { encodeChange, encodeChanges, encodeChunks } from "../protocol/v2.ts";
import { topics } from "./topics.ts";

/** The part of Bun's server that publishing needs. */
export interface TopicServer {
  subscriberCount(topic: string): number;
  /** Negative when bytes wait for at least one subscriber. */
  publish(topic: string, frame: string, compress: boolean): number;
}

/**
 * Publishes a room's changes and its activity. Each change is encoded once per dialect, however many connections there are.
 * `checkSessions` is called when bytes wait for a reader of activity.
 */
export function createBroadcaster(
  server: TopicServer,
  checkSessions: () => void,
): Broadcaster & ActivityBroadcaster {
  return {
    publish({ key, id }, changes) {
      const [toClassic, toV2] = [topics.classic(key), topics.v2(key)];
      const [hasClassic, hasV2] = [server.subscriberCount(toClassic) > 0, server.subscriberCount(toV2) > 0];
      for (const change of changes) {
        if (hasClassic && change.kind === "created")
          server.publish(toClassic, classic.encodeCreated(change.message), false);
        if (hasV2) server.publish(toV2, encodeChange(id, change), false);
      }
    },
    publishMissed({ key, id }, page, created) {
      for (const message of created) {
        // A message that has been deleted since was never shown, so there is nothing to announce.
        if (message.text !== null) server.publish(topics.classic(key), classic.encodeCreated(message), false);
      }
      if (server.subscriberCount(topics.v2(key)) === 0) return;
      for (const chunk of encodeChunks(page)) server.publish(topics.v2(key), encodeChanges(id, chunk), false);
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
