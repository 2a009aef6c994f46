import { Hono } from "hono";

import type { Chat } from "../../chat/chat.ts";
import { encodeSummary } from "../../protocol/serialize.ts";
import type { ApiEnv } from "./env.ts";
import { memberParameter } from "./input.ts";

export function createDirectRoute({ rooms }: Pick<Chat, "rooms">): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.put("/:who", async (c) => {
    const id = crypto.randomUUID();
    const { summary, created } = await rooms.openDirect(c.get("actor"), memberParameter(c), id);
    const headers = {
      "content-type": "application/json",
      ...(created && { location: `/api/rooms/${summary.room.id}` }),
    };
    return c.body(encodeSummary(summary), created ? 201 : 200, headers);
  });
  return routes;
}
