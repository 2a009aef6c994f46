import { once } from "node:events";

import pino from "pino";
import type * as ws from "ws";

import type { Chat } from "../../src/chat/chat.ts";
import type { Actor } from "../../src/chat/model.ts";
import { createMetrics } from "../../src/http/metrics.ts";
import { defaultClassic } from "../../src/protocol/classic/classic.ts";
import { errorCodes } from "../../src/protocol/error-codes.ts";
import { Admission } from "../../src/ws/admission.ts";
import { createBroadcaster } from "../../src/ws/broadcast.ts";
import { Connection, RefusedConnection, type SocketData } from "../../src/ws/connection.ts";
import { Connections } from "../../src/ws/connections.ts";
import { createClassic } from "../../src/ws/dialects/classic.ts";
import { createV2 } from "../../src/ws/dialects/v2.ts";
import { FirstFrames } from "../../src/ws/first-frames.ts";
import { FrameGuard } from "../../src/ws/frame-guard.ts";
import { createHandlers } from "../../src/ws/handlers.ts";
import { Notices } from "../../src/ws/notices.ts";
import { RoomFeeds } from "../../src/ws/room-feeds.ts";
import { Session } from "../../src/ws/session.ts";
import type { Protocol } from "../../src/ws/subprotocol.ts";
import { TokenRenewal } from "../../src/ws/token-renewal.ts";
import { createChat, noLimits } from "./chat-harness.ts";
import { ClassicClient, V2Client, WebSocket } from "./client.ts";
import { identity } from "./recorded-connection.ts";
import { actor } from "./samples.ts";
import { SessionClient } from "./session-client.ts";

export interface SocketOptions {
  user?: Actor;
  since?: number;
}

/** The sockets of a server without HTTP and tokens, on a chat whose store's reads the test answers. */
export function startSockets({ messages = 0 } = {}) {
  const server = Bun.serve<SocketData>({
    port: 0,
    fetch: () => new Response(),
    websocket: { message: () => undefined },
  });
  const harness = createChat({
    messages,
    broadcaster: createBroadcaster({
      server,
      classic: defaultClassic.frames,
      roomName: (room) => chat.roomName(room),
      checkSessions: () => connections.checkSessions(),
    }),
  });
  const { bus, admit } = harness;
  const chat: Chat = harness.chat;
  const metrics = createMetrics();
  const errors: unknown[] = [];
  const log = pino({ level: "error" }, { write: (line) => void errors.push(JSON.parse(line)) });
  const connections = new Connections({ perUser: 0, total: 0 });
  const guard = new FrameGuard(chat, metrics, log);
  const notices = new Notices(chat, connections, server);
  bus.subscribe((event) => notices.receive(event));
  const verifier = { verify: () => Promise.reject(new Error("not part of this test")), trusts: () => true };
  const feeds = new RoomFeeds({ chat, notices, log });
  const renewal = new TokenRenewal({ chat, verifier, connections });
  const dialects = {
    classic: createClassic({ chat, guard, classic: defaultClassic, log }),
    "chat.v2": createV2({ chat, feeds, renewal, guard, limits: noLimits }),
  };
  const createSession = (connection: Connection) =>
    new Session(connection, { chat, feeds, limits: noLimits, log });
  const admission = new Admission({ chat, verifier, connections, createSession, closeCodes: {} });
  const firstFrames = new FirstFrames({
    admission,
    connections,
    tokenFrom: undefined,
    closeCodes: {},
    refused: () => undefined,
  });
  /** What the next upgrades open, in their order. */
  const upgrades: SocketData[] = [];
  server.reload({
    fetch(request, self) {
      const data = upgrades.shift();
      if (data && self.upgrade(request, { data })) return undefined;
      return new Response(null, { status: 400 });
    },
    websocket: createHandlers({ chat, connections, firstFrames, dialects, metrics, log }),
  });

  /** Resolves when the socket is open. */
  async function open<T extends { socket: ws.WebSocket }>(
    data: SocketData,
    createClient: (socket: ws.WebSocket) => T,
  ): Promise<T> {
    upgrades.push(data);
    const client = createClient(
      new WebSocket(server.url.href.replace("http", "ws"), { perMessageDeflate: false }),
    );
    await once(client.socket, "open");
    return client;
  }
  function createConnection(protocol: Protocol, { user = actor(1), since }: SocketOptions): Connection {
    const entrance = { ...admit(), since };
    return new Connection({ protocol, identity: identity(user.key), user, entrance }, performance.now());
  }

  return {
    ...harness,
    connections,
    metrics,
    /** What was logged as an error. */
    errors,
    // Each resolves when the socket is open, before the join has ended.
    openClassic: (options: SocketOptions = {}) =>
      open(createConnection("classic", options), (socket) => new ClassicClient(socket)),
    openV2: (options: SocketOptions = {}) =>
      open(createConnection("chat.v2", options), (socket) => new V2Client(socket)),
    openSession(user = actor(1)) {
      const about = { protocol: "chat.v2", identity: identity(user.key), user } as const;
      const connection = new Connection(about, performance.now());
      connection.session = createSession(connection);
      return open(connection, (socket) => new SessionClient(socket));
    },
    openRefused: (code: RefusedConnection["code"]) =>
      open(new RefusedConnection(code, errorCodes[code].close), (socket) => new V2Client(socket)),
    async [Symbol.asyncDispose]() {
      await connections.drain(0);
      await server.stop(true);
    },
  };
}
