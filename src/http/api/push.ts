import { Hono } from "hono";

import type { PushSubscriptions } from "../../chat/push-subscriptions.ts";
import { endedSubscriptionSchema, pushSubscriptionSchema } from "../../protocol/push-requests.ts";
import type { ApiEnv } from "./env.ts";
import { readBody } from "./input.ts";

/** The browsers in which the user is notified. */
export function createPushRoutes(subscriptions: PushSubscriptions): Hono<ApiEnv> {
  const push = new Hono<ApiEnv>();

  push.put("/", async (c) => {
    const { endpoint, keys } = await readBody(c, pushSubscriptionSchema);
    await subscriptions.subscribe(c.get("actor"), { endpoint, ...keys });
    return c.body(null, 204);
  });

  push.delete("/", async (c) => {
    const { endpoint } = await readBody(c, endedSubscriptionSchema);
    await subscriptions.unsubscribe(c.get("actor"), endpoint);
    return c.body(null, 204);
  });

  return push;
}
