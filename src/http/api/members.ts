import { Hono } from "hono";

import type { Chat } from "../../chat/chat.ts";
import { grantSchema } from "../../protocol/schemas.ts";
import { memberBody } from "../../protocol/serialize.ts";
import type { ApiEnv } from "./env.ts";
import { memberParameter, readBody, roomParameter } from "./input.ts";
import { respond } from "./respond.ts";

export function createMemberRoutes({ rooms }: Pick<Chat, "rooms">): Hono<ApiEnv> {
  const members = new Hono<ApiEnv>();

  members.get("/members", async (c) => {
    const list = await rooms.members(c.get("actor"), roomParameter(c));
    return respond(c, JSON.stringify({ members: list.map(memberBody) }));
  });

  members.get("/members/:who", async (c) => {
    const member = await rooms.member(c.get("actor"), roomParameter(c), memberParameter(c));
    return respond(c, JSON.stringify(memberBody(member)));
  });

  members.put("/members/:who", async (c) => {
    const { role } = await readBody(c, grantSchema);
    const who = memberParameter(c);
    const { member, added } = await rooms.setMember(c.get("actor"), roomParameter(c), who, role);
    return c.json(memberBody(member), added ? 201 : 200);
  });

  members.delete("/members/:who", async (c) => {
    await rooms.removeMember(c.get("actor"), roomParameter(c), memberParameter(c));
    return c.body(null, 204);
  });

  return members;
}
