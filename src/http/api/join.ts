import { Hono } from "hono";

import type { Chat } from "../../chat/chat.ts";
import { roomBody } from "../../protocol/serialize.ts";
import type { ApiEnv } from "./env.ts";
import { pathOf, roomParameter } from "./input.ts";

export function createJoinRoute({ openRooms }: Pick<Chat, "openRooms">): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.post("/join", async (c) => {
    const actor = c.get("actor");
    const { membership, added } = await openRooms.join(actor, roomParameter(c));
    if (!added) return c.json(roomBody(membership));
    return c.json(roomBody(membership), 201, { location: pathOf(membership.room.id, "members", actor) });
  });
  return routes;
}
