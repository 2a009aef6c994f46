import type { Server, WebSocketHandler } from "bun";
import type { Logger } from "pino";

import type { Hint } from "../chat/bus.ts";
import type { Chat } from "../chat/chat.ts";
import type { Identity, Limits, RoomKey } from "../chat/model.ts";
import { createClassic } from "./dialects/classic.ts";
import { accepted, close, type Connections, type SocketData } from "./connections.ts";
import type { Protocol } from "../http/credentials.ts";
import { backpressureLimit, type Dialect, frameLimit, Tolls } from "./dialect.ts";
import type { Metrics } from "../http/metrics.ts";
import { Notices } from "./notices.ts";
import { topics } from "./broadcast.ts";
import { createV2 } from "./dialects/v2.ts";

/** How soon to look again, in milliseconds, when a roster could not be read. */
const recheckPause = 1000;

export interface SocketOptions {
  chat: Chat;
  verify: (token: string) => Promise<Identity>;
  connections: Connections;
  limits: Limits;
  metrics: Metrics;
  log: Logger;
  server: () => Server<SocketData>;
}

/** The socket's side of the chat: frames become commands, changes become frames. */
export function createSockets(options: SocketOptions) {
  const { chat, connections, metrics, log, server } = options;
  const notices = new Notices(chat, connections, server);
  const tolls = new Tolls(chat, metrics, log);
  const dialects: Record<Protocol, Dialect> = {
    classic: createClassic(chat, tolls),
    "chat.v2": createV2({ ...options, notices, tolls }),
  };

  const handlers: WebSocketHandler<SocketData> = {
    data: {} as SocketData,
    maxPayloadLength: frameLimit,
    backpressureLimit,
    closeOnBackpressureLimit: true,
    perMessageDeflate: false,
    // Bun's own timer takes what is sent to a peer for a sign of life; `Connections` does not.
    idleTimeout: 0,
    sendPings: false,
    open(socket) {
      if ("refused" in socket.data) close(socket, socket.data.refused);
      if (!accepted(socket)) return;
      const { arrival, protocol } = socket.data;
      connections.add(socket);
      socket.data.arrival = undefined;
      try {
        if (arrival) dialects[protocol].open(socket, arrival);
      } catch (err) {
        // Thrown from here it would be the end of the process.
        log.error({ err }, "a connection could not begin");
        close(socket, "internal");
      }
    },
    message(socket, frame) {
      if (!accepted(socket)) return;
      connections.heard(socket);
      dialects[socket.data.protocol].message(socket, frame);
    },
    drain(socket) {
      if (!accepted(socket)) return;
      // What has left for it was asked for by its own machine; a ping may wait behind much more.
      connections.heard(socket);
      const { drained, room } = socket.data;
      socket.data.drained = undefined;
      drained?.();
      // Not before it has all that it missed.
      if (socket.isSubscribed(topics.v2(room))) notices.resume(socket);
    },
    ping: (socket) => void (accepted(socket) && connections.heard(socket)),
    pong: (socket) => void (accepted(socket) && connections.heard(socket)),
    close(socket, code, reason) {
      metrics.closes.inc({ code });
      if (!accepted(socket)) return;
      const { room, user, drained } = socket.data;
      connections.remove(socket);
      chat.leave(room, user.key);
      drained?.();
      // Whoever leaves by himself, or loses his network, is not worth a line.
      const ordinary = code === 1000 || code === 1001 || code === 1005 || code === 1006;
      log[ordinary ? "debug" : "info"]({ user: user.id, code, reason }, "connection ended");
    },
  };

  /** Tells what is not stored, and closes whoever lost his place: at once, where that is known. */
  function hear(hint: Hint): void {
    if (hint.kind === "notice") notices.tell(hint.room, hint.notice);
    if (hint.kind === "roster") {
      if (hint.out !== undefined) connections.expel(hint.room, hint.out);
      void recheck(hint.room);
    }
    if (hint.kind === "anything") for (const room of connections.rooms()) void recheck(room);
  }

  /** Rooms that are looked at again soon. */
  const pending = new Set<RoomKey>();

  async function recheck(room: RoomKey): Promise<void> {
    try {
      // Whoever comes while it is read was checked at the door, and may be newer than the roster.
      const sockets = [...connections.in(room)];
      connections.recheck(sockets, await chat.rooms.roster(room));
    } catch (err) {
      if (pending.has(room)) return;
      log.error({ err, room }, "members could not be read; looking again soon");
      pending.add(room);
      setTimeout(() => {
        pending.delete(room);
        void recheck(room);
      }, recheckPause).unref();
    }
  }

  return { handlers, hear };
}
