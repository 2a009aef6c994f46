import type { Server, WebSocketHandler } from "bun";
import type { Logger } from "pino";

import type { Hint } from "../chat/bus.ts";
import type { Chat } from "../chat/chat.ts";
import { asChatError, ChatError } from "../chat/errors.ts";
import type { Change, Message, RoomKey } from "../chat/model.ts";
import * as classic from "../protocol/classic.ts";
import { close, type Connection, type Connections, type Socket } from "./connections.ts";
import type { Metrics } from "./metrics.ts";

/** Bytes that one frame may have. */
const frameLimit = 65_536;
/** Bytes that may wait for one slow reader. */
const backpressureLimit = 1 << 20;
/** Bytes of the first frame: less than that, by what may come while it is read. */
const historyLimit = backpressureLimit - frameLimit;
/** Commands refused because there were too many, over those accepted since, after which a connection is closed. */
const strikeLimit = 50;
/** How soon to look again, in milliseconds, when a roster could not be read. */
const recheckPause = 1000;

export interface SocketOptions {
  chat: Chat;
  connections: Connections;
  metrics: Metrics;
  log: Logger;
}

const topicOf = (room: RoomKey) => `room:${room}:classic`;

/** The socket's side of the chat: frames become commands, changes become frames. */
export function createSockets({ chat, connections, metrics, log }: SocketOptions) {
  const handlers: WebSocketHandler<Connection> = {
    data: {} as Connection,
    maxPayloadLength: frameLimit,
    backpressureLimit,
    closeOnBackpressureLimit: true,
    perMessageDeflate: false,
    // Bun's own timer takes what is sent to a peer for a sign of life; `Connections` does not.
    idleTimeout: 0,
    sendPings: false,
    open(socket) {
      const { room, history } = socket.data;
      connections.add(socket);
      socket.subscribe(topicOf(room));
      socket.send(encodeHistory(history ?? []));
      socket.data.history = undefined;
    },
    message(socket, frame) {
      connections.heard(socket);
      try {
        chat.spend(socket.data.user, "command");
        // Down by one, not to nothing: a flood that is even has some of it accepted, too.
        socket.data.strikes = Math.max(0, socket.data.strikes - 1);
        if (typeof frame !== "string") throw new ChatError("invalid_message", "Frames are text, not binary.");
        const { user, room } = socket.data;
        chat.post(user, room, classic.parse(frame)).catch((error: unknown) => refuse(socket, error));
      } catch (error) {
        refuse(socket, error);
      }
    },
    ping: (socket) => connections.heard(socket),
    pong: (socket) => connections.heard(socket),
    close(socket, code, reason) {
      connections.remove(socket);
      chat.leave(socket.data.room);
      metrics.closes.inc({ code });
      // Whoever leaves by himself, or loses his network, is not worth a line.
      const ordinary = code === 1000 || code === 1001 || code === 1005 || code === 1006;
      log[ordinary ? "debug" : "info"]({ user: socket.data.user.id, code, reason }, "connection ended");
    },
  };

  /** Histories that were encoded, for as long as somebody else may be sent the same one. */
  const encoded = new WeakMap<readonly Message[], string>();
  function encodeHistory(history: readonly Message[]): string {
    let frame = encoded.get(history);
    if (frame === undefined) encoded.set(history, (frame = classic.history(history, historyLimit)));
    return frame;
  }

  function refuse(socket: Socket, error: unknown): void {
    const refusal = asChatError(error);
    metrics.refusals.inc({ code: refusal.code });
    if (refusal.code === "internal") log.error({ err: error }, "a frame failed");
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(classic.refusal(refusal));
    if (refusal.code === "removed" || refusal.code === "room_deleted") close(socket, refusal.code);
    if (refusal.code === "rate_limited" && ++socket.data.strikes >= strikeLimit)
      close(socket, "rate_limited");
  }

  /** Closes whoever lost his place. */
  function hear(hint: Hint): void {
    if (hint.kind === "roster") void recheck(hint.room);
    if (hint.kind === "anything") for (const room of connections.rooms()) void recheck(room);
  }

  /** Rooms that are looked at again soon. */
  const pending = new Set<RoomKey>();

  async function recheck(room: RoomKey): Promise<void> {
    try {
      connections.recheck(room, await chat.roster(room));
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

/** Sends a room's changes to whoever is connected here: one encoding, however many they are. */
export function deliver(server: Server<Connection>, room: RoomKey, changes: readonly Change[]): void {
  const topic = topicOf(room);
  for (const { kind, message } of changes) {
    if (kind === "created" && message.text !== null) server.publish(topic, classic.created(message), false);
  }
}
