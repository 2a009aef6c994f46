import { Hono } from "hono";

import type { Chat } from "../../chat/chat.ts";
import { asChatError, ChatError } from "../../chat/errors.ts";
import type { Invitee } from "../../chat/model.ts";
import { parseInvitee } from "../../chat/validation.ts";
import {
  bulkGrantSchema,
  formatMemberCursor,
  grantSchema,
  memberRangeSchema,
} from "../../protocol/room-requests.ts";
import { memberBody } from "../../protocol/serialize.ts";
import type { ApiEnv } from "./env.ts";
import { memberParameter, pathOf, readBody, readQuery, roomParameter } from "./input.ts";
import { respondPage } from "./respond-page.ts";
import { respond } from "./respond.ts";

/** Members that one command of the rate limit pays for. */
const MEMBERS_PER_COMMAND = 10;

/** Reads the email or id of an item in a list. Throws `invalid_command`, which tells the item. */
function parseListed(who: string, index: number): Invitee {
  try {
    return parseInvitee(who);
  } catch (cause) {
    const { code, message } = asChatError(cause);
    throw new ChatError(code, `members.${index}.who: ${message}`, { cause, details: { index } });
  }
}

export function createMemberRoutes({ rooms }: Pick<Chat, "rooms">): Hono<ApiEnv> {
  const members = new Hono<ApiEnv>();

  members.get("/members", async (c) => {
    const { cursor: after, limit } = readQuery(c, memberRangeSchema);
    const found = await rooms.members(c.get("actor"), roomParameter(c), { after, limit: limit + 1 });
    return respondPage(c, "members", {
      found,
      limit,
      encode: (member) => JSON.stringify(memberBody(member)),
      next: ({ role, user }) => formatMemberCursor({ role, user: user.key }),
    });
  });

  members.post("/members", async (c) => {
    const { members: wanted } = await readBody(c, bulkGrantSchema);
    const invitations = wanted.map(({ who, role }, index) => ({
      who: wanted.length === 1 ? parseInvitee(who) : parseListed(who, index),
      role,
    }));
    // The rate limit pays for one: the others are charged too.
    c.get("budgets").spend(c.get("actor"), "changes", Math.floor(wanted.length / MEMBERS_PER_COMMAND));
    const granted = await rooms.setMembers(c.get("actor"), roomParameter(c), invitations);
    const added = granted.filter((each) => each.added).length;
    const changed = granted.filter((each) => each.changed).length - added;
    return c.json({ added, changed });
  });

  members.get("/members/:who", async (c) => {
    const member = await rooms.member(c.get("actor"), roomParameter(c), memberParameter(c));
    return respond(c, JSON.stringify(memberBody(member)));
  });

  members.put("/members/:who", async (c) => {
    const { role } = await readBody(c, grantSchema);
    const room = roomParameter(c);
    const { member, added } = await rooms.setMember(c.get("actor"), room, memberParameter(c), role);
    if (!added) return c.json(memberBody(member));
    return c.json(memberBody(member), 201, { location: pathOf(room, "members", member.user) });
  });

  members.delete("/members/:who", async (c) => {
    await rooms.removeMember(c.get("actor"), roomParameter(c), memberParameter(c));
    return c.body(null, 204);
  });

  return members;
}
