import { type Context, Hono } from "hono";

import type { Chat } from "../../chat/chat.ts";
import { openRoomRangeSchema } from "../../protocol/schemas.ts";
import { roomBody } from "../../protocol/serialize.ts";
import type { ApiEnv } from "./env.ts";
import { readQuery, roomParameter } from "./input.ts";
import { fill } from "./page.ts";
import { respond } from "./respond.ts";

/** Joining an open room. */
export function createJoinRoute({ openRooms }: Pick<Chat, "openRooms">): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.post("/join", async (c) => {
    const { membership, added } = await openRooms.join(c.get("actor"), roomParameter(c));
    return c.json(roomBody(membership), added ? 201 : 200);
  });
  return routes;
}

/** Responds with a page of the open rooms. */
export async function listOpenRooms(
  c: Context<ApiEnv>,
  { openRooms }: Pick<Chat, "openRooms">,
): Promise<Response> {
  const { cursor = "", limit } = readQuery(c, openRoomRangeSchema);
  const found = await openRooms.list(c.get("actor"), { after: cursor, limit: limit + 1 });
  const items = fill(found.slice(0, limit).map((each) => JSON.stringify(roomBody(each))));
  const next = items.length < found.length ? (found[items.length - 1]?.room.id ?? null) : null;
  return respond(c, `{"rooms":[${items.join()}],"next":${JSON.stringify(next)}}`);
}
