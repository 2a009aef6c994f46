import type { Server } from "bun";
import type { Logger } from "pino";

import { DEV_AUDIENCE, type DevIssuer } from "./auth/dev-issuer.ts";
import { Verifier, type VerifierOptions } from "./auth/verifier.ts";
import { localBus } from "./bus/local.ts";
import { Chat, type ChatOptions } from "./chat/chat.ts";
import type { Change } from "./chat/model.ts";
import { type Config, ConfigError, openFileLimit, requireIssuers } from "./config.ts";
import { createApp } from "./http/app.ts";
import { Connections, type Deadlines, type SocketData } from "./ws/connections.ts";
import { createMetrics, type Metrics } from "./http/metrics.ts";
import { createOutlet } from "./ws/broadcast.ts";
import { createSockets } from "./ws/handlers.ts";
import { open } from "./store/sqlite/open.ts";
import { SqliteStore } from "./store/sqlite/store.ts";

/** How often the server looks after itself, in milliseconds. */
const choreInterval = 1000;
/** How long one turn of purging deleted rooms may take, in milliseconds. */
const purgeTime = 20;
/** Files and sockets beside the connections: the database, the listener, HTTP requests. */
const reservedFiles = 100;
/** How long a start waits for the signing keys, in milliseconds. */
const keysGrace = 1000;
/** How long requests under way may take at a shutdown, in milliseconds. */
const requestGrace = 1000;

/** Why the server can't listen. The message is one line for whoever starts Parley. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

export interface ServerOptions {
  config: Config;
  log: Logger;
  /** Issues tokens for trying Parley out; then no other issuer is trusted. */
  devIssuer?: DevIssuer;
  deadlines?: Deadlines;
  keys?: VerifierOptions["keys"];
}

export interface Running {
  url: URL;
  /** Shuts down: clients are told to come back, what was taken is stored, files are closed. */
  stop(): Promise<void>;
}

const ignore = () => undefined;

/** The chat on its database, without a server. For the command line. */
export function openChat(config: Config, options: { create: boolean }) {
  const store = new SqliteStore(open(config.database, options));
  const bus = localBus(() => 0, ignore);
  const observer = { historyFailed: ignore, commitFailed: ignore, feedFailed: ignore };
  const outlet = { live: ignore, missed: ignore };
  const chat = new Chat({ store, bus, limits: limitsOf(config), outlet, observer });
  const close = async () => {
    bus.close();
    await store.close();
  };
  return { chat, close };
}

/** Wires everything, and listens. Rejects with `ConfigError`, `OpenError` or `ListenError` when it can't. */
export async function startServer(options: ServerOptions): Promise<Running> {
  const { config, log, devIssuer, deadlines, keys } = options;
  const issuers = devIssuer ? [] : requireIssuers(config);
  const files = openFileLimit();
  const total = config.maxConnections ?? Math.max(1, files - reservedFiles);
  if (total > files)
    throw new ConfigError(`PARLEY_MAX_CONNECTIONS: at most ${files} files may be open (ulimit -Hn)`);
  const store = new SqliteStore(open(config.database, { check: true }));
  const bus = localBus(
    () => store.version(),
    (err) => log.error({ err }, "what was written could not be told to everyone"),
  );
  const metrics = createMetrics();
  const connections = new Connections({ perUser: config.connectionsPerUser, total }, deadlines);

  const limits = limitsOf(config);
  const listening = () => server;
  const chat = new Chat({
    store,
    bus,
    limits,
    monotonic: () => performance.now(),
    outlet: createOutlet(listening),
    observer: observe(log, metrics),
  });
  const verify = (token: string) => verifier.verify(token);
  const sockets = createSockets({ chat, verify, connections, limits, metrics, log, server: listening });
  bus.subscribe((hint) => {
    if (hint.kind === "changes") count(metrics, hint.changes);
    else sockets.hear(hint);
  });

  let server: Server<SocketData>;
  try {
    server = Bun.serve({
      hostname: config.host,
      port: config.port,
      maxRequestBodySize: 1 << 20,
      // Bun's pages for developers show stacks and sources.
      development: false,
      // Without `development` Bun would share a port that is in use with whoever has it.
      reusePort: false,
      fetch: (request, self) => app.fetch(request, { server: self }),
      websocket: sockets.handlers,
    });
  } catch (error) {
    await connections.drain(0);
    bus.close();
    await store.close();
    throw listenError(error, config);
  }

  devIssuer?.setIssuer(new URL("/dev/", server.url).href);
  const verifier = new Verifier({
    ...config,
    log,
    issuers: devIssuer ? [{ issuer: devIssuer.issuer, jwksUrl: undefined }] : issuers,
    audiences: devIssuer ? [DEV_AUDIENCE] : (config.audiences ?? []),
    ...(keys && { keys }),
  });
  const app = createApp({
    chat,
    verifier,
    connections,
    allowedOrigins: config.allowedOrigins,
    metrics,
    log,
    devIssuer,
    unready: () => {
      if (!chat.healthy) return "storage";
      return verifier.ready ? undefined : "signing keys";
    },
  });

  const chores = setInterval(() => {
    if (!chat.healthy) void chat.probe();
    void purge(chat).catch((err: unknown) => log.error({ err }, "deleted rooms could not be purged"));
  }, choreInterval);
  // Whoever comes before the keys are here waits for them himself; an issuer that hangs must not delay the start.
  await Promise.race([verifier.start(), Bun.sleep(keysGrace)]);

  return {
    url: server.url,
    async stop() {
      await connections.drain(config.drain * 1000);
      await chat.idle();
      await Promise.race([server.stop(false), Bun.sleep(requestGrace)]);
      await server.stop(true);
      clearInterval(chores);
      verifier.stop();
      bus.close();
      await store.close();
    },
  };
}

function listenError(cause: unknown, { host, port }: Config): ListenError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (code === "EADDRINUSE") return new ListenError(`PARLEY_PORT: port ${port} is in use already`, { cause });
  if (code === "EACCES")
    return new ListenError(`PARLEY_PORT: this user may not listen on port ${port}`, { cause });
  return new ListenError(`PARLEY_HOST: can't listen on "${host}" (${code || String(cause)})`, { cause });
}

async function purge(chat: Chat): Promise<void> {
  const end = performance.now() + purgeTime;
  while (performance.now() < end && (await chat.purge()));
}

function observe(log: Logger, metrics: Metrics): ChatOptions["observer"] {
  return {
    historyFailed(err) {
      metrics.historyFailures.inc();
      log.error({ err }, "a history could not be read; the connection began without one");
    },
    commitFailed(err) {
      metrics.commitFailures.inc();
      log.error({ err }, "messages could not be stored; their senders were told");
    },
    feedFailed(err) {
      log.error({ err }, "a room could not be read for what was missed");
    },
  };
}

function count({ messages, changes }: Metrics, told: readonly Change[]): void {
  for (const { kind } of told) {
    if (kind === "created") messages.inc();
    else changes.inc({ kind });
  }
}

function limitsOf(config: Config): ChatOptions["limits"] {
  const { maxText, messageRate, messageBurst, roomsPerUser, membersPerRoom } = config;
  return { textBytes: maxText, messageRate, messageBurst, roomsPerUser, membersPerRoom };
}
