import type { Context } from "hono";

import type { ApiEnv } from "./env.ts";
import { fill } from "./page.ts";
import { respond } from "./respond.ts";

interface List<Item> {
  /** What follows the cursor. With more than `limit` items, there is another page. */
  found: readonly Item[];
  limit: number;
  /** Returns JSON. */
  encode: (item: Item) => string;
  /** The cursor of the page that follows an item. */
  next: (last: Item) => string;
}

/** Responds with one page of a list: as many items as `limit` and the size of a page allow. */
export function respondPage<Item>(
  c: Context<ApiEnv>,
  key: string,
  { found, limit, encode, next }: List<Item>,
): Response {
  const items = fill(found.values().take(limit).map(encode));
  const last = items.length < found.length ? found[items.length - 1] : undefined;
  const cursor = last === undefined ? null : next(last);
  return respond(c, `{"${key}":[${items.join()}],"next":${JSON.stringify(cursor)}}`);
}
