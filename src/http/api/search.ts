import { Hono } from "hono";

import type { Search, SearchResult } from "../../chat/search.ts";
import { searchSchema } from "../../protocol/schemas.ts";
import { encodeMessage } from "../../protocol/serialize.ts";
import type { ApiEnv } from "./env.ts";
import { readQuery } from "./input.ts";
import { fill } from "./page.ts";
import { respond } from "./respond.ts";

/** Time of the server that one command of the rate limit pays for. */
const MS_PER_COMMAND = 2;

export function createSearchRoute(search: Pick<Search, "search">): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.get("/", async (c) => {
    const { q: query, ...rest } = readQuery(c, searchSchema);
    const actor = c.get("actor");
    const spend = (milliseconds: number) =>
      c.get("budgets").spend(actor, "reads", Math.floor(milliseconds / MS_PER_COMMAND));
    const page = await search.search(actor, { query, ...rest }, spend);
    const items = fill(page.results.values().map(encodeResult));
    const last = page.results[items.length - 1];
    const next = last ? last.next : page.next;
    return respond(c, `{"results":[${items.join()}],"next":${JSON.stringify(next)}}`);
  });

  return routes;
}

function encodeResult({ room, message, snippet }: SearchResult): string {
  return `{"room":"${room}","message":${encodeMessage(message)},"snippet":${JSON.stringify(snippet)}}`;
}
