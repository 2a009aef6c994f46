import { type Context, Hono } from "hono";

import type { Chat } from "../../chat/chat.ts";
import type { Membership } from "../../chat/model.ts";
import { cursorOf } from "../../chat/room-list.ts";
import {
  ensuredRoomSchema,
  formatRoomCursor,
  newRoomSchema,
  roomChangeSchema,
  roomRangeSchema,
} from "../../protocol/room-requests.ts";
import { encodeSummary, roomBody } from "../../protocol/serialize.ts";
import type { ApiEnv } from "./env.ts";
import { readBody, readQuery, roomParameter } from "./input.ts";
import { respondPage } from "./respond-page.ts";
import { respond } from "./respond.ts";

export function createRoomRoutes({
  rooms: chatRooms,
  openRooms,
}: Pick<Chat, "rooms" | "openRooms">): Hono<ApiEnv> {
  const rooms = new Hono<ApiEnv>();

  rooms.get("/", async (c) => {
    const { all, open, cursor, limit } = readQuery(c, roomRangeSchema);
    const actor = c.get("actor");
    const range = { after: cursor?.id, limit: limit + 1 };
    if (all === "true") return respondById(c, await chatRooms.page(actor, range), limit);
    if (open === "true") return respondById(c, await openRooms.list(actor, range), limit);
    const found = await chatRooms.of(actor, cursor);
    return respondPage(c, "rooms", {
      found,
      limit,
      encode: encodeSummary,
      next: (last) => formatRoomCursor(cursorOf(last)),
    });
  });

  rooms.post("/", async (c) => {
    const { id = crypto.randomUUID(), name, ...options } = await readBody(c, newRoomSchema);
    const room = await chatRooms.create(c.get("actor"), id, name, toSettings(options));
    return c.json(roomBody({ room, role: "owner" }), 201, { location: `/api/rooms/${room.id}` });
  });

  rooms.get("/:room", async (c) =>
    respond(c, JSON.stringify(roomBody(await openRooms.see(c.get("actor"), roomParameter(c))))),
  );

  rooms.put("/:room", async (c) => {
    const { name, ...options } = await readBody(c, ensuredRoomSchema);
    const settings = toSettings(options);
    const { membership, created } = await chatRooms.ensure(c.get("actor"), roomParameter(c), name, settings);
    if (!created) return c.json(roomBody(membership));
    return c.json(roomBody(membership), 201, { location: `/api/rooms/${membership.room.id}` });
  });

  rooms.patch("/:room", async (c) => {
    const changes = toSettings(await readBody(c, roomChangeSchema));
    return c.json(roomBody(await chatRooms.change(c.get("actor"), roomParameter(c), changes)));
  });

  rooms.delete("/:room", async (c) => {
    await chatRooms.delete(c.get("actor"), roomParameter(c));
    return c.body(null, 204);
  });

  return rooms;
}

/** Responds with a page of rooms, by id. */
function respondById(c: Context<ApiEnv>, found: readonly Membership[], limit: number): Response {
  return respondPage(c, "rooms", {
    found,
    limit,
    encode: (each) => JSON.stringify(roomBody(each)),
    next: ({ room }) => formatRoomCursor({ at: 0, id: room.id }),
  });
}

/** The wire's name of a setting is not the domain's. */
function toSettings<T extends { slow_mode?: number | undefined }>({ slow_mode: slowMode, ...rest }: T) {
  return { ...rest, slowMode };
}
