import { Hono } from "hono";

import type { Env } from "./env.ts";
import type { Metrics } from "./metrics.ts";

export interface HealthOptions {
  metrics: Metrics;
  connectionCount: () => number;
  /** Why the server is not ready for traffic. Undefined when it is. */
  notReady: () => string | undefined;
}

/** Routes for load balancers and monitoring. They need neither a token nor a Host header, and probes use any method. */
export function createHealth({ metrics, connectionCount, notReady }: HealthOptions): Hono<Env> {
  const health = new Hono<Env>();
  health.all("/healthz", (c) => c.json({ status: "ok" }));
  health.all("/readyz", (c) => {
    const reason = notReady();
    return reason === undefined ? c.json({ status: "ready" }) : c.json({ status: "not ready", reason }, 503);
  });
  health.get("/metrics", async (c) => {
    metrics.connections.set(connectionCount());
    return c.text(await metrics.registry.metrics(), 200, { "content-type": metrics.registry.contentType });
  });
  return health;
}
