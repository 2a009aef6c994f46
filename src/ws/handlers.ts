import type { WebSocketHandler } from "bun";
import type { Logger } from "pino";

import type { Chat } from "../chat/chat.ts";
import { asChatError } from "../chat/errors.ts";
import type { Metrics } from "../http/metrics.ts";
import {
  Connection,
  type ConnectionSession,
  type Entrance,
  type OpenRoom,
  type Socket,
  type SocketData,
  UnauthenticatedConnection,
} from "./connection.ts";
import type { Connections } from "./connections.ts";
import type { Dialect } from "./dialects/dialect.ts";
import type { FirstFrames } from "./first-frames.ts";
import { MAX_BACKPRESSURE_BYTES, MAX_FRAME_BYTES } from "./limits.ts";
import type { Protocol } from "./subprotocol.ts";

export interface HandlerOptions {
  chat: Chat;
  connections: Connections;
  firstFrames: FirstFrames;
  dialects: Record<Protocol, Dialect>;
  metrics: Metrics;
  log: Logger;
}

/** Close codes of users who leave or lose the network: logged at `debug` only. */
const ORDINARY_CLOSE_CODES = new Set([1000, 1001, 1005, 1006]);

/** Returns the handlers of Bun's WebSocket server, which pass the events of a socket on to its connection and dialect. */
export function createHandlers(options: HandlerOptions): WebSocketHandler<SocketData> {
  const { chat, connections, firstFrames, dialects, metrics, log } = options;

  function add(socket: Socket, connection: Connection): void {
    connection.attach(socket);
    connections.add(connection);
    void start(connection);
  }

  /** Joins the room of a connection to a room's URL, or starts the session of one to the URL of sessions. */
  async function start(connection: Connection): Promise<void> {
    const { session, room, entrance } = connection;
    try {
      if (session) await startSession(connection, session);
      else if (room && entrance) await join(room, entrance);
    } catch (err) {
      const { code } = asChatError(err);
      metrics.refusals.inc({ code });
      if (code === "internal" || code === "storage_unavailable")
        log.error(
          { err, user: connection.user.id, room: room?.room.id },
          "A connection could not be started",
        );
      connection.close(code);
    }
  }

  async function startSession(connection: Connection, session: ConnectionSession): Promise<void> {
    void session.started.then(() => handleQueued(connection));
    await chat.sessions.open(session);
  }

  async function join(room: OpenRoom, { since, ...membership }: Entrance): Promise<void> {
    const { connection } = room;
    connection.entrance = undefined;
    const dialect = dialects[connection.protocol];
    const { historyOptional, historyLength } = dialect;
    const joined = await chat.join(room, membership, { since, historyOptional, historyLength });
    if (!connection.isOpen) return;
    dialect.start(room, joined);
    handleQueued(connection);
  }

  function handleQueued(connection: Connection): void {
    for (const frame of connection.takeQueuedFrames())
      dialects[connection.protocol].message(connection, frame);
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
      if (data instanceof Connection) add(socket, data);
      else if (data instanceof UnauthenticatedConnection) firstFrames.open(socket);
      else socket.close(data.closeCode, data.code);
    },
    message(socket, frame) {
      const { data } = socket;
      if (data instanceof Connection) {
        connections.markAlive(data);
        if (!data.queueFrame(frame)) dialects[data.protocol].message(data, frame);
      } else if (data instanceof UnauthenticatedConnection) {
        firstFrames.receive(socket, data, frame, (connection) => {
          socket.data = connection;
          add(socket, connection);
        });
      }
    },
    drain({ data }) {
      if (!(data instanceof Connection)) return;
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
    close(socket, code, reason) {
      const { data } = socket;
      metrics.countClose(code);
      if (data instanceof UnauthenticatedConnection) firstFrames.remove(socket);
      if (!(data instanceof Connection)) return;
      connections.remove(data);
      if (data.room) chat.leave(data.room, data.room.room.key);
      data.session?.end();
      data.notifyDrained();
      log[ORDINARY_CLOSE_CODES.has(code) ? "debug" : "info"](
        { user: data.user.id, code, reason },
        "Connection closed",
      );
    },
  };
}
