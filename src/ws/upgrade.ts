import type { Context } from "hono";

import { asChatError, ChatError } from "../chat/errors.ts";
import { isRoomId, ROOM_ID_RULE } from "../chat/validation.ts";
import { findToken, readSessionCookie, requireToken } from "../http/credentials.ts";
import type { Env } from "../http/env.ts";
import type { OriginPolicy } from "../http/origin.ts";
import { problem } from "../http/problem.ts";
import type { CloseCodes, TokenCarriers } from "../protocol/classic/classic.ts";
import { errorCodes } from "../protocol/error-codes.ts";
import type { Admission } from "./admission.ts";
import { RefusedConnection, type SocketData, UnauthenticatedConnection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import type { FirstFrames } from "./first-frames.ts";
import { checkOffer, type Offer, readOffer } from "./subprotocol.ts";

export interface UpgradeOptions {
  admission: Admission;
  firstFrames: FirstFrames;
  connections: Connections;
  originPolicy: OriginPolicy;
  /** How clients of `classic` may send their token, and the close codes that they look for. */
  classic: { carriers: TokenCarriers; closeCodes: CloseCodes };
}

/** `Sec-WebSocket-Key`: sixteen bytes in base64. */
const WEBSOCKET_KEY = /^[A-Za-z0-9+/]{22}==$/;

/**
 * Handles requests to the URLs of rooms and of sessions, for which `roomId` is undefined. The request, the Origin, the token,
 * the membership and the limits are checked before the 101; rooms are joined after it. Only a token that comes in the
 * first frame is checked later.
 */
export function createUpgrade(options: UpgradeOptions) {
  const { admission, firstFrames, connections, originPolicy, classic } = options;
  return async (c: Context<Env>, roomId: string | undefined): Promise<Response> => {
    if (c.req.method !== "GET" || c.req.header("upgrade")?.toLowerCase() !== "websocket") {
      return problem(new ChatError("invalid_command", "This is a WebSocket endpoint."), 426);
    }
    checkHandshake(c);
    const offer = readOffer(c.req.header("sec-websocket-protocol"), classic.carriers.pairs);
    const protocol = offer.protocol ?? "classic";
    const queryTokens = protocol === "classic" ? readQueryTokens(c, classic.carriers) : [];
    const hasAuthorization = c.req.header("authorization") !== undefined;
    // No page can set the Authorization header, so the Origin need not be checked.
    const originAllowed = hasAuthorization || originPolicy.allows(c);
    // A page of a foreign origin gets an HTTP status: no socket is opened for it.
    if (originAllowed) setRefusal(c, offer, classic.closeCodes);
    if (connections.draining) throw new ChatError("restarting", "The server is shutting down.");
    if (roomId !== undefined && !isRoomId(roomId)) throw new ChatError("invalid_command", ROOM_ID_RULE);
    checkOffer(offer, hasAuthorization || queryTokens.length > 0);
    if (roomId === undefined && protocol !== "chat.v2")
      throw new ChatError("invalid_command", "This URL needs the protocol chat.v2.");
    if (!originAllowed) throw new ChatError("forbidden", "Pages of this origin may not connect.");
    const resumes = roomId !== undefined && protocol === "chat.v2";
    const since = resumes ? readSince(c.req.query("since")) : undefined;
    const token = findUpgradeToken(c, [...offer.tokens, ...queryTokens], classic.carriers);
    if (token === undefined && protocol === "classic" && roomId !== undefined && firstFrames.areAccepted) {
      firstFrames.reserve();
      return switchProtocols(c, new UnauthenticatedConnection(roomId), offer.answer);
    }
    const visitor = await admission.identify(requireToken(token), { protocol, roomId, since });
    return switchProtocols(c, admission.connect(visitor), offer.answer);
  };
}

/** Refuses with a close code, as far as the client can read one. Returns undefined when an HTTP status is better. */
export function refuseAfterUpgrade(c: Context<Env>, error: unknown): Response | undefined {
  const refusal = c.get("refusal");
  const { code } = asChatError(error);
  const closeCode = refusal?.closeCode(code);
  if (!refusal || closeCode === undefined) return undefined;
  const data = new RefusedConnection(code, closeCode);
  return upgrade(c, data, refusal.protocol) ? switched() : undefined;
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

/** Clients of `chat.v2` can read close codes. Those of `classic` look only for the codes of the server that they knew. */
function setRefusal(c: Context<Env>, { protocol, answer }: Offer, closeCodes: CloseCodes): void {
  const closeCode = (code: keyof typeof errorCodes) =>
    protocol === "chat.v2" ? errorCodes[code].close : closeCodes[code];
  c.set("refusal", { protocol: answer, closeCode });
}

function readQueryTokens(c: Context, { queries }: TokenCarriers): string[] {
  return queries.flatMap((name) => c.req.queries(name) ?? []);
}

/** The cookie counts only with an Origin, which has been checked by then, so no other site can use it. */
function findUpgradeToken(
  c: Context,
  offered: readonly string[],
  { schemes }: TokenCarriers,
): string | undefined {
  const token = findToken(c, offered, schemes);
  const fromPage = c.req.header("origin") !== undefined;
  return token ?? (fromPage ? readSessionCookie(c) : undefined);
}

/** Throws `invalid_command` when Bun does not upgrade the request. */
function switchProtocols(c: Context<Env>, data: SocketData, protocol: string | undefined): Response {
  if (upgrade(c, data, protocol)) return switched();
  throw new ChatError("invalid_command", "The connection could not be upgraded.");
}

/** Bun calls the socket's `open` before this returns. */
function upgrade(c: Context<Env>, data: SocketData, protocol: string | undefined): boolean {
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
