import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";

import { ChatError } from "../chat/errors.ts";
import { isLoopback } from "../url.ts";

/** The protocols that can be asked for beside the token. */
export const protocols = ["chat.v2", "classic"] as const;
export type Protocol = (typeof protocols)[number];

const bearerEntry = "bearer.";
const cookie = "parley_session";
/** How long browsers keep a cookie at most, in milliseconds (RFC 6265bis, section 5.5). */
const longestCookie = 400 * 24 * 3_600_000;
/** How long a cookie's name and value may be together, in bytes; browsers drop a longer one without a word (ibid.). */
const cookieLength = 4096;

/** What a client offers in `Sec-WebSocket-Protocol`. */
export interface Offer {
  /** What the server chooses; undefined when nothing but a token, or nothing at all, was offered. */
  protocol: Protocol | undefined;
  tokens: string[];
}

const entriesOf = (header: string) => header.split(",").map((entry) => entry.trim());

/** Whether a client's close codes will be read, see docs/protocol.md. */
export function speaksV2(header: string | undefined): boolean {
  return entriesOf(header ?? "").includes("chat.v2");
}

/** Throws `invalid_command` when something was offered and none of it is known. */
export function readOffer(header: string | undefined): Offer {
  const entries = entriesOf(header ?? "");
  const tokens = entries
    .filter((entry) => entry.startsWith(bearerEntry))
    .map((entry) => entry.slice(bearerEntry.length));
  const protocol = protocols.find((name) => entries.includes(name));
  if (header !== undefined && !protocol) {
    throw new ChatError("invalid_command", `Offer one of the protocols ${protocols.join(", ")}.`);
  }
  return { protocol, tokens };
}

/** The token of an HTTP request, or of an upgrade with its `offer`. Throws `unauthorized` unless there is exactly one. */
export function readToken(c: Context, offer?: Offer): string {
  const header = c.req.header("authorization");
  const tokens = [...(offer?.tokens ?? [])];
  if (header !== undefined) {
    // RFC 6750, section 2.1. Two headers arrive as one, with a comma that no token has.
    const token = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(header)?.[1];
    if (token === undefined)
      throw new ChatError("unauthorized", "The Authorization header must be one `Bearer <token>`.");
    tokens.push(token);
  }
  // Good for the socket alone, and only for a page, whose origin was checked: no other site can use it.
  if (tokens.length === 0 && offer && c.req.header("origin") !== undefined) {
    const session = getCookie(c, cookie);
    if (session !== undefined) tokens.push(session);
  }
  if (tokens.length > 1) throw new ChatError("unauthorized", "Send the token once.");
  const [token] = tokens;
  if (token === undefined || token === "") throw new ChatError("unauthorized", "A token is needed.");
  return token;
}

/** Whether a page of the request's Origin may connect. A client that names none is no browser. */
export function originAllowed(c: Context, allowed: readonly string[] | undefined): boolean {
  const origin = c.req.header("origin");
  if (origin === undefined) return true;
  if (allowed) return allowed.includes(origin);
  // The server's own: its host and port, and https where a proxy in front says that it speaks that.
  const host = c.req.header("host")?.toLowerCase();
  if (host === undefined) return false;
  return origin === `https://${host}` || (origin === `http://${host}` && !behindTls(c));
}

/** Sets the cookie with which a page's own `new WebSocket(url)` works, until the token's end. Throws when it can't. */
export function setSession(c: Context, token: string, expiresAt: number): void {
  if (cookie.length + token.length > cookieLength) {
    const way = "offer it beside the WebSocket protocol";
    throw new ChatError("invalid_command", `No browser keeps so long a token as a cookie; ${way}.`);
  }
  const expires = new Date(Math.min(expiresAt, Date.now() + longestCookie));
  setCookie(c, cookie, token, { ...cookieOptions(c), expires });
}

export function dropSession(c: Context): void {
  deleteCookie(c, cookie, cookieOptions(c));
}

/** What the proxy in front says. It is believed only in what makes Parley stricter. */
function behindTls(c: Context): boolean {
  return c.req.header("x-forwarded-proto") === "https";
}

function cookieOptions(c: Context) {
  const secure = behindTls(c) || !isLoopback(new URL(c.req.url).hostname);
  return { httpOnly: true, secure, sameSite: "Lax", path: "/ws" } as const;
}
