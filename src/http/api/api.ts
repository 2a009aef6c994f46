import { type Context, Hono, type MiddlewareHandler } from "hono";

import type { Verifier } from "../../auth/verifier.ts";
import type { Budget } from "../../chat/budgets.ts";
import type { Chat } from "../../chat/chat.ts";
import type { Actor } from "../../chat/model.ts";
import type { PushSubscriptions } from "../../chat/push-subscriptions.ts";
import type { Search } from "../../chat/search.ts";
import { ownNameSchema } from "../../protocol/room-requests.ts";
import { userBody } from "../../protocol/serialize.ts";
import { readToken } from "../credentials.ts";
import { createDirectRoute } from "./direct.ts";
import type { ApiEnv } from "./env.ts";
import { checkPath, readBody } from "./input.ts";
import { createJoinRoute } from "./join.ts";
import { createMemberRoutes } from "./members.ts";
import { createMessageRoutes } from "./messages.ts";
import { createModerationRoutes } from "./moderation.ts";
import { createPushRoutes } from "./push.ts";
import { RequestSlots } from "./request-slots.ts";
import { respond } from "./respond.ts";
import { createRoomRoutes } from "./rooms.ts";
import { createSearchRoute } from "./search.ts";
import { createSessionRoutes, createSignOutRoute } from "./session.ts";

export interface ApiOptions {
  chat: Chat;
  search: Search;
  pushSubscriptions: PushSubscriptions;
  verifier: Pick<Verifier, "verify">;
  /** The path of the session cookie. */
  cookiePath: string;
}

/** The whole path, because a room or a user may be named "read". */
const READ_MARK_PATH = /^\/api\/rooms\/[^/]+\/read$/;

/** Charges each request to its user. */
function limitRate(chat: Chat): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    c.set("budgets", chat.budgets);
    chat.budgets.charge(c.get("actor"), budgetOf(c));
    await next();
  };
}

/** Says what is left of the rate limit, in refusals too (the IETF draft "RateLimit header fields for HTTP"). */
function describeRate(chat: Chat): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    await next();
    const budget = budgetOf(c);
    const state = chat.budgets.state(c.get("actor"), budget);
    if (!state) return;
    c.header("ratelimit-policy", `"${budget}";q=${state.burst}`);
    c.header("ratelimit", `"${budget}";r=${state.remaining};t=${Math.ceil(state.fullInMs / 1000)}`);
  };
}

function budgetOf(c: Context<ApiEnv>): Budget {
  const { method, path } = c.req;
  const isRead = method === "GET" || method === "HEAD" || (method === "PUT" && READ_MARK_PATH.test(path));
  return isRead ? "reads" : "changes";
}

/** Limits how many requests of one user are under way. */
function limitRequests(slots: RequestSlots): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const request = { isStreamed: false, end: await slots.take(c.get("actor")) };
    c.set("request", request);
    try {
      await next();
    } finally {
      if (!request.isStreamed) request.end();
    }
  };
}

function meBody(actor: Actor) {
  return { ...userBody(actor), admin: actor.admin };
}

/** The HTTP API. It goes through the same `Chat` as the WebSockets, so the same rules apply. */
export function createApi({
  chat,
  search,
  pushSubscriptions,
  verifier,
  cookiePath,
}: ApiOptions): Hono<ApiEnv> {
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
  api.use(describeRate(chat), limitRate(chat), limitRequests(new RequestSlots()));
  api.use(async (c, next) => {
    checkPath(c.req.url);
    await next();
  });

  api.get("/me", (c) => respond(c, JSON.stringify(meBody(c.get("actor")))));
  api.put("/me", async (c) => {
    const { name } = await readBody(c, ownNameSchema);
    return c.json(meBody(await chat.setOwnName(c.get("identity"), name)));
  });
  api.route("/session", createSessionRoutes(cookiePath));
  api.route("/rooms", createRoomRoutes(chat));
  api.route("/rooms/:room", createMemberRoutes(chat));
  api.route("/rooms/:room", createMessageRoutes(chat));
  api.route("/rooms/:room", createJoinRoute(chat));
  api.route("/rooms/:room", createModerationRoutes(chat));
  api.route("/direct", createDirectRoute(chat));
  api.route("/search", createSearchRoute(search));
  api.route("/push-subscription", createPushRoutes(pushSubscriptions));
  return api;
}
