import { Hono } from "hono";

import type { Chat } from "../../chat/chat.ts";
import { newRoomSchema, roomChangeSchema } from "../../protocol/schemas.ts";
import { encodeSummary, roomBody } from "../../protocol/serialize.ts";
import type { ApiEnv } from "./env.ts";
import { readBody, roomParameter } from "./input.ts";

export function createRoomRoutes({ rooms: chatRooms }: Pick<Chat, "rooms">): Hono<ApiEnv> {
  const rooms = new Hono<ApiEnv>();

  rooms.get("/", async (c) => {
    const summaries = await chatRooms.of(c.get("actor"));
    return c.body(`{"rooms":[${summaries.map(encodeSummary).join()}]}`, 200, {
      "content-type": "application/json",
    });
  });

  rooms.post("/", async (c) => {
    const { id = crypto.randomUUID(), name } = await readBody(c, newRoomSchema);
    const room = await chatRooms.create(c.get("actor"), id, name);
    return c.json(roomBody({ room, role: "owner" }), 201, { location: `/api/rooms/${room.id}` });
  });

  rooms.get("/:room", async (c) => c.json(roomBody(await chatRooms.enter(c.get("actor"), roomParameter(c)))));

  rooms.patch("/:room", async (c) => {
    const { name } = await readBody(c, roomChangeSchema);
    return c.json(roomBody(await chatRooms.rename(c.get("actor"), roomParameter(c), name)));
  });

  rooms.delete("/:room", async (c) => {
    await chatRooms.delete(c.get("actor"), roomParameter(c));
    return c.body(null, 204);
  });

  return rooms;
}
