import { Hono } from "hono";

import type { Chat } from "../../chat/chat.ts";
import { cursorOf } from "../../chat/room-list.ts";
import {
  formatRoomCursor,
  newRoomSchema,
  roomChangeSchema,
  roomRangeSchema,
} from "../../protocol/schemas.ts";
import { encodeSummary, roomBody } from "../../protocol/serialize.ts";
import type { ApiEnv } from "./env.ts";
import { readBody, readQuery, roomParameter } from "./input.ts";
import { fill } from "./page.ts";
import { respond } from "./respond.ts";

export function createRoomRoutes({ rooms: chatRooms }: Pick<Chat, "rooms">): Hono<ApiEnv> {
  const rooms = new Hono<ApiEnv>();

  rooms.get("/", async (c) => {
    const { cursor, limit } = readQuery(c, roomRangeSchema);
    const summaries = await chatRooms.of(c.get("actor"), cursor);
    const items = fill(summaries.values().take(limit).map(encodeSummary));
    const last = summaries[items.length - 1];
    const next = last && items.length < summaries.length ? formatRoomCursor(cursorOf(last)) : null;
    return respond(c, `{"rooms":[${items.join()}],"next":${JSON.stringify(next)}}`);
  });

  rooms.post("/", async (c) => {
    const { id = crypto.randomUUID(), name } = await readBody(c, newRoomSchema);
    const room = await chatRooms.create(c.get("actor"), id, name);
    return c.json(roomBody({ room, role: "owner" }), 201, { location: `/api/rooms/${room.id}` });
  });

  rooms.get("/:room", async (c) =>
    respond(c, JSON.stringify(roomBody(await chatRooms.enter(c.get("actor"), roomParameter(c))))),
  );

  rooms.put("/:room", async (c) => {
    const { name } = await readBody(c, roomChangeSchema);
    const { membership, created } = await chatRooms.ensure(c.get("actor"), roomParameter(c), name);
    if (!created) return c.json(roomBody(membership));
    return c.json(roomBody(membership), 201, { location: `/api/rooms/${membership.room.id}` });
  });

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
