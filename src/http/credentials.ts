import type { Context } from "hono";
import { deleteCookie, setCookie } from "hono/cookie";

import { ChatError } from "../chat/errors.ts";
import { isLoopback } from "../url.ts";
import { isBehindTls } from "./origin.ts";

const SESSION_COOKIE = "parley_session";
/** Browsers keep a cookie this long at most (RFC 6265bis, section 5.5). */
const MAX_COOKIE_AGE_MS = 400 * 24 * 3_600_000;
/** Name and value together. Browsers silently drop a longer cookie (RFC 6265bis, section 5.5). */
const MAX_COOKIE_LENGTH = 4096;

/**
 * The one token of a request: from the Authorization header, from `offered`, or, when there is none, from `fallback`. Throws
 * `unauthorized` when there is none or more than one.
 */
export function readToken(
  c: Context,
  offered: readonly string[] = [],
  fallback: () => string | undefined = () => undefined,
): string {
  const bearer = readBearer(c.req.header("authorization"));
  const tokens = bearer === undefined ? offered : [...offered, bearer];
  if (tokens.length > 1) throw new ChatError("unauthorized", "Send the token only once.");
  const token = tokens[0] ?? fallback();
  if (token === undefined || token === "") throw new ChatError("unauthorized", "A token is required.");
  return token;
}

/** RFC 6750, section 2.1. Two headers arrive as one, separated by a comma, which no token contains. */
function readBearer(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const token = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(header)?.[1];
  if (token !== undefined) return token;
  throw new ChatError("unauthorized", "The Authorization header must be `Bearer <token>`.");
}

/** Throws `unauthorized` when there are two: one may have been planted by a sibling domain. */
export function readSessionCookie(c: Context): string | undefined {
  const pairs = (c.req.header("cookie") ?? "").split(";").map((pair) => pair.trim());
  const sessions = pairs.filter((pair) => pair.startsWith(`${SESSION_COOKIE}=`));
  if (sessions.length > 1) throw new ChatError("unauthorized", "There are two session cookies.");
  return sessions[0]?.slice(SESSION_COOKIE.length + 1);
}

/** Lets a page's own `new WebSocket(url)` work until the token expires. Throws when a browser would drop the cookie. */
export function setSessionCookie(c: Context, token: string, expiresAt: number): void {
  if (SESSION_COOKIE.length + token.length > MAX_COOKIE_LENGTH) {
    throw new ChatError(
      "invalid_command",
      "The token is too long for a cookie. Offer it as a WebSocket subprotocol instead.",
    );
  }
  const expires = new Date(Math.min(expiresAt, Date.now() + MAX_COOKIE_AGE_MS));
  setCookie(c, SESSION_COOKIE, token, { ...cookieOptions(c), expires });
}

export function deleteSessionCookie(c: Context): void {
  deleteCookie(c, SESSION_COOKIE, cookieOptions(c));
}

function cookieOptions(c: Context) {
  // The Host header may make a URL that cannot be parsed.
  const secure = isBehindTls(c) || !isLoopback(URL.parse(c.req.url)?.hostname ?? "");
  return { httpOnly: true, secure, sameSite: "Lax", path: "/ws" } as const;
}
