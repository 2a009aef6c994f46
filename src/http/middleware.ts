import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import type { Logger } from "pino";

import { ChatError } from "../chat/errors.ts";
import type { Env } from "./env.ts";
import type { OriginPolicy } from "./origin.ts";
import { problem } from "./problem.ts";

/** Bytes in the body of one request. */
const MAX_BODY_BYTES = 65_536;
/** Bytes in a list of members, which may have 1,000 of them. */
const MAX_MEMBERS_BODY_BYTES = 524_288;
const MEMBERS_PATH = /^\/api\/rooms\/[^/]+\/members$/;
/** How long a browser may cache what CORS allows. */
const CORS_MAX_AGE_S = 600;

/** Paths that are polled so often that the log would contain little else. */
const POLLED_PATHS = new Set(["/healthz", "/readyz", "/metrics"]);

/** Logs each request with its path but without its query string, which may contain a token. */
export function logRequests(log: Logger): MiddlewareHandler<Env> {
  return async (c, next) => {
    const start = performance.now();
    await next();
    const { method, path } = c.req;
    const code = c.get("code");
    const line = {
      method,
      path,
      status: c.res.status,
      ms: Math.round((performance.now() - start) * 10) / 10,
      code,
      // The usual reason for `forbidden` on an upgrade, and browsers do not report it.
      origin: code === "forbidden" ? c.req.header("origin") : undefined,
    };
    log[POLLED_PATHS.has(path) ? "debug" : "info"](line, "Request");
  };
}

/** Tells the length of the response that `GET` would have (RFC 9110, section 8.6). Bun would say 0. */
export function describeHead(): MiddlewareHandler<Env> {
  return async (c, next) => {
    await next();
    if (c.req.method !== "HEAD" || c.res.body === null || c.res.headers.has("content-length")) return;
    // Hono drops the body afterwards.
    c.header("content-length", String((await c.res.clone().arrayBuffer()).byteLength));
  };
}

/** While open files run short, closes HTTP connections after each response, so that idle ones hold no file. */
export function closeWhenFilesRunShort(runShort: () => boolean): MiddlewareHandler<Env> {
  return async (c, next) => {
    await next();
    if (c.res.status !== 101 && runShort()) c.res.headers.set("connection", "close");
  };
}

/** CORS for the allowed origins, on every response: pages must be able to read refusals too. */
export function allowOrigins(policy: OriginPolicy): MiddlewareHandler<Env> {
  const allow = cors({
    origin: (origin, c) => (policy.allows(c) ? origin : null),
    credentials: true,
    allowHeaders: ["authorization", "content-type", "idempotency-key", "if-none-match"],
    exposeHeaders: ["location", "retry-after", "etag", "allow", "ratelimit", "ratelimit-policy"],
    allowMethods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
    maxAge: CORS_MAX_AGE_S,
  });
  return async (c, next) => {
    if (c.req.method === "OPTIONS" || c.req.header("origin") !== undefined) return allow(c, next);
    // The request is not from a page of another origin, and needs none of the headers. Caches must know that others do.
    await next();
    c.header("vary", "Origin", { append: true });
  };
}

export function limitBody(): MiddlewareHandler<Env> {
  const ordinary = limitTo(MAX_BODY_BYTES);
  const members = limitTo(MAX_MEMBERS_BODY_BYTES);
  return (c, next) => (MEMBERS_PATH.test(c.req.path) ? members : ordinary)(c, next);
}

function limitTo(maxSize: number): MiddlewareHandler<Env> {
  const message = `The body of this request may have up to ${maxSize} bytes.`;
  const refuse = () => problem(new ChatError("message_too_long", message));
  const limitChunks = bodyLimit({ maxSize, onError: refuse });
  return async (c, next) => {
    // Nobody can send more than that. Looking at the body itself would make Bun create a stream for it, which takes longer.
    const length = c.req.header("content-length");
    if (length === undefined || c.req.header("transfer-encoding") !== undefined) return limitChunks(c, next);
    return Number(length) > maxSize ? refuse() : next();
  };
}

export function refuseWhileDraining(isDraining: () => boolean): MiddlewareHandler<Env> {
  return async (_, next) => {
    if (isDraining()) throw new ChatError("restarting", "The server is shutting down.");
    await next();
  };
}
