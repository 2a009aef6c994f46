import type { Context } from "hono";

import type { Verifier } from "../auth/verifier.ts";
import type { Chat } from "../chat/chat.ts";
import { asChatError, ChatError } from "../chat/errors.ts";
import { isRoomId, ROOM_ID_RULE } from "../chat/validation.ts";
import { readSessionCookie, readToken } from "../http/credentials.ts";
import type { Env } from "../http/env.ts";
import type { OriginPolicy } from "../http/origin.ts";
import { problem } from "../http/problem.ts";
import { Connection, type ConnectionSession, RefusedConnection, type SocketData } from "./connection.ts";
import type { Connections } from "./connections.ts";
import { checkOffer, type Offer, type Protocol, readOffer } from "./subprotocol.ts";

export interface UpgradeOptions {
  chat: Chat;
  verifier: Pick<Verifier, "verify" | "trusts">;
  connections: Connections;
  originPolicy: OriginPolicy;
  createSession: (connection: Connection) => ConnectionSession;
}

/** `Sec-WebSocket-Key`: sixteen bytes in base64. */
const WEBSOCKET_KEY = /^[A-Za-z0-9+/]{22}==$/;

/**
 * Handles `GET /ws/chat/:room` and `GET /ws`, the URL of sessions. The request, the Origin, the token, the membership and the
 * limits are checked before the 101; rooms are joined after it.
 */
export function createUpgrade(options: UpgradeOptions) {
  const { chat, verifier, connections, originPolicy, createSession } = options;
  return async (c: Context<Env>): Promise<Response> => {
    if (c.req.method !== "GET" || c.req.header("upgrade")?.toLowerCase() !== "websocket") {
      return problem(new ChatError("invalid_command", "This is a WebSocket endpoint."), 426);
    }
    checkHandshake(c);
    const offer = readOffer(c.req.header("sec-websocket-protocol"));
    const hasAuthorization = c.req.header("authorization") !== undefined;
    // No page can set the Authorization header, so the Origin need not be checked.
    const originAllowed = hasAuthorization || originPolicy.allows(c);
    // A page of a foreign origin gets an HTTP status: no socket is opened for it.
    if (originAllowed && offer.protocol === "chat.v2") c.set("refuseAfterUpgrade", true);
    if (connections.draining) throw new ChatError("restarting", "The server is shutting down.");
    // Absent on the URL of sessions.
    const roomId = c.req.param("room");
    if (roomId !== undefined && !isRoomId(roomId)) throw new ChatError("invalid_command", ROOM_ID_RULE);
    checkOffer(offer, hasAuthorization);
    const protocol = offer.protocol ?? "classic";
    if (roomId === undefined && protocol !== "chat.v2")
      throw new ChatError("invalid_command", "This URL needs the protocol chat.v2.");
    if (!originAllowed) throw new ChatError("forbidden", "Pages of this origin may not connect.");
    const resumes = roomId !== undefined && protocol === "chat.v2";
    const since = resumes ? readSince(c.req.query("since")) : undefined;
    const identity = await verifier.verify(readUpgradeToken(c, offer));
    const user = await chat.signIn(identity);
    const entrance = roomId === undefined ? undefined : { ...(await chat.rooms.enter(user, roomId)), since };
    // From here on `onKeysRevoked` finds the connection, as there is no `await` before it is added.
    if (!verifier.trusts(identity.signingKey))
      throw new ChatError("unauthorized", "The token is not valid here.");
    connections.admit(user.key);
    const connection = new Connection(
      { protocol, identity, user, ...(entrance && { entrance }) },
      performance.now(),
    );
    if (!entrance) connection.session = createSession(connection);
    if (!switchProtocols(c, connection, offer.protocol)) {
      throw new ChatError("invalid_command", "The connection could not be upgraded.");
    }
    return switched();
  };
}

/** Opens the socket only to close it with the error's code. Returns undefined when that is not possible. */
export function refuseAfterUpgrade(c: Context<Env>, error: unknown): Response | undefined {
  if (!c.get("refuseAfterUpgrade")) return undefined;
  const { code } = asChatError(error);
  return switchProtocols(c, new RefusedConnection(code), "chat.v2") ? switched() : undefined;
}

/** RFC 6455, section 4.2.1. */
function checkHandshake(c: Context): void {
  const connection = c.req.header("connection")?.toLowerCase().split(",") ?? [];
  const host = c.req.header("host");
  if (
    !connection.some((token) => token.trim() === "upgrade") ||
    !WEBSOCKET_KEY.test(c.req.header("sec-websocket-key") ?? "") ||
    host === undefined ||
    host.includes(",")
  ) {
    throw new ChatError("invalid_command", "This is not a WebSocket handshake (RFC 6455, section 4.2.1).");
  }
}

/** The cookie counts only with an Origin, which has been checked by then, so no other site can use it. */
function readUpgradeToken(c: Context, { tokens }: Offer): string {
  const fromPage = c.req.header("origin") !== undefined;
  return readToken(c, tokens, fromPage ? () => readSessionCookie(c) : undefined);
}

/** Bun calls the socket's `open` before this returns. */
function switchProtocols(c: Context<Env>, data: SocketData, protocol: Protocol | undefined): boolean {
  // Without this header Bun answers with the first protocol offered, which may be the token. An empty one is left out.
  const headers = { "sec-websocket-protocol": protocol ?? "" };
  return c.env.server.upgrade(c.req.raw, { data, headers });
}

/** A response for Hono. Bun has sent the 101 itself by now. */
function switched(): Response {
  return new Response(null, { status: 101 });
}

function readSince(since: string | undefined): number | undefined {
  if (since === undefined) return undefined;
  // Any length will do: a huge number is beyond the end of every room, and is handled as such.
  if (/^\d+$/.test(since)) return Number(since);
  throw new ChatError("invalid_command", "since: must be the `rev` to resume from.");
}
