import { api } from "../../src/client/index.ts";
import type { Issuer } from "../support/issuer.ts";
import type { Proxy } from "../support/proxy.ts";
import { Random } from "../support/random.ts";
import { ChaosClient } from "./client.ts";
import type { FastClock } from "./fast-clock.ts";
import type { History } from "./history.ts";
import { ClassicObserver, Observer } from "./observers.ts";
import type { ChaosServer } from "./server.ts";
import type { Tokens } from "./tokens.ts";

export interface SetupOptions {
  seed: number;
  clients: number;
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
  rooms: string[];
  /** The first one only reads, over a slow connection, in the room with long texts. */
  clients: ChaosClient[];
  observers: Observer[];
  classicObservers: ClassicObserver[];
}

/** Messages that every fourth client keeps. */
const SMALL_KEEP = 120;

/** Creates the rooms with their members, and connects everyone. */
export async function setUp(options: SetupOptions): Promise<Participants> {
  const rooms = Array.from({ length: options.rooms }, (_, index) => `room-${index + 1}`);
  const members = Array.from({ length: options.clients }, (_, index) =>
    memberFor(index, options.clients, rooms),
  );
  await createRooms(rooms, members, options);
  return {
    rooms,
    clients: members.map((member, index) => createClient(member, index, options)),
    observers: rooms.map(
      (room, index) => new Observer(observerOptions(room, `observer-${index + 1}`, options)),
    ),
    classicObservers: rooms.map(
      (room, index) => new ClassicObserver(observerOptions(room, `classic-${index + 1}`, options)),
    ),
  };
}

/** Connects an observer to each room that resumes from its beginning. */
export function connectLateObservers(rooms: readonly string[], options: SetupOptions): Observer[] {
  return rooms.map(
    (room, index) => new Observer({ ...observerOptions(room, `late-${index + 1}`, options), since: 0 }),
  );
}

interface ClientMember {
  room: string;
  email: string;
  role: "member" | "moderator";
}

/** Clients are spread over the rooms. In each room the last two share a user, and the second is a moderator. */
function memberFor(index: number, clients: number, rooms: readonly string[]): ClientMember {
  const roomIndex = index % rooms.length;
  const room = rooms[roomIndex] as string;
  const number = Math.floor(index / rooms.length);
  const last = Math.floor((clients - 1 - roomIndex) / rooms.length);
  const user = number === last && last > 1 ? number - 1 : number;
  return { room, email: `user-${user + 1}.${room}@example.com`, role: user === 1 ? "moderator" : "member" };
}

async function createRooms(
  rooms: readonly string[],
  members: readonly ClientMember[],
  { issuer, server }: SetupOptions,
): Promise<void> {
  const token = () => issuer.sign("admin@example.com", { claims: { scope: "chat:admin" } });
  const admin = api({ url: `http://127.0.0.1:${server.port}`, token });
  for (const [index, id] of rooms.entries()) {
    await admin.createRoom({ id, name: id });
    for (const name of ["observer", "classic", "late"])
      await admin.setMember(id, `${name}-${index + 1}@example.com`);
  }
  for (const { room, email, role } of members) await admin.setMember(room, email, role);
}

function createClient({ room, email }: ClientMember, index: number, options: SetupOptions): ChaosClient {
  const { seed, proxy, slowProxy, tokens, clock, history } = options;
  const name = `client-${index + 1}`;
  return new ChaosClient({
    name,
    user: `user|${email}`,
    room,
    url: `http://127.0.0.1:${(index === 0 ? slowProxy : proxy).port}`,
    token:
      index % 3 === 1
        ? tokens.shortLived(email, new Random(seed, `${name} tokens`))
        : tokens.longLived(email),
    ...(index % 4 === 3 && { keep: SMALL_KEEP }),
    clock,
    random: new Random(seed, `${name} backoff`),
    history,
  });
}

function observerOptions(room: string, name: string, { issuer, server, history }: SetupOptions) {
  const email = `${name}@example.com`;
  const token = () => issuer.sign(email);
  return { name, user: `user|${email}`, room, host: `127.0.0.1:${server.port}`, token, history };
}
