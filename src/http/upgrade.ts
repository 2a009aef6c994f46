import type { Server } from "bun";
import type { Context } from "hono";

import type { Verifier } from "../auth/verifier.ts";
import type { Chat } from "../chat/chat.ts";
import { ChatError, type Code } from "../chat/errors.ts";
import { isRoomId, roomIdRule } from "../chat/model.ts";
import type { Connection, Connections } from "./connections.ts";
import { originAllowed, readOffer, readToken } from "./credentials.ts";
import { problem } from "./problem.ts";

export interface Env {
  Bindings: { server: Server<Connection> };
  /** Why it was refused, for the log. */
  Variables: { code?: Code };
}

export interface UpgradeOptions {
  chat: Chat;
  verifier: Verifier;
  connections: Connections;
  /** Undefined: the server's own origin only. */
  allowedOrigins: readonly string[] | undefined;
}

/** Sixteen bytes in base64. */
const keyPattern = /^[A-Za-z0-9+/]{22}==$/;

/** `GET /ws/chat/:room`: every check is made before the 101, and the first frame goes out with it. */
export function createUpgrade({ chat, verifier, connections, allowedOrigins }: UpgradeOptions) {
  return async (c: Context<Env>): Promise<Response> => {
    if (c.req.method !== "GET" || c.req.header("upgrade")?.toLowerCase() !== "websocket") {
      return problem(new ChatError("invalid_command", "This is a WebSocket endpoint."), 426);
    }
    const connection = c.req.header("connection")?.toLowerCase() ?? "";
    if (!connection.includes("upgrade") || !keyPattern.test(c.req.header("sec-websocket-key") ?? "")) {
      throw new ChatError("invalid_command", "This is not a WebSocket handshake (RFC 6455, section 4.1).");
    }
    const roomId = c.req.param("room") ?? "";
    if (!isRoomId(roomId)) throw new ChatError("invalid_command", roomIdRule);
    const offer = readOffer(c.req.header("sec-websocket-protocol"));
    if (!originAllowed(c, allowedOrigins)) {
      throw new ChatError("forbidden", "Pages of this origin may not connect.");
    }
    const identity = await verifier.verify(readToken(c, offer));
    const actor = await chat.signIn(identity);
    let upgraded = false;
    await chat.join(actor, roomId, {
      admit: () => connections.admit(actor.key),
      arrive: (room, history) => {
        const data = connections.start(actor, room.key, identity.expiresAt, history);
        // Without this header Bun would answer with the first protocol offered, which may be the token.
        const headers = offer.protocol ? { "sec-websocket-protocol": offer.protocol } : undefined;
        // Calls `open` before it returns.
        upgraded = c.env.server.upgrade(c.req.raw, headers ? { data, headers } : { data });
        return upgraded;
      },
    });
    if (!upgraded) throw new ChatError("invalid_command", "The connection could not be upgraded.");
    // Bun has sent its own.
    return new Response(null, { status: 101 });
  };
}
