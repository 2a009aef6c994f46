import { type Context, type Handler, Hono } from "hono";
import type { Logger } from "pino";

import type { DevIssuer } from "../auth/dev-issuer.ts";
import { asChatError, ChatError } from "../chat/errors.ts";
import type { RoomPath } from "../protocol/classic/paths.ts";
import { createAllowedMethods } from "./allowed-methods.ts";
import { type ApiOptions, createApi } from "./api/api.ts";
import { UnsupportedMediaType } from "./api/input.ts";
import { createDevRoutes } from "./dev/routes.ts";
import { createDocumentRoutes } from "./documents/routes.ts";
import type { Env } from "./env.ts";
import { createHealth, type HealthOptions } from "./health.ts";
import {
  allowOrigins,
  closeWhenFilesRunShort,
  describeHead,
  limitBody,
  logRequests,
  refuseWhileDraining,
} from "./middleware.ts";
import type { OriginPolicy } from "./origin.ts";
import { servePage } from "./page/page.ts";
import { sendPageConfig, type SignInOptions } from "./page/sign-in-config.ts";
import { problem } from "./problem.ts";

export interface AppOptions extends ApiOptions, HealthOptions {
  originPolicy: OriginPolicy;
  log: Logger;
  isDraining: () => boolean;
  filesRunShort: () => boolean;
  /** Answers the WebSocket routes. `room` is undefined for a session. */
  upgrade: (c: Context<Env>, room: string | undefined) => Promise<Response>;
  /** Where clients of a room connect. */
  roomPaths: readonly RoomPath[];
  /** Refuses an upgrade with a close code instead of a status. Returns undefined where that is not possible. */
  refuseAfterUpgrade: (c: Context<Env>, error: unknown) => Response | undefined;
  /** An OpenID provider under /dev/. Only the `dev` command has one. */
  devIssuer: DevIssuer | undefined;
  /** How the page signs users in. */
  signIn: SignInOptions;
}

/** Returns the application with all routes. */
export function createApp(options: AppOptions): Hono<Env> {
  const { originPolicy, metrics, log, refuseAfterUpgrade, devIssuer, signIn } = options;
  const app = new Hono<Env>();

  app.use(logRequests(log), closeWhenFilesRunShort(options.filesRunShort), describeHead());
  app.onError((error, c) => {
    const refusal = asChatError(error);
    c.set("code", refusal.code);
    metrics.refusals.inc({ code: refusal.code });
    if (refusal.code === "internal" || refusal.code === "storage_unavailable")
      log.error({ err: error }, "A request failed");
    const status = refusal instanceof UnsupportedMediaType ? 415 : undefined;
    return refuseAfterUpgrade(c, refusal) ?? problem(refusal, status);
  });
  app.notFound((c) => {
    const methods = allowedMethods(c.req.path);
    if (methods.length === 0)
      return problem(new ChatError("invalid_command", "There is no such route."), 404);
    const response = problem(new ChatError("invalid_command", "This route does not have this method."), 405);
    response.headers.set("allow", methods.join(", "));
    return response;
  });

  app.use(servePage(signIn));
  app.get("/config.json", (c) => sendPageConfig(c, signIn));
  app.route("/", createHealth(options));
  app.route("/", createDocumentRoutes());
  if (devIssuer) app.route("/dev", createDevRoutes({ issuer: devIssuer, chat: options.chat }));
  app.use("/api/*", async (c, next) => {
    await next();
    // CORS answers every OPTIONS, also one that is no preflight.
    const methods = c.req.method === "OPTIONS" ? allowedMethods(c.req.path) : [];
    if (methods.length > 0) c.header("allow", methods.join(", "));
  });
  app.use("/api/*", allowOrigins(originPolicy), refuseWhileDraining(options.isDraining), limitBody());
  app.route("/api", createApi(options));
  addUpgradeRoutes(app, options);
  const allowedMethods = createAllowedMethods(app);
  return app;
}

function addUpgradeRoutes(app: Hono<Env>, { upgrade, roomPaths }: AppOptions): void {
  for (const { path, query } of roomPaths.filter((each) => each.query !== undefined)) {
    // Without the parameter, another route may match: that of sessions, or one with the room in its path.
    const handle: Handler<Env> = (c, next) => {
      const room = c.req.query(query ?? "");
      return room === undefined ? next() : upgrade(c, room);
    };
    addBoth(app, path, handle);
  }
  addBoth(app, "/ws", (c) => upgrade(c, undefined));
  for (const { path } of roomPaths.filter((each) => each.query === undefined))
    addBoth(app, path, (c) => upgrade(c, c.req.param("room")));
}

/** With and without a slash at the end: Hono tells them apart. */
function addBoth(app: Hono<Env>, path: string, handle: Handler<Env>): void {
  if (path !== "") app.all(path, handle);
  app.all(`${path}/`, handle);
}
