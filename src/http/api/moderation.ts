import { type Context, Hono } from "hono";

import type { Chat } from "../../chat/chat.ts";
import type { Restriction, RestrictionKind } from "../../chat/model.ts";
import {
  auditRangeSchema,
  formatRestrictionCursor,
  newRestrictionSchema,
  restrictionRangeSchema,
} from "../../protocol/moderation-requests.ts";
import { auditBody, restrictionBody } from "../../protocol/serialize-moderation.ts";
import type { ApiEnv } from "./env.ts";
import { memberParameter, readBody, readQuery, roomParameter } from "./input.ts";
import { fill } from "./page.ts";
import { respond } from "./respond.ts";

const restrictionRoutes: [path: "bans" | "mutes", kind: RestrictionKind][] = [
  ["bans", "ban"],
  ["mutes", "mute"],
];

/** Routes for bans, mutes and the audit list of a room. */
export function createModerationRoutes({ moderation }: Pick<Chat, "moderation">): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  for (const [path, kind] of restrictionRoutes) {
    routes.get(`/${path}`, async (c) => {
      const { cursor, limit } = readQuery(c, restrictionRangeSchema);
      const range = { kind, after: cursor, limit: limit + 1 };
      const found = await moderation.restrictions(c.get("actor"), roomParameter(c), range);
      const next = (items: readonly Restriction[]) => formatRestrictionCursor(cursorAfter(items, cursor));
      return respondPage(c, path, { found, limit, encode: restrictionBody, next });
    });

    routes.put(`/${path}/:who`, async (c) => {
      const { until, reason } = await readBody(c, newRestrictionSchema);
      const { restriction, replaced } = await moderation.restrict(
        c.get("actor"),
        roomParameter(c),
        memberParameter(c),
        { kind, until: until ?? null, reason: reason ?? null },
      );
      return c.json(restrictionBody(restriction), replaced ? 200 : 201);
    });

    routes.delete(`/${path}/:who`, async (c) => {
      await moderation.lift(c.get("actor"), roomParameter(c), memberParameter(c), kind);
      return c.body(null, 204);
    });
  }

  routes.get("/audit", async (c) => {
    const { cursor, limit } = readQuery(c, auditRangeSchema);
    const range = { before: cursor, limit: limit + 1 };
    const found = await moderation.audit(c.get("actor"), roomParameter(c), range);
    return respondPage(c, "entries", {
      found,
      limit,
      encode: auditBody,
      next: (items) => String(items.at(-1)?.n ?? 0),
    });
  });

  return routes;
}

/** Responds with a page: up to `limit` of the items that were found, one more of which says that there is another page. */
function respondPage<Item>(
  c: Context<ApiEnv>,
  name: string,
  {
    found,
    limit,
    encode,
    next,
  }: {
    found: readonly Item[];
    limit: number;
    encode: (item: Item) => object;
    /** The cursor of the page after these items. */
    next: (items: readonly Item[]) => string;
  },
): Response {
  const items = fill(found.slice(0, limit).map((item) => JSON.stringify(encode(item))));
  const cursor = items.length < found.length ? next(found.slice(0, items.length)) : null;
  return respond(c, `{"${name}":[${items.join()}],"next":${JSON.stringify(cursor)}}`);
}

type Cursor = { at: number; skip: number };

/** The place after these restrictions. Several may have been imposed at the same time. */
function cursorAfter(items: readonly Restriction[], start: Cursor | undefined): Cursor {
  const at = items.at(-1)?.at ?? 0;
  const skip = items.filter((each) => each.at === at).length;
  return { at, skip: start?.at === at ? start.skip + skip : skip };
}
