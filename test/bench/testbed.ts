import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { audience, makeKey, sign } from "../support/tokens.ts";
import type { Contender, Result } from "./compare.ts";
import { type Dialect, isOpened } from "./dialects.ts";
import { RawSocket } from "./raw-socket.ts";
import { seedMessages, seedRooms } from "./seed.ts";
import { type Server, startServer } from "./server.ts";

/** Rooms `room0`, `room1` … with one member each. */
export const SMALL_ROOMS = 64;
/** Members of the room `crowd`. */
export const CROWD_SIZE = 1000;
/** Messages in the room `long`. */
export const LONG_ROOM_MESSAGES = 100_000;

const CONNECTS_AT_ONCE = 16;

/** A database with rooms and members, an issuer of their tokens, and the servers to compare. */
export interface Testbed extends AsyncDisposable {
  /** For files; deleted in the end. */
  folder: string;
  /** How often each comparison is repeated. */
  rounds: number;
  /** The `rev` of the room `long`. */
  longRoomRev: number;
  /** A token of this user, which is signed once. */
  token: (user: number) => Promise<string>;
  /** A token that the server has not seen. */
  newToken: (user: number) => Promise<string>;
  /** With another database than the testbed's, and more settings, if given. */
  parley: (database?: string, more?: Record<string, string>) => Promise<Server>;
  bare: () => Promise<Server>;
}

export async function createTestbed(rounds: number): Promise<Testbed> {
  const folder = mkdtempSync(join(tmpdir(), "parley-bench-"));
  const key = await makeKey();
  const issuer = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => Response.json({ keys: [key.publicJwk] }),
  });
  const env = {
    PARLEY_PORT: "0",
    PARLEY_DATABASE: join(folder, "parley.db"),
    PARLEY_ISSUER: issuer.url.href,
    PARLEY_JWKS_URL: issuer.url.href,
    PARLEY_AUDIENCE: audience,
    PARLEY_MESSAGE_RATE: "0",
    PARLEY_CONNECTIONS_PER_USER: "0",
    PARLEY_MAX_CONNECTIONS: "0",
  };
  const emails = usersBetween(0, CROWD_SIZE).map(email);
  const small = emails.slice(0, SMALL_ROOMS).map((member, index) => [`room${index}`, [member]] as const);
  await seedRooms(env, { ...Object.fromEntries(small), crowd: emails, long: emails.slice(0, 1) });
  const longRoomRev = await seedMessages(env, "long", LONG_ROOM_MESSAGES);

  let signed = 0;
  const newToken = (user: number) =>
    sign(issuer.url.href, email(user), { key, claims: { jti: String(++signed) } });
  const tokens = new Map<number, Promise<string>>();
  return {
    folder,
    rounds,
    longRoomRev,
    token(user) {
      const token = tokens.get(user) ?? newToken(user);
      tokens.set(user, token);
      return token;
    },
    newToken,
    parley: (database = env.PARLEY_DATABASE, more = {}) =>
      startServer([join(import.meta.dir, "../../dist/parley"), "serve"], {
        ...env,
        PARLEY_DATABASE: database,
        ...more,
      }),
    bare: () => startServer([process.execPath, join(import.meta.dir, "bare.ts")]),
    async [Symbol.asyncDispose]() {
      await issuer.stop(true);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The email of a user. */
export function email(user: number): string {
  return `user${user}@example.com`;
}

/** A contender that runs the same work on a new server each time. */
export function onServer(
  name: string,
  start: () => Promise<Server>,
  work: (server: Server) => Promise<Result>,
): Contender {
  return {
    name,
    async run() {
      await using server = await start();
      return await work(server);
    },
  };
}

/** The users from `first` up to, and without, `end`. */
export function usersBetween(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, index) => first + index);
}

/** Connects users, each to the room that `roomOf` returns. */
export async function connectUsers(
  { url }: Server,
  testbed: Testbed,
  users: readonly number[],
  dialect: Dialect,
  roomOf: (user: number) => string,
): Promise<RawSocket[]> {
  const sockets = await inParallel(users, CONNECTS_AT_ONCE, async (user) =>
    connectTo(roomOf(user), url, await testbed.token(user), dialect),
  );
  for (const socket of sockets) socket.onFrame = undefined;
  return sockets;
}

/** Connects to a room, and opens it where connecting does not. */
async function connectTo(room: string, url: URL, token: string, dialect: Dialect): Promise<RawSocket> {
  const { protocol, path, open } = dialect;
  const socket = await RawSocket.connect(url, { path: path(room), token, protocol });
  if (!open) return socket;
  const opened = new Promise<void>((resolve) => {
    socket.onFrame = (bytes, start) => isOpened(bytes, start) && resolve();
  });
  socket.write(open(room));
  await opened;
  return socket;
}

/** Runs `work` for each item, up to `limit` at the same time. */
export async function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: limit }, worker));
  return results;
}
