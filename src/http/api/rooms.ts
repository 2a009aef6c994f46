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
import { fill } from "./page.ts";
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
    if (all === "true") return listById(c, await chatRooms.page(actor, range), limit);
    if (open === "true") return listById(c, await openRooms.list(actor, range), limit);
    const summaries = await chatRooms.of(actor, cursor);
    const items = fill(summaries.values().take(limit).map(encodeSummary));
    const last = summaries[items.length - 1];
    const next = last && items.length < summaries.length ? formatRoomCursor(cursorOf(last)) : null;
    return respond(c, `{"rooms":[${items.join()}],"next":${JSON.stringify(next)}}`);
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

/** Responds with a page of rooms, by id. `page` has one more room than is listed, if there is one. */
function listById(c: Context<ApiEnv>, page: readonly Membership[], limit: number): Response {
  const items = fill(page.slice(0, limit).map((each) => JSON.stringify(roomBody(each))));
  const last = items.length < page.length ? page[items.length - 1] : undefined;
  const next = last ? formatRoomCursor({ at: 0, id: last.room.id }) : null;
  return respond(c, `{"rooms":[${items.join()}],"next":${JSON.stringify(next)}}`);
}

/** The wire's name of a setting is not the domain's. */
function toSettings<T extends { slow_mode?: number | undefined }>({ slow_mode: slowMode, ...rest }: T) {
  return { ...rest, slowMode };
}
