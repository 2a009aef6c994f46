import { afterAll, beforeAll } from "bun:test";
import { join } from "node:path";

import pino from "pino";

import type { Chat } from "../../src/chat/chat.ts";
import { type Actor, operator, type Role } from "../../src/chat/model.ts";
import { type Config, readConfig } from "../../src/config.ts";
import { openChat } from "../../src/open-chat.ts";
import { type ServerOptions, startServer } from "../../src/server.ts";
import {
  type ClassicClient,
  connect,
  connectClassic,
  type ConnectOptions,
  connectV2,
  type Dialect,
  type V2Client,
  type V2Options,
} from "./client.ts";
import { type Issuer, startIssuer } from "./issuer.ts";
import { connectSession, type SessionClient } from "./session-client.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { audience, type TokenOptions } from "./tokens.ts";

/** Settings that lift the limits which a test that sends or connects a lot would reach. */
export const unlimited = { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" };

/** A server in the process of the tests, on a database of its own. */
export interface TestServer extends AsyncDisposable {
  /** Host and port, such as `127.0.0.1:43210`. */
  host: string;
  /** The origin, such as `http://127.0.0.1:43210`. */
  url: string;
  config: Config;
  /** What the server has logged, one object per line. */
  logs: Record<string, unknown>[];
  /** Acts on the database as the command line does, over a connection of its own. */
  asOperator: <T>(work: (chat: Chat, operator: Actor) => Promise<T>) => Promise<T>;
  /** Creates a room with these members and resolves with its id, which is a new one by default. */
  createRoom: (members: readonly string[], options?: { id?: string; role?: Role }) => Promise<string>;
  /** The value of a counter or gauge at `/metrics`; 0 when it is not there. */
  metric: (name: string) => Promise<number>;
  stop: () => Promise<void>;
}

/** Settings of the server beside those that every test needs. */
export interface TestServerOptions extends Partial<
  Pick<ServerOptions, "heartbeat" | "keys" | "pushDelayMs">
> {
  env?: Record<string, string>;
}

let rooms = 0;

/** An id that no other room of this process has. */
export const newRoomId = () => `room-${++rooms}`;

/** Starts a server on a free port. */
export async function startTestServer({
  issuer,
  env = {},
  heartbeat,
  keys,
  pushDelayMs,
}: TestServerOptions & { issuer: string }): Promise<TestServer> {
  const folder = temporaryFolder();
  const config = readConfig({
    PARLEY_PORT: "0",
    PARLEY_DATABASE: join(folder.path, "parley.db"),
    PARLEY_ISSUER: issuer,
    PARLEY_AUDIENCE: audience,
    PARLEY_DRAIN: "0",
    ...env,
  });
  const logs: Record<string, unknown>[] = [];
  const log = pino(
    { level: config.logLevel },
    { write: (line) => void logs.push(JSON.parse(line) as never) },
  );
  const running = await startServer({
    config,
    log,
    ...(heartbeat && { heartbeat }),
    ...(keys && { keys }),
    ...(pushDelayMs !== undefined && { pushDelayMs }),
  });
  const asOperator: TestServer["asOperator"] = async (work) => {
    const { chat, close } = openChat(config, { create: false });
    try {
      return await work(chat, operator);
    } finally {
      await close();
    }
  };
  // One connection for all rooms, because opening the database takes longer than creating a room.
  let roomCreator: ReturnType<typeof openChat> | undefined;
  let stopped: Promise<void> | undefined;
  const stop = () =>
    (stopped ??= (async () => {
      const stopping = running.stop();
      await roomCreator?.close();
      roomCreator = undefined;
      await stopping;
    })());
  return {
    host: running.url.host,
    url: running.url.origin,
    config,
    logs,
    asOperator,
    async createRoom(members, { id = newRoomId(), role = "member" } = {}) {
      const { chat } = (roomCreator ??= openChat(config, { create: false }));
      await chat.rooms.create(operator, id, id);
      for (const email of members) await chat.rooms.setMember(operator, id, { email }, role);
      return id;
    },
    async metric(name) {
      const text = await (await fetch(`${running.url.origin}/metrics`)).text();
      const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
      return Number(line?.split(" ")[1] ?? 0);
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      folder[Symbol.dispose]();
    },
  };
}

/** Connections of users to one server, with tokens of the provider that it trusts. */
export interface Users {
  /** A token for the user with this email. */
  token: (email: string, options?: TokenOptions) => Promise<string>;
  /** Connects a user to a room, with a token in the Authorization header unless the options have one. */
  connect: (
    dialect: Dialect,
    room: string,
    email: string,
    options?: ConnectOptions,
  ) => Promise<ClassicClient | V2Client>;
  connectClassic: (room: string, email: string, options?: ConnectOptions) => Promise<ClassicClient>;
  connectV2: (room: string, email: string, options?: V2Options) => Promise<V2Client>;
  /** Starts a session of a user. */
  connectSession: (email: string, options?: ConnectOptions) => Promise<SessionClient>;
}

function usersOf(issuer: () => Issuer, host: () => string): Users {
  const token: Users["token"] = (email, options) => issuer().sign(email, options);
  return {
    token,
    connect: async (dialect, room, email, options) =>
      connect(dialect, host(), room, { token: await token(email), ...options }),
    connectClassic: async (room, email, options) =>
      connectClassic(host(), room, { token: await token(email), ...options }),
    connectV2: async (room, email, options) =>
      connectV2(host(), room, { token: await token(email), ...options }),
    connectSession: async (email, options) =>
      connectSession(host(), { token: await token(email), ...options }),
  };
}

/** An OpenID provider and a server that trusts it, for the tests of one file. */
export interface ServerFixture extends Users, Omit<TestServer, typeof Symbol.asyncDispose> {
  readonly issuer: Issuer;
  /** Starts another server that trusts the same provider. */
  startAnother: (options?: TestServerOptions) => Promise<TestServer & Users>;
}

/** Starts a provider and a server before the tests of a file and stops them after. To be called at its top level. */
export function useServer(options: TestServerOptions = {}): ServerFixture {
  let issuer: Issuer;
  let server: TestServer;
  beforeAll(async () => {
    issuer = await startIssuer();
    server = await startTestServer({ issuer: issuer.issuer, ...options });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await issuer[Symbol.asyncDispose]();
  });
  return {
    get issuer() {
      return issuer;
    },
    get host() {
      return server.host;
    },
    get url() {
      return server.url;
    },
    get config() {
      return server.config;
    },
    get logs() {
      return server.logs;
    },
    asOperator: (work) => server.asOperator(work),
    createRoom: (members, room) => server.createRoom(members, room),
    metric: (name) => server.metric(name),
    stop: () => server.stop(),
    ...usersOf(
      () => issuer,
      () => server.host,
    ),
    async startAnother(more) {
      const another = await startTestServer({ issuer: issuer.issuer, ...more });
      const users = usersOf(
        () => issuer,
        () => another.host,
      );
      return { ...another, ...users };
    },
  };
}
