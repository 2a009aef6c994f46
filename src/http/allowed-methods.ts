import type { Hono } from "hono";

import type { Env } from "./env.ts";

/** The methods that the routes of a path have, for the `Allow` header (RFC 9110, section 10.2.1). */
export function createAllowedMethods(app: Hono<Env>): (path: string) => string[] {
  // Middleware is registered for all methods.
  const routes = app.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => ({ method, pattern: toPattern(path) }));
  return (path) => {
    const methods = new Set(routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method));
    if (methods.has("GET")) methods.add("HEAD");
    return [...methods].toSorted();
  };
}

/** A segment such as `:room` stands for any text. */
function toPattern(path: string): RegExp {
  const segments = path
    .split("/")
    .map((segment) => (segment.startsWith(":") ? "[^/]+" : RegExp.escape(segment)));
  return new RegExp(`^${segments.join("/")}$`);
}
