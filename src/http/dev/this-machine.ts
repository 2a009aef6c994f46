import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";

import { isLoopback, isLoopbackUrl } from "../../url.ts";
import type { Env } from "../env.ts";

const REFUSAL = "Only this machine may use the development issuer.\n";

/**
 * Refuses requests of pages of other sites, and requests for another host: a site on the internet whose name now resolves to
 * this machine (DNS rebinding). Browsers send no Origin when a link or an address is opened.
 */
export const requireThisMachine: MiddlewareHandler<Env> = (c, next) => {
  const host = URL.parse(`http://${c.req.header("host") ?? ""}`)?.hostname ?? "";
  const origin = c.req.header("origin");
  if (!isLoopback(host) || (origin !== undefined && !isLoopbackUrl(origin)))
    return Promise.resolve(c.text(REFUSAL, 403));
  return next();
};

/** CORS for every page of this machine. */
export const allowLoopbackOrigins = cors({
  origin: (origin) => (isLoopbackUrl(origin) ? origin : null),
  allowMethods: ["GET", "POST"],
});
