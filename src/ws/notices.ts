import type { Server } from "bun";

import type { Chat } from "../chat/chat.ts";
import type { Notice, RoomKey, User, UserKey } from "../chat/model.ts";
import * as v2 from "../protocol/v2.ts";
import type { Connections, Socket, SocketData } from "./connections.ts";
import { topics } from "./broadcast.ts";

/** Bytes that may wait for a reader before notices are withheld from it. */
const slow = 65_536;

/** What is told and not stored: the first that a slow reader goes without. */
export class Notices {
  constructor(
    private readonly chat: Chat,
    private readonly connections: Connections,
    private readonly server: () => Server<SocketData>,
  ) {}

  /** Sends a notice to everyone in a room here who keeps up. */
  tell(room: RoomKey, notice: Notice): void {
    const topic = topics.notices(room);
    const server = this.server();
    if (server.subscriberCount(topic) === 0) return;
    // A negative number says that something waits for somebody.
    if (server.publish(topic, v2.notice(notice), false) >= 0) return;
    let told: ReadonlyMap<UserKey, User> | undefined;
    for (const socket of this.connections.in(room)) {
      const { protocol, withheld } = socket.data;
      if (protocol !== "chat.v2" || withheld || socket.getBufferedAmount() <= slow) continue;
      socket.unsubscribe(topic);
      socket.data.withheld = told ??= this.chat.told(room);
    }
  }

  /** A socket that has just been told who is online goes without what follows. */
  withhold(socket: Socket, online: readonly User[]): void {
    socket.data.withheld = new Map(online.map((user) => [user.key, user]));
  }

  /** A socket that keeps up again is told who came and went, and hears notices from here on. */
  resume(socket: Socket): void {
    const { withheld: known, room } = socket.data;
    // What still waits calls for another `drain`.
    if (!known || socket.getBufferedAmount() > slow) return;
    socket.data.withheld = undefined;
    const online = new Map<UserKey, User>(this.chat.online(room).map((user) => [user.key, user]));
    for (const [key, user] of known) if (!online.has(key)) socket.send(v2.presence(user, false));
    for (const [key, user] of online) if (!known.has(key)) socket.send(v2.presence(user, true));
    socket.subscribe(topics.notices(room));
  }
}
