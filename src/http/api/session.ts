import { Hono } from "hono";

import { deleteSessionCookie, setSessionCookie } from "../credentials.ts";
import type { ApiEnv } from "./env.ts";

/** The session cookie, which lets a page's unmodified `new WebSocket(url)` connect to URLs below `cookiePath`. */
export function createSessionRoutes(cookiePath: string): Hono<ApiEnv> {
  const session = new Hono<ApiEnv>();
  session.post("/", (c) => {
    setSessionCookie(c, cookiePath, { token: c.get("token"), expiresAt: c.get("identity").expiresAt });
    return c.body(null, 204);
  });
  return session;
}

/** Signing out needs no token: it may have expired. */
export function createSignOutRoute(cookiePath: string): Hono<ApiEnv> {
  const session = new Hono<ApiEnv>();
  session.delete("/", (c) => {
    deleteSessionCookie(c, cookiePath);
    return c.body(null, 204);
  });
  return session;
}
