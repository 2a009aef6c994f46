import { Hono } from "hono";

import type { Chat } from "../../chat/chat.ts";
import { roomBody } from "../../protocol/serialize.ts";
import type { ApiEnv } from "./env.ts";
import { roomParameter } from "./input.ts";

export function createJoinRoute({ openRooms }: Pick<Chat, "openRooms">): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.post("/join", async (c) => {
    const { membership, added } = await openRooms.join(c.get("actor"), roomParameter(c));
    return c.json(roomBody(membership), added ? 201 : 200);
  });
  return routes;
}
