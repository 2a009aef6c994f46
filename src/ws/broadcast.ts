import type { Server } from "bun";

import type { Outlet } from "../chat/room-sync.ts";
import type { RoomKey } from "../chat/model.ts";
import * as classic from "../protocol/classic.ts";
import * as v2 from "../protocol/v2.ts";
import type { SocketData } from "./connections.ts";

/** Where a room's changes are published, per dialect. */
export const topics = {
  classic: (room: RoomKey) => `room:${room}:classic`,
  v2: (room: RoomKey) => `room:${room}:v2`,
  /** Apart from the changes, so that a slow reader can go without them. */
  notices: (room: RoomKey) => `room:${room}:notices`,
};

/** Sends a room's changes to whoever is connected here: one encoding per dialect, however many they are. */
export function createOutlet(server: () => Server<SocketData>): Outlet {
  return {
    live(room, changes) {
      const on = server();
      const [toClassic, toV2] = [topics.classic(room), topics.v2(room)];
      const [anyClassic, anyV2] = [on.subscriberCount(toClassic) > 0, on.subscriberCount(toV2) > 0];
      for (const change of changes) {
        if (anyClassic && change.kind === "created")
          on.publish(toClassic, classic.created(change.message), false);
        if (anyV2) on.publish(toV2, v2.change(change), false);
      }
    },
    missed(room, page, created) {
      const on = server();
      for (const message of created) {
        // Edits are not for this dialect, nor is what was deleted before anybody saw it.
        if (message.text !== null) on.publish(topics.classic(room), classic.created(message), false);
      }
      if (on.subscriberCount(topics.v2(room)) === 0) return;
      for (const chunk of v2.chunks(page)) on.publish(topics.v2(room), v2.changes(chunk), false);
    },
  };
}
