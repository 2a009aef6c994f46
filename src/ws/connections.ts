import type { ServerWebSocket } from "bun";

import type { Price } from "../chat/chat.ts";
import type { Arrival } from "../chat/join.ts";
import { ChatError, type Code } from "../chat/errors.ts";
import type { Actor, RoomKey, User, UserKey } from "../chat/model.ts";
import { Rate } from "../chat/rate-limiter.ts";
import { answers } from "../protocol/error-codes.ts";
import * as v2 from "../protocol/v2.ts";
import type { Protocol } from "../http/credentials.ts";

/** What is kept for one open socket. */
export interface Connection {
  protocol: Protocol;
  user: Actor;
  room: RoomKey;
  /** When its token ends, in milliseconds since the epoch. */
  expiresAt: number;
  /** When its peer was last heard, on the monotonic clock: a clock that is set must not end every connection. */
  heardAt: number;
  /** When it was last asked whether it is still there, on the same clock. */
  askedAt: number;
  /** Frames of either price refused because there were too many, less those accepted since. */
  strikes: Record<Price, number>;
  /** What it begins with; gone once it was sent. */
  arrival: Arrival | undefined;
  /** When it is told that its token ends soon, in milliseconds since the epoch. */
  warnAt: number;
  /** While notices are withheld from it: who is online, as far as it knows. */
  withheld: ReadonlyMap<UserKey, User> | undefined;
  /** Wakes whoever waits until it has read what was sent to it. */
  drained: (() => void) | undefined;
  /** Resolves when the tokens that were brought so far are taken, or refused. */
  renewed: Promise<void>;
}

/** A socket that is only opened to be closed, with a code that a browser can read. */
export interface Refused {
  refused: Code;
}

export type SocketData = Connection | Refused;
export type Socket = ServerWebSocket<Connection>;

/** Whether a socket is a connection. */
export function accepted(socket: ServerWebSocket<SocketData>): socket is Socket {
  return !("refused" in socket.data);
}

export interface ConnectionLimits {
  /** Sockets of one user; 0 lifts this limit, and that of his attempts. */
  perUser: number;
  /** Sockets in all; 0 lifts the limit. */
  total: number;
}

export interface Deadlines {
  /** Milliseconds between two pings. */
  ping: number;
  /** Milliseconds without a sign of life, after which a peer is taken for gone. */
  silence: number;
  /** Milliseconds for the answer to a ping, where somebody waits for the place. */
  doubt: number;
}

const monotonic = () => performance.now();

const settled = Promise.resolve();

const defaultDeadlines: Deadlines = { ping: 25_000, silence: 60_000, doubt: 5000 };

/** How long before its token's end a connection is told, in milliseconds. */
const warning = 60_000;
/** How long a server takes from closing its last connection to taking them again, in milliseconds. */
const restartTime = 1000;

/** How often deadlines are looked at, in milliseconds. */
const sweepInterval = 1000;

/** Who is connected: within which limits, until when, and how it ends. */
export class Connections {
  readonly #rooms = new Map<RoomKey, Set<Socket>>();
  readonly #perUser = new Map<UserKey, Set<Socket>>();
  readonly #attempts: Rate;
  readonly #timer: ReturnType<typeof setInterval>;
  #sweptAt = monotonic();
  #size = 0;
  #draining = false;

  constructor(
    private readonly limits: ConnectionLimits,
    private readonly deadlines: Deadlines = defaultDeadlines,
  ) {
    this.#attempts = new Rate(limits.perUser, limits.perUser * 10, monotonic);
    this.#timer = setInterval(() => this.#sweep(), Math.min(sweepInterval, deadlines.ping));
  }

  get size(): number {
    return this.#size;
  }

  /** The rooms that somebody is connected to. */
  rooms(): RoomKey[] {
    return [...this.#rooms.keys()];
  }

  /** Throws when one more socket of this user would be too many, or comes too soon. */
  admit(user: UserKey): void {
    const retryAfterMs = this.#attempts.take(user);
    if (retryAfterMs > 0) {
      throw new ChatError("too_many_connections", "You connect too often; slow down.", { retryAfterMs });
    }
    this.#check(user);
  }

  /** What is kept for a socket that is about to open. Throws as `admit` does: the last place may be gone by now. */
  start(about: Pick<Connection, "protocol" | "user" | "room" | "expiresAt" | "arrival">): Connection {
    this.#check(about.user.key);
    const now = monotonic();
    return {
      ...about,
      heardAt: now,
      askedAt: now,
      strikes: { command: 0, read: 0 },
      warnAt: about.expiresAt - warning,
      withheld: undefined,
      drained: undefined,
      renewed: settled,
    };
  }

  /** Who is connected to a room. */
  in(room: RoomKey): Iterable<Socket> {
    return this.#rooms.get(room) ?? [];
  }

  #check(user: UserKey): void {
    if (this.#draining) throw new ChatError("restarting", "The server is shutting down.");
    const { perUser, total } = this.limits;
    const full = () => perUser > 0 && (this.#perUser.get(user)?.size ?? 0) >= perUser;
    if (full()) this.#doubt(user);
    if (full()) {
      const retryAfterMs = this.deadlines.doubt;
      throw new ChatError("too_many_connections", `You have ${perUser} connections already.`, {
        retryAfterMs,
      });
    }
    if (total > 0 && this.#size >= total) {
      throw new ChatError("too_many_connections", "The server is full.", { retryAfterMs: 30_000 });
    }
  }

  add(socket: Socket): void {
    const { user, room } = socket.data;
    put(this.#rooms, room, socket);
    put(this.#perUser, user.key, socket);
    this.#size++;
  }

  remove(socket: Socket): void {
    const { user, room } = socket.data;
    if (!take(this.#rooms, room, socket)) return;
    take(this.#perUser, user.key, socket);
    this.#size--;
  }

  /** The peer gave a sign of life. */
  heard(socket: Socket): void {
    socket.data.heardAt = monotonic();
  }

  /** Closes the connections of somebody who was removed from a room, or of everyone, since it is gone. */
  expel(room: RoomKey, out: UserKey | "everyone"): void {
    for (const socket of this.in(room)) {
      const { key, admin } = socket.data.user;
      if (out === "everyone") close(socket, "room_deleted");
      else if (key === out && !admin) close(socket, "removed");
    }
  }

  /** Closes those connections that may not be in their room any more. `roster` is undefined when the room is gone. */
  recheck(sockets: readonly Socket[], roster: ReadonlySet<UserKey> | undefined): void {
    for (const socket of sockets) {
      const { key, admin } = socket.data.user;
      if (!roster) close(socket, "room_deleted");
      else if (!admin && !roster.has(key)) close(socket, "removed");
    }
  }

  /** The same user has brought another token. */
  renew({ data }: Socket, user: Actor, expiresAt: number): void {
    data.user = user;
    data.expiresAt = expiresAt;
    // A short one not at once: whoever gets no longer ones would be told, and come with another, without an end.
    const now = Date.now();
    data.warnAt = Math.max(expiresAt - warning, now + (expiresAt - now) / 2);
  }

  /** Shutting down: nobody is let in any more. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Closes every socket, one after the other over `milliseconds`. Resolves when all are gone, or soon after. */
  async drain(milliseconds: number): Promise<void> {
    this.#draining = true;
    const sockets = [...this.#all()];
    const start = performance.now();
    for (const [index, socket] of sockets.entries()) {
      const due = start + (milliseconds * index) / sockets.length;
      const wait = due - performance.now();
      if (wait > 0) await Bun.sleep(wait);
      if (socket.data.protocol === "chat.v2") socket.send(v2.restarting(milliseconds + restartTime));
      close(socket, "restarting");
    }
    // A moment for the close handshakes; whoever does not answer is cut with the listener.
    for (let tries = 0; this.#size > 0 && tries < 20; tries++) await Bun.sleep(50);
    clearInterval(this.#timer);
  }

  /**
   * Asks all that a user has whether they are still there, and cuts those that were asked and have not answered: when his
   * network went away, the dead ones must not keep him out until they are found out.
   */
  #doubt(user: UserKey): void {
    const now = monotonic();
    for (const socket of this.#perUser.get(user) ?? []) {
      const { data } = socket;
      if (data.heardAt >= data.askedAt) this.#ask(socket, now);
      else if (now - data.askedAt >= this.deadlines.doubt) socket.terminate();
    }
  }

  #ask(socket: Socket, now: number): void {
    socket.data.askedAt = now;
    socket.ping();
  }

  #sweep(): void {
    const now = monotonic();
    const date = Date.now();
    // Asleep as a whole, by SIGSTOP or on a suspended machine: nobody can be blamed for the silence.
    const asleep = now - this.#sweptAt > this.deadlines.silence / 2 ? now - this.#sweptAt : 0;
    this.#sweptAt = now;
    for (const socket of this.#all()) {
      socket.data.heardAt += asleep;
      this.#look(socket, now, date);
    }
  }

  *#all(): Iterable<Socket> {
    for (const sockets of this.#rooms.values()) yield* sockets;
  }

  #look(socket: Socket, now: number, date: number): void {
    const { data } = socket;
    if (data.protocol === "chat.v2" && date >= data.warnAt) {
      data.warnAt = Infinity;
      socket.send(v2.expiring(data.expiresAt));
    }
    if (date >= data.expiresAt) close(socket, "token_expired");
    else if (now - data.heardAt >= this.deadlines.silence) socket.terminate();
    else if (now - data.askedAt >= this.deadlines.ping) this.#ask(socket, now);
  }
}

function put<K>(sockets: Map<K, Set<Socket>>, key: K, socket: Socket): void {
  const known = sockets.get(key);
  if (known) known.add(socket);
  else sockets.set(key, new Set([socket]));
}

/** False when it was not there. */
function take<K>(sockets: Map<K, Set<Socket>>, key: K, socket: Socket): boolean {
  const known = sockets.get(key);
  if (!known?.delete(socket)) return false;
  if (known.size === 0) sockets.delete(key);
  return true;
}

/** Ends a connection in a way that its client can read. */
export function close(socket: Pick<Socket, "close">, code: Code): void {
  socket.close(answers[code].close, code);
}
