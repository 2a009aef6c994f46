import type { WebSocketHandler } from "bun";
import type { Logger } from "pino";

import type { Chat } from "../chat/chat.ts";
import { asChatError } from "../chat/errors.ts";
import type { Metrics } from "../http/metrics.ts";
import { closeSocket, Connection, RefusedConnection, type SocketData } from "./connection.ts";
import type { Connections } from "./connections.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { MAX_BACKPRESSURE_BYTES, MAX_FRAME_BYTES } from "./limits.ts";
import type { Protocol } from "./subprotocol.ts";

export interface HandlerOptions {
  chat: Chat;
  connections: Connections;
  dialects: Record<Protocol, Dialect>;
  metrics: Metrics;
  log: Logger;
}

/** Close codes of users who leave or lose the network: logged at `debug` only. */
const ORDINARY_CLOSE_CODES = new Set([1000, 1001, 1005, 1006]);

/** Returns the handlers of Bun's WebSocket server, which pass the events of a socket on to its connection and dialect. */
export function createHandlers(options: HandlerOptions): WebSocketHandler<SocketData> {
  const { chat, connections, dialects, metrics, log } = options;

  async function join(connection: Connection): Promise<void> {
    const { protocol, membership, since } = connection;
    const dialect = dialects[protocol];
    if (!membership) return;
    connection.membership = undefined;
    try {
      const { historyOptional } = dialect;
      const joined = await chat.join(connection, membership, { since, historyOptional });
      if (!connection.isOpen) return;
      dialect.start(connection, joined);
      for (const frame of connection.takeQueuedFrames()) dialect.message(connection, frame);
    } catch (err) {
      const { code } = asChatError(err);
      metrics.refusals.inc({ code });
      if (code === "internal" || code === "storage_unavailable")
        log.error({ err, room: membership.room.id }, "A connection could not join its room");
      connection.close(code);
    }
  }

  return {
    data: {} as SocketData,
    maxPayloadLength: MAX_FRAME_BYTES,
    backpressureLimit: MAX_BACKPRESSURE_BYTES,
    closeOnBackpressureLimit: true,
    perMessageDeflate: false,
    // Bun counts its own sends as a sign of life of the peer, so `Connections` has its own heartbeat.
    idleTimeout: 0,
    sendPings: false,
    open(socket) {
      const { data } = socket;
      if (data instanceof RefusedConnection) {
        closeSocket(socket, data.code);
        return;
      }
      data.attach(socket);
      connections.add(data);
      void join(data);
    },
    message({ data }, frame) {
      if (data instanceof RefusedConnection) return;
      connections.markAlive(data);
      if (!data.queueFrame(frame)) dialects[data.protocol].message(data, frame);
    },
    drain({ data }) {
      if (data instanceof RefusedConnection) return;
      // A peer that reads is alive, even if its pong is delayed.
      connections.markAlive(data);
      data.notifyDrained();
      dialects[data.protocol].drained?.(data);
    },
    ping({ data }) {
      if (data instanceof Connection) connections.countControlFrame(data);
    },
    pong({ data }) {
      if (data instanceof Connection) connections.countControlFrame(data);
    },
    close({ data }, code, reason) {
      metrics.countClose(code);
      if (data instanceof RefusedConnection) return;
      connections.remove(data);
      chat.leave(data, data.room);
      data.notifyDrained();
      log[ORDINARY_CLOSE_CODES.has(code) ? "debug" : "info"](
        { user: data.user.id, code, reason },
        "Connection closed",
      );
    },
  };
}
