import { Hono } from "hono";
import type { Logger } from "pino";

import type { DevIssuer } from "../auth/dev-issuer.ts";
import { asChatError, ChatError } from "../chat/errors.ts";
import type { Metrics } from "./metrics.ts";
import { problem } from "./problem.ts";
import { createRest } from "./api/api.ts";
import { createUpgrade, type Env, refuseSocket, type UpgradeOptions } from "../ws/upgrade.ts";

export interface AppOptions extends UpgradeOptions {
  metrics: Metrics;
  log: Logger;
  /** Why requests should go elsewhere; undefined while all is well. */
  unready: () => string | undefined;
  /** Served under /dev/, by `dev` alone. */
  devIssuer: DevIssuer | undefined;
}

/** What is asked so often by machines that the log would hold little else. */
const chatter = new Set(["/healthz", "/readyz", "/metrics"]);

/** Every route. */
export function createApp(options: AppOptions) {
  const { connections, metrics, log, unready, devIssuer } = options;
  const app = new Hono<Env>();

  app.use(async (c, next) => {
    const start = performance.now();
    await next();
    const { method, path } = c.req;
    const ms = Math.round((performance.now() - start) * 10) / 10;
    // The path alone: nobody's query string belongs in a log.
    const code = c.get("code");
    // The usual reason, and one that a browser does not show.
    const origin = code === "forbidden" ? c.req.header("origin")?.slice(0, 200) : undefined;
    const line = { method, path, status: c.res.status, ms, code, origin };
    log[chatter.has(path) ? "debug" : "info"](line, "request");
  });

  app.onError((error, c) => {
    const refusal = asChatError(error);
    c.set("code", refusal.code);
    metrics.refusals.inc({ code: refusal.code });
    if (refusal.code === "internal" || refusal.code === "storage_unavailable")
      log.error({ err: error }, "request failed");
    return refuseSocket(c, refusal) ?? problem(refusal);
  });
  app.notFound(() => problem(new ChatError("invalid_command", "There is nothing here."), 404));

  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", (c) => {
    const reason = connections.draining ? "shutting down" : unready();
    return reason === undefined ? c.json({ status: "ready" }) : c.json({ status: "not ready", reason }, 503);
  });
  app.get("/metrics", async (c) => {
    metrics.connections.set(connections.size);
    return c.text(await metrics.registry.metrics(), 200, { "content-type": metrics.registry.contentType });
  });

  if (devIssuer) {
    app.get("/dev/.well-known/openid-configuration", (c) => c.json(devIssuer.discovery()));
    app.get("/dev/jwks.json", (c) => c.json(devIssuer.jwks()));
  }

  app.use("/api/*", async (_, next) => {
    if (connections.draining) throw new ChatError("restarting", "The server is shutting down.");
    await next();
  });
  app.route("/api", createRest(options));
  const upgrade = createUpgrade(options);
  app.all("/ws/chat/:room", upgrade);
  app.all("/ws/chat/:room/", upgrade);
  return app;
}
