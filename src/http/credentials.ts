import type { Context } from "hono";
import { deleteCookie, setCookie } from "hono/cookie";

import { ChatError } from "../chat/errors.ts";
import { isLoopback } from "../url.ts";
import { isBehindTls } from "./origin.ts";

/** The path of the cookie, unless classic.json has rooms elsewhere. */
const DEFAULT_COOKIE_PATH = "/ws";
const SESSION_COOKIE = "parley_session";
/** Browsers keep a cookie this long at most (RFC 6265bis, section 5.5). */
const MAX_COOKIE_AGE_MS = 400 * 24 * 3_600_000;
/** Name and value together. Browsers silently drop a longer cookie (RFC 6265bis, section 5.5). */
const MAX_COOKIE_LENGTH = 4096;

/** Returns the token in the Authorization header. Throws `unauthorized` when there is none. */
export function readToken(c: Context): string {
  return requireToken(findToken(c, []));
}

/**
 * Returns the token in the Authorization header or in `offered`. Undefined when there is none. Throws `unauthorized` when
 * there is more than one. `schemes` are accepted in the header beside `Bearer`, and are in lower case.
 */
export function findToken(
  c: Context,
  offered: readonly string[],
  schemes: readonly string[] = [],
): string | undefined {
  const header = readAuthorization(c.req.header("authorization"), schemes);
  const tokens = header === undefined ? offered : [...offered, header];
  if (tokens.length > 1) throw new ChatError("unauthorized", "Send the token only once.");
  return tokens[0];
}

/** Throws `unauthorized` when there is no token. */
export function requireToken(token: string | undefined): string {
  if (token === undefined || token === "") throw new ChatError("unauthorized", "A token is required.");
  return token;
}

/** RFC 6750, section 2.1. Two headers arrive as one, separated by a comma, which no token contains. */
function readAuthorization(header: string | undefined, schemes: readonly string[]): string | undefined {
  if (header === undefined) return undefined;
  const [, scheme = "", token] = /^(\S+) +([A-Za-z0-9._~+/-]+=*)$/.exec(header) ?? [];
  const name = scheme.toLowerCase();
  if (token !== undefined && (name === "bearer" || schemes.includes(name))) return token;
  throw new ChatError("unauthorized", "The Authorization header must be `Bearer <token>`.");
}

/** Returns the token in the cookie. Throws `unauthorized` when there are two: a sibling domain may have planted one. */
export function readSessionCookie(c: Context): string | undefined {
  const pairs = (c.req.header("cookie") ?? "").split(";").map((pair) => pair.trim());
  const sessions = pairs.filter((pair) => pair.startsWith(`${SESSION_COOKIE}=`));
  if (sessions.length > 1) throw new ChatError("unauthorized", "There are two session cookies.");
  return sessions[0]?.slice(SESSION_COOKIE.length + 1);
}

/**
 * Sets the cookie for URLs below `path` until the token expires. `expiresAt` is in milliseconds since the epoch. Throws
 * `invalid_command`.
 */
export function setSessionCookie(
  c: Context,
  path: string,
  { token, expiresAt }: { token: string; expiresAt: number },
): void {
  if (SESSION_COOKIE.length + token.length > MAX_COOKIE_LENGTH) {
    throw new ChatError(
      "invalid_command",
      "The token is too long for a cookie. Offer it as a WebSocket subprotocol instead.",
    );
  }
  const expires = new Date(Math.min(expiresAt, Date.now() + MAX_COOKIE_AGE_MS));
  // A browser sends both, if the path was another one before: which is a refusal.
  if (path !== DEFAULT_COOKIE_PATH) deleteSessionCookie(c, DEFAULT_COOKIE_PATH);
  setCookie(c, SESSION_COOKIE, token, { ...cookieOptions(c, path), expires });
}

export function deleteSessionCookie(c: Context, path: string): void {
  deleteCookie(c, SESSION_COOKIE, cookieOptions(c, path));
}

function cookieOptions(c: Context, path: string) {
  // The Host header may make a URL that cannot be parsed.
  const secure = isBehindTls(c) || !isLoopback(URL.parse(c.req.url)?.hostname ?? "");
  return { httpOnly: true, secure, sameSite: "Lax", path } as const;
}
