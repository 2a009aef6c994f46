import { join } from "node:path";

import pino from "pino";

import { IssuerMetadata } from "../../src/auth/issuer-metadata.ts";
import { createLocalBus } from "../../src/bus/local.ts";
import { Chat } from "../../src/chat/chat.ts";
import { ChatError } from "../../src/chat/errors.ts";
import type { Identity, Limits } from "../../src/chat/model.ts";
import { PushSubscriptions } from "../../src/chat/push-subscriptions.ts";
import { Search } from "../../src/chat/search.ts";
import { type AppOptions, createApp } from "../../src/http/app.ts";
import { createMetrics } from "../../src/http/metrics.ts";
import { OriginPolicy } from "../../src/http/origin.ts";
import { checkSubscription } from "../../src/push/subscription.ts";
import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { noLimits } from "./chat-harness.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const ignore = () => undefined;
const monotonic = () => performance.now();
const HOUR_MS = 3_600_000;

/**
 * The HTTP routes on a database of their own, without a listener: `app.request` is much faster than a socket. A token is the
 * `sub` of its user; with `admin.` before it, it has `chat:admin`.
 */
export function createHttpApp(
  limits: Partial<Limits> = {},
  options: Partial<Pick<AppOptions, "devIssuer" | "signIn">> = {},
) {
  const folder = temporaryFolder();
  const store = new SqliteStore(open(join(folder.path, "parley.db")));
  const bus = createLocalBus({ dataVersion: () => 0, failed: ignore });
  const errors: unknown[] = [];
  const chat = new Chat({
    store,
    bus,
    limits: { ...noLimits, textBytes: 16_384, ...limits },
    broadcaster: { publish: ignore, publishMissed: ignore, followers: () => 0, publishActivity: ignore },
    observer: { historyFailed: ignore, commitFailed: ignore, syncFailed: ignore, recheckFailed: ignore },
    now: Date.now,
    monotonic,
  });
  const app = createApp({
    chat,
    search: new Search({ rooms: chat.rooms, index: store.search, monotonic }),
    pushSubscriptions: new PushSubscriptions({
      store: store.push,
      check: (subscription) => checkSubscription(subscription, ["https://push.example.com"]),
      now: Date.now,
      writeFailed: ignore,
    }),
    verifier: { verify: async (token) => identityOf(token) },
    originPolicy: new OriginPolicy(),
    metrics: createMetrics(),
    log: pino({ level: "error" }, { write: (line) => void errors.push(JSON.parse(line)) }),
    devIssuer: undefined,
    signIn: {
      metadata: new IssuerMetadata({
        issuer: "https://id.example.com",
        log: pino({ level: "silent" }),
        monotonic,
      }),
      clientId: undefined,
      scopes: "openid",
      audience: undefined,
      isDev: false,
      pushKey: null,
    },
    connectionCount: () => 0,
    isDraining: () => false,
    filesRunShort: () => false,
    notReady: ignore,
    cookiePath: "/ws",
    roomPaths: [],
    upgrade: () => Promise.reject(new ChatError("internal", "There are no sockets here.")),
    refuseAfterUpgrade: ignore,
    ...options,
  });
  return {
    app,
    chat,
    /** What the server has logged as an error. */
    errors,
    /** Brings the search index up to date. */
    async index() {
      store.search.anythingChanged();
      while (await store.search.update());
    },
    async [Symbol.asyncDispose]() {
      bus.close();
      await store.close();
      folder[Symbol.dispose]();
    },
  };
}

function identityOf(token: string): Identity {
  if (token === "expired") throw new ChatError("token_expired", "The token has expired.");
  if (token === "invalid") throw new ChatError("unauthorized", "The token is not valid.");
  const sub = token.replace("admin.", "");
  const admin = sub !== token;
  const expiresAt = Date.now() + HOUR_MS;
  return {
    sub,
    // Those of machines have neither.
    ...(!admin && { email: `${sub}@example.com`, name: sub }),
    admin,
    signingKey: "test",
    expiresAt,
    acceptedUntil: expiresAt,
  };
}
