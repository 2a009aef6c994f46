import { Hono } from "hono";

import type { Verifier } from "../../auth/verifier.ts";
import type { Chat } from "../../chat/chat.ts";
import { userBody } from "../../protocol/serialize.ts";
import { readToken } from "../credentials.ts";
import type { ApiEnv } from "./env.ts";
import { createMemberRoutes } from "./members.ts";
import { createMessageRoutes } from "./messages.ts";
import { createRoomRoutes } from "./rooms.ts";
import { createSessionRoutes, createSignOutRoute } from "./session.ts";

export interface ApiOptions {
  chat: Chat;
  verifier: Pick<Verifier, "verify">;
  /** The path of the session cookie. */
  cookiePath: string;
}

/** The whole path, because a room or a user may be named "read". */
const READ_MARK_PATH = /^\/api\/rooms\/[^/]+\/read$/;

/** The HTTP API. It goes through the same `Chat` as the WebSockets, so the same rules apply. */
export function createApi({ chat, verifier, cookiePath }: ApiOptions): Hono<ApiEnv> {
  const api = new Hono<ApiEnv>();

  api.route("/session", createSignOutRoute(cookiePath));

  api.use(async (c, next) => {
    const token = readToken(c);
    const identity = await verifier.verify(token);
    c.set("token", token);
    c.set("identity", identity);
    c.set("actor", await chat.signIn(identity));
    c.header("cache-control", "no-store");
    await next();
  });
  api.use(async (c, next) => {
    const { method, path } = c.req;
    const isRead = method === "GET" || (method === "PUT" && READ_MARK_PATH.test(path));
    chat.charge(c.get("actor"), isRead ? "reads" : "changes");
    await next();
  });

  api.get("/me", (c) => c.json({ ...userBody(c.get("actor")), admin: c.get("actor").admin }));
  api.route("/session", createSessionRoutes(cookiePath));
  api.route("/rooms", createRoomRoutes(chat));
  api.route("/rooms/:room", createMemberRoutes(chat));
  api.route("/rooms/:room", createMessageRoutes(chat));
  return api;
}
