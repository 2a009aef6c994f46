import type { Server } from "bun";
import type { Logger } from "pino";

import { DEV_AUDIENCE, DEV_CLIENT_ID, type DevIssuer } from "./auth/dev-issuer.ts";
import { IssuerMetadata } from "./auth/issuer-metadata.ts";
import { Verifier, type VerifierOptions } from "./auth/verifier.ts";
import { createLocalBus } from "./bus/local.ts";
import { Chat } from "./chat/chat.ts";
import { asChatError } from "./chat/errors.ts";
import { PushSubscriptions } from "./chat/push-subscriptions.ts";
import { SearchIndexer } from "./chat/search-indexer.ts";
import { Search } from "./chat/search.ts";
import type { Store } from "./chat/store.ts";
import { readClassic } from "./classic-file.ts";
import { type Config, ConfigError } from "./config.ts";
import { createApp } from "./http/app.ts";
import { createMetrics } from "./http/metrics.ts";
import { OriginPolicy } from "./http/origin.ts";
import type { SignInOptions } from "./http/page/sign-in-config.ts";
import { listen, withAbsoluteUrl } from "./listen.ts";
import { countChanges, createObserver } from "./observer.ts";
import { limitsOf } from "./open-chat.ts";
import { openFileLimit, OpenFiles } from "./open-files.ts";
import { defaultClassic } from "./protocol/classic/classic.ts";
import { createVapid, startPush } from "./start-push.ts";
import { open } from "./store/sqlite/open.ts";
import { SqliteStore } from "./store/sqlite/store.ts";
import { requireIssuers, type TrustedIssuer } from "./trusted-issuers.ts";
import { Admission } from "./ws/admission.ts";
import { createBroadcaster } from "./ws/broadcast.ts";
import type { Connection, SocketData } from "./ws/connection.ts";
import { Connections, type HeartbeatOptions } from "./ws/connections.ts";
import { createClassic } from "./ws/dialects/classic.ts";
import { createV2 } from "./ws/dialects/v2.ts";
import { FirstFrames } from "./ws/first-frames.ts";
import { FrameGuard } from "./ws/frame-guard.ts";
import { createHandlers } from "./ws/handlers.ts";
import { Notices } from "./ws/notices.ts";
import { RoomFeeds } from "./ws/room-feeds.ts";
import { Session } from "./ws/session.ts";
import { TokenRenewal } from "./ws/token-renewal.ts";
import { createUpgrade, refuseAfterUpgrade } from "./ws/upgrade.ts";

/** How often deleted rooms are purged, and a failed disk is probed. */
const HOUSEKEEPING_INTERVAL_MS = 1000;
/** Time per interval for purging deleted rooms. */
const PURGE_BUDGET_MS = 20;
/** Files kept for the database, the listener and HTTP requests by the default of PARLEY_MAX_CONNECTIONS. */
const RESERVED_FILES = 100;
/** How long the start waits for the issuers' keys. */
const KEYS_WAIT_MS = 1000;
/** How long a shutdown waits for HTTP requests in progress. */
const REQUEST_GRACE_MS = 1000;

export interface ServerOptions {
  config: Config;
  log: Logger;
  /** The development issuer. If given, no other issuer is trusted. */
  devIssuer?: DevIssuer;
  heartbeat?: HeartbeatOptions;
  keys?: VerifierOptions["keys"];
  /** Default: `PUSH_DELAY_MS`. */
  pushDelayMs?: number;
}

export interface RunningServer {
  url: URL;
  /** Shuts down: clients are told to reconnect, accepted messages are stored, files are closed. */
  stop(): Promise<void>;
}

/** Starts the server. Rejects with `ConfigError`, `OpenError` or `ListenError`. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { config, log, devIssuer, heartbeat, keys, pushDelayMs } = options;
  const issuers = devIssuer ? [] : requireIssuers(config);
  const vapid = createVapid(config);
  const fileLimit = openFileLimit();
  const maxConnections = connectionLimit(config, fileLimit);
  const limits = limitsOf(config);
  const classic = config.classic === undefined ? defaultClassic : readClassic(config.classic);
  const metrics = createMetrics();
  const store = new SqliteStore(open(config.database, { check: true }));

  let server: Server<SocketData>;
  try {
    server = listen(config);
  } catch (error) {
    await store.close();
    throw error;
  }
  devIssuer?.setIssuer(new URL("/dev/", server.url).href);

  const bus = createLocalBus({
    dataVersion: () => store.dataVersion(),
    failed: (err) => log.error({ err }, "Some events may not have been delivered"),
  });
  const connections = new Connections(
    { perUser: config.connectionsPerUser, total: maxConnections },
    heartbeat,
    (user) => push?.notifier.disconnected(user),
  );
  const push =
    vapid &&
    startPush({
      vapid,
      services: config.pushServices,
      store: store.push,
      isConnected: (user) => connections.isConnected(user),
      settled: (outcome) => metrics.pushes.inc({ outcome }),
      log,
      monotonic,
      delayMs: pushDelayMs,
    });
  const chat: Chat = new Chat({
    store,
    bus,
    limits,
    broadcaster: createBroadcaster({
      server,
      classic: classic.frames,
      roomName: (room) => chat.roomName(room),
      checkSessions: () => connections.checkSessions(),
    }),
    observer: createObserver(log, metrics),
    now: Date.now,
    monotonic,
  });
  const search = new Search({ rooms: chat.rooms, index: store.search, monotonic });
  const indexer = new SearchIndexer({
    index: store.search,
    failed: (err) => log.error({ err }, "Messages could not be indexed for search; retrying"),
    monotonic,
    cpuTime,
  });
  const verifier = new Verifier({
    ...config,
    log,
    issuers: devIssuer ? [{ issuer: devIssuer.issuer, jwksUrl: undefined, grantsAdmin: true }] : issuers,
    audiences: devIssuer ? [DEV_AUDIENCE] : (config.audiences ?? []),
    onKeysRevoked: (signingKeys) => connections.revokeKeys(signingKeys),
    ...(keys && { keys }),
  });
  const notices = new Notices(chat, connections, server);
  bus.subscribe((event) => {
    notices.receive(event);
    indexer.receive(event);
    push?.notifier.receive(event);
    if (event.kind === "changes") countChanges(metrics, event.changes);
  });

  const guard = new FrameGuard(chat, metrics, log);
  const feeds = new RoomFeeds({ chat, notices, log });
  const renewal = new TokenRenewal({ chat, verifier, connections });
  const dialects = {
    classic: createClassic({ chat, guard, classic, log }),
    "chat.v2": createV2({ chat, feeds, renewal, guard, limits }),
  };
  const createSession = (connection: Connection) => new Session(connection, { chat, feeds, limits, log });
  const { carriers, closeCodes } = classic;
  const admission = new Admission({ chat, verifier, connections, createSession, closeCodes });
  const tokenFrom = carriers.fromFrame;
  const firstFrames = new FirstFrames({
    admission,
    connections,
    tokenFrom,
    closeCodes,
    refused(err) {
      const { code } = asChatError(err);
      metrics.refusals.inc({ code });
      if (code === "internal" || code === "storage_unavailable")
        log.error({ err }, "A token could not be verified");
    },
  });
  const originPolicy = new OriginPolicy(config.allowedOrigins, { loopback: devIssuer !== undefined });
  const openFiles = new OpenFiles(fileLimit);
  const app = createApp({
    chat,
    search,
    pushSubscriptions: new PushSubscriptions({
      store: store.push,
      check: push?.check,
      now: Date.now,
      writeFailed: () => void chat.probe(),
    }),
    verifier,
    originPolicy,
    metrics,
    log,
    devIssuer,
    signIn: createSignIn(options, issuers, vapid?.publicKey ?? null),
    connectionCount: () => connections.size,
    isDraining: () => connections.draining,
    filesRunShort: () => openFiles.runShort(),
    notReady: () => {
      if (connections.draining) return "shutting down";
      if (!chat.healthy) return "storage";
      return verifier.ready ? undefined : "signing keys";
    },
    cookiePath: classic.cookiePath,
    roomPaths: classic.paths,
    upgrade: createUpgrade({ admission, firstFrames, connections, originPolicy, classic }),
    refuseAfterUpgrade,
  });
  server.reload({
    fetch: (request, self) => app.fetch(withAbsoluteUrl(request), { server: self }),
    websocket: createHandlers({ chat, connections, firstFrames, dialects, metrics, log }),
  });

  const housekeeping = setInterval(() => {
    if (!chat.healthy) void chat.probe();
    purge(store).catch((err: unknown) => log.error({ err }, "Deleted rooms could not be purged"));
  }, HOUSEKEEPING_INTERVAL_MS);
  indexer.start();
  if (carriers.queries.length > 0)
    log.warn("PARLEY_CLASSIC allows tokens in URLs: keep query strings out of the logs of your proxy");
  // Requests that arrive before the keys wait for them. An issuer that hangs must not delay the start.
  await Promise.race([verifier.start(), Bun.sleep(KEYS_WAIT_MS)]);

  return {
    url: server.url,
    async stop() {
      firstFrames.closeAll();
      await connections.drain(config.drain * 1000);
      await chat.idle();
      await Promise.race([server.stop(false), Bun.sleep(REQUEST_GRACE_MS)]);
      await server.stop(true);
      await push?.stop();
      clearInterval(housekeeping);
      await indexer.stop();
      verifier.stop();
      bus.close();
      await store.close();
    },
  };
}

const monotonic = () => performance.now();

function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Throws `ConfigError` if the setting exceeds the limit of open files. */
function connectionLimit({ maxConnections }: Config, fileLimit: number): number {
  const limit = maxConnections ?? Math.max(1, fileLimit - RESERVED_FILES);
  if (limit <= fileLimit) return limit;
  throw new ConfigError(`PARLEY_MAX_CONNECTIONS: exceeds the limit of open files, ${fileLimit} (ulimit -Hn)`);
}

/** Users sign in at the first issuer. */
function createSignIn(
  { config, log, devIssuer }: ServerOptions,
  issuers: readonly TrustedIssuer[],
  pushKey: string | null,
): SignInOptions {
  const issuer = devIssuer?.issuer ?? issuers[0]?.issuer ?? "";
  return {
    metadata: new IssuerMetadata({ issuer, log, monotonic }),
    clientId: devIssuer ? DEV_CLIENT_ID : config.clientId,
    scopes: config.scopes,
    audience: devIssuer ? undefined : config.audiences?.[0],
    isDev: devIssuer !== undefined,
    pushKey,
  };
}

async function purge(store: Store): Promise<void> {
  const deadline = performance.now() + PURGE_BUDGET_MS;
  while (performance.now() < deadline && (await store.purge()));
}
