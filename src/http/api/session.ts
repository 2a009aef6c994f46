import { type Context, Hono } from "hono";

import { deleteSessionCookie, setSessionCookie } from "../credentials.ts";
import type { ApiEnv } from "./env.ts";

/** Sets the session cookie, which lets a page's unmodified `new WebSocket(url)` connect. */
export function createSessionRoutes(): Hono<ApiEnv> {
  const session = new Hono<ApiEnv>();
  session.post("/", (c) => {
    setSessionCookie(c, c.get("token"), c.get("identity").expiresAt);
    return c.body(null, 204);
  });
  return session;
}

export function deleteSession(c: Context<ApiEnv>): Response {
  deleteSessionCookie(c);
  return c.body(null, 204);
}
