import { api } from "../../src/client/api.ts";
import type { Issuer } from "../support/issuer.ts";
import type { Proxy } from "../support/proxy.ts";
import { Random } from "../support/random.ts";
import { Administrator } from "./administrator.ts";
import { ChaosClient } from "./client.ts";
import type { FastClock } from "./fast-clock.ts";
import type { History } from "./history.ts";
import { ClassicObserver, Observer } from "./observers.ts";
import type { ChaosServer } from "./server.ts";
import type { Tokens } from "./tokens.ts";

export interface SetupOptions {
  seed: number;
  users: number;
  rooms: number;
  issuer: Issuer;
  server: ChaosServer;
  proxy: Proxy;
  slowProxy: Proxy;
  tokens: Tokens;
  clock: FastClock;
  history: History;
}

export interface Participants {
  /** Ids of the rooms. In the first one most texts are long. */
  rooms: string[];
  administrator: Administrator;
  /** Two for each user. The first one only reads, over a slow connection, and has all of its rooms open. */
  clients: ChaosClient[];
  observers: Observer[];
  classicObservers: ClassicObserver[];
}

const DEVICES_PER_USER = 2;
/** Messages that every fourth client keeps. */
const SMALL_KEEP = 120;

/** Creates the rooms with their members, and connects everyone. */
export async function setUp(options: SetupOptions): Promise<Participants> {
  const rooms = Array.from({ length: options.rooms }, (_, index) => `room-${index + 1}`);
  const users = Array.from({ length: options.users }, (_, index) => `user-${index + 1}@example.com`);
  const administrator = createAdministrator(rooms, users, options);
  await administrator.createRooms();
  const clients = users.flatMap((email, user) =>
    Array.from({ length: DEVICES_PER_USER }, (_, device) =>
      createClient(email, `client-${user + 1}.${device + 1}`, user * DEVICES_PER_USER + device, options),
    ),
  );
  return {
    rooms,
    administrator,
    clients,
    observers: rooms.map((room) => new Observer(observerOptions(room, "observer", options))),
    classicObservers: rooms.map((room) => new ClassicObserver(observerOptions(room, "classic", options))),
  };
}

/** Connects an observer to each room that resumes from its beginning. */
export function connectLateObservers(rooms: readonly string[], options: SetupOptions): Observer[] {
  return rooms.map((room) => new Observer({ ...observerOptions(room, "late", options), since: 0 }));
}

function createAdministrator(
  rooms: readonly string[],
  users: readonly string[],
  { seed, issuer, server, history }: SetupOptions,
): Administrator {
  const token = () => issuer.sign("admin@example.com", { claims: { scope: "chat:admin" } });
  const url = `http://127.0.0.1:${server.port}`;
  return new Administrator({ seed, server, api: api({ url, token }), rooms, users, observersOf, history });
}

function createClient(email: string, name: string, index: number, options: SetupOptions): ChaosClient {
  const { seed, proxy, slowProxy, tokens, clock, history } = options;
  return new ChaosClient({
    name,
    user: `user|${email}`,
    url: `http://127.0.0.1:${(index === 0 ? slowProxy : proxy).port}`,
    token: tokens[index % 3 === 1 ? "shortLived" : "longLived"](email, new Random(seed, `${name} tokens`)),
    ...(index % 4 === 3 && { keep: SMALL_KEEP }),
    storesCommands: index % 3 === 2,
    clock,
    random: new Random(seed, `${name} backoff`),
    history,
  });
}

const observerEmail = (kind: string, room: string) => `${kind}.${room}@example.com`;
const observersOf = (room: string) =>
  ["observer", "classic", "late"].map((kind) => observerEmail(kind, room));

function observerOptions(room: string, kind: string, { issuer, server, history }: SetupOptions) {
  const email = observerEmail(kind, room);
  const token = () => issuer.sign(email);
  const host = `127.0.0.1:${server.port}`;
  return { name: `${kind} of ${room}`, user: `user|${email}`, room, host, token, history };
}
