import { Hono } from "hono";

import type { Chat } from "../../chat/chat.ts";
import type { RestrictionKind } from "../../chat/model.ts";
import {
  auditRangeSchema,
  formatRestrictionCursor,
  newRestrictionSchema,
  restrictionRangeSchema,
} from "../../protocol/moderation-requests.ts";
import { auditBody, restrictionBody } from "../../protocol/serialize-moderation.ts";
import type { ApiEnv } from "./env.ts";
import { memberParameter, pathOf, readBody, readQuery, roomParameter } from "./input.ts";
import { respondPage } from "./respond-page.ts";

const restrictionRoutes: [path: "bans" | "mutes", kind: RestrictionKind][] = [
  ["bans", "ban"],
  ["mutes", "mute"],
];

/** Rows that are read for a page: each may have 5 KB, and a page ends at 256 KiB. */
const MAX_ROWS = 200;

/** Routes for bans, mutes and the audit list of a room. */
export function createModerationRoutes({ moderation }: Pick<Chat, "moderation">): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  for (const [path, kind] of restrictionRoutes) {
    routes.get(`/${path}`, async (c) => {
      const { cursor, limit: wanted } = readQuery(c, restrictionRangeSchema);
      const limit = Math.min(wanted, MAX_ROWS);
      const range = { kind, after: cursor, limit: limit + 1 };
      const found = await moderation.restrictions(c.get("actor"), roomParameter(c), range);
      return respondPage(c, path, {
        found,
        limit,
        encode: (each) => JSON.stringify(restrictionBody(each)),
        next: ({ at, user }) => formatRestrictionCursor({ at, user: user.key }),
      });
    });

    routes.put(`/${path}/:who`, async (c) => {
      const { until = null, reason = null } = await readBody(c, newRestrictionSchema);
      const room = roomParameter(c);
      const wanted = { kind, until, reason };
      const who = memberParameter(c);
      const { restriction, replaced } = await moderation.restrict(c.get("actor"), room, who, wanted);
      if (replaced) return c.json(restrictionBody(restriction));
      return c.json(restrictionBody(restriction), 201, { location: pathOf(room, path, restriction.user) });
    });

    routes.delete(`/${path}/:who`, async (c) => {
      await moderation.lift(c.get("actor"), roomParameter(c), memberParameter(c), kind);
      return c.body(null, 204);
    });
  }

  routes.get("/audit", async (c) => {
    const { cursor, limit: wanted } = readQuery(c, auditRangeSchema);
    const limit = Math.min(wanted, MAX_ROWS);
    const range = { before: cursor, limit: limit + 1 };
    const found = await moderation.audit(c.get("actor"), roomParameter(c), range);
    return respondPage(c, "entries", {
      found,
      limit,
      encode: (entry) => JSON.stringify(auditBody(entry)),
      next: ({ n }) => `${n}`,
    });
  });

  return routes;
}
