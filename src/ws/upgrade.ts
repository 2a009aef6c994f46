import type { Server } from "bun";
import type { Context } from "hono";

import type { Verifier } from "../auth/verifier.ts";
import type { Chat } from "../chat/chat.ts";
import { asChatError, ChatError, type Code } from "../chat/errors.ts";
import { isRoomId, roomIdRule } from "../chat/model.ts";
import type { Connections, SocketData } from "./connections.ts";
import { originAllowed, readOffer, readToken, speaksV2 } from "../http/credentials.ts";
import { problem } from "../http/problem.ts";

export interface Env {
  Bindings: { server: Server<SocketData> };
  Variables: {
    /** Why it was refused, for the log. */
    code?: Code;
    /** A refusal is for a page to read, which sees nothing of an upgrade but a close code. */
    refuseAfterUpgrade?: true;
  };
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
    const offered = c.req.header("sec-websocket-protocol");
    const allowed = originAllowed(c, allowedOrigins);
    // Nothing is opened for a page of a foreign origin, not even to be closed.
    if (allowed && speaksV2(offered)) c.set("refuseAfterUpgrade", true);
    if (connections.draining) throw new ChatError("restarting", "The server is shutting down.");
    const roomId = c.req.param("room") ?? "";
    if (!isRoomId(roomId)) throw new ChatError("invalid_command", roomIdRule);
    const offer = readOffer(offered);
    if (!allowed) throw new ChatError("forbidden", "Pages of this origin may not connect.");
    const protocol = offer.protocol ?? "classic";
    const since = protocol === "chat.v2" ? readSince(c.req.query("since")) : undefined;
    const identity = await verifier.verify(readToken(c, offer));
    const actor = await chat.signIn(identity);
    let upgraded = false;
    await chat.join(actor, roomId, {
      ...(since !== undefined && { since }),
      blindly: protocol === "classic",
      admit: () => connections.admit(actor.key),
      arrive: (arrival) => {
        const { expiresAt } = identity;
        const data = connections.start({ protocol, user: actor, room: arrival.room.key, expiresAt, arrival });
        upgraded = switchProtocols(c, data, offer.protocol);
        return upgraded;
      },
    });
    if (!upgraded) throw new ChatError("invalid_command", "The connection could not be upgraded.");
    // Bun has sent its own.
    return new Response(null, { status: 101 });
  };
}

/** Opens the socket, to be closed with the refusal's code. Undefined when that can't be done. */
export function refuseSocket(c: Context<Env>, error: unknown): Response | undefined {
  if (!c.get("refuseAfterUpgrade")) return undefined;
  const upgraded = switchProtocols(c, { refused: asChatError(error).code }, "chat.v2");
  return upgraded ? new Response(null, { status: 101 }) : undefined;
}

/** Calls the socket's `open` before it returns. */
function switchProtocols(c: Context<Env>, data: SocketData, protocol: string | undefined): boolean {
  // Without this header Bun would answer with the first protocol offered, which may be the token.
  const headers = protocol !== undefined ? { "sec-websocket-protocol": protocol } : undefined;
  return c.env.server.upgrade(c.req.raw, headers ? { data, headers } : { data });
}

function readSince(since: string | undefined): number | undefined {
  if (since === undefined) return undefined;
  // However long it is: what no room can have reached is beyond any room.
  if (/^\d+$/.test(since)) return Number(since);
  throw new ChatError("invalid_command", "since: must be the `rev` to go on from.");
}
