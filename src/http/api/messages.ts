import { Hono } from "hono";

import type { Chat } from "../../chat/chat.ts";
import { messageRangeSchema, readMarkSchema } from "../../protocol/schemas.ts";
import { messageBody } from "../../protocol/serialize.ts";
import type { ApiEnv } from "./env.ts";
import { readBody, readQuery, roomParameter } from "./input.ts";

export function createMessageRoutes(chat: Chat): Hono<ApiEnv> {
  const messages = new Hono<ApiEnv>();

  messages.get("/messages", async (c) => {
    const { limit, before, after } = readQuery(c, messageRangeSchema);
    const range = {
      limit,
      // `after` alone reads forward; otherwise a page ends at the newest message or at `before`.
      oldest: after !== undefined && before === undefined,
      ...(before !== undefined && { before }),
      ...(after !== undefined && { after }),
    };
    const list = await chat.messages(c.get("actor"), roomParameter(c), range);
    return c.json({ messages: list.map(messageBody) });
  });

  messages.put("/read", async (c) => {
    const { seq } = await readBody(c, readMarkSchema);
    return c.json({ seq: await chat.markRead(c.get("actor"), roomParameter(c), seq) });
  });

  return messages;
}
