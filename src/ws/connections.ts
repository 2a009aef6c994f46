import { ChatError } from "../chat/errors.ts";
import type { Actor, Identity, UserKey } from "../chat/model.ts";
import { RateLimiter } from "../chat/rate-limiter.ts";
import { encodeRestarting, encodeTokenExpiring } from "../protocol/v2.ts";
import type { Connection } from "./connection.ts";

export interface ConnectionLimits {
  /** Connections of one user, who may also open this many per second. 0 means no limit for either. */
  perUser: number;
  /** Connections in total. 0 means no limit. */
  total: number;
}

export interface HeartbeatOptions {
  /** Milliseconds between two pings. */
  pingIntervalMs: number;
  /** Milliseconds without a sign of life after which a peer is considered gone. */
  silenceTimeoutMs: number;
  /** Milliseconds to answer a ping, for connections of a user who is at their limit and opens another one. */
  pongTimeoutMs: number;
}

export const DEFAULT_HEARTBEAT: HeartbeatOptions = {
  pingIntervalMs: 25_000,
  silenceTimeoutMs: 60_000,
  pongTimeoutMs: 5000,
};

/** After a pause, a user may open this many times their limit at once. */
const CONNECT_BURST_FACTOR = 10;
/** How long before its token expires a client is warned. */
const TOKEN_WARNING_MS = 60_000;
/** How often tokens, heartbeats and control frames are checked. */
const SWEEP_INTERVAL_MS = 1000;
/** Least time between two checks for slow readers among the sessions: each looks at all of them. */
const SESSION_CHECK_INTERVAL_MS = 50;
/** Pings and pongs that one connection may send between two sweeps. */
const MAX_CONTROL_FRAMES = 100;
/** Estimated time from the last closed connection until a restarted server accepts new ones. */
const RESTART_MS = 1000;
/** When a client should try a full server again. */
const FULL_RETRY_MS = 30_000;
/** How long a drain waits for the close handshakes, and how often it looks. */
const CLOSE_HANDSHAKE_MS = 1000;
const CLOSE_POLL_MS = 20;

const monotonic = () => performance.now();

/** All live connections: limits, heartbeats, token expiry and draining. `Participants` knows who is in which room. */
export class Connections {
  readonly #byUser = new Map<UserKey, Set<Connection>>();
  readonly #attempts: RateLimiter;
  readonly #timer: ReturnType<typeof setInterval>;
  #sweptAt = monotonic();
  #sessionsCheckedAt = 0;
  #size = 0;
  #draining = false;
  #drained: ReadonlySet<UserKey> = new Set();

  constructor(
    private readonly limits: ConnectionLimits,
    private readonly heartbeat: HeartbeatOptions = DEFAULT_HEARTBEAT,
    /** Called when the last connection of a user has ended. */
    private readonly userLeft: (user: UserKey) => void = () => undefined,
  ) {
    const { perUser } = limits;
    this.#attempts = new RateLimiter(perUser, perUser * CONNECT_BURST_FACTOR, monotonic);
    const interval = Math.min(SWEEP_INTERVAL_MS, heartbeat.pingIntervalMs);
    this.#timer = setInterval(() => this.#sweep(), interval);
  }

  get size(): number {
    return this.#size;
  }

  /** Whether the server is shutting down, so that new connections are refused. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Throws `too_many_connections` or `restarting` when the user may not open one more connection now. */
  admit(user: UserKey): void {
    if (this.#draining) throw new ChatError("restarting", "The server is shutting down.");
    const retryAfterMs = this.#attempts.take(user);
    if (retryAfterMs > 0) throw tooManyConnections("You connect too often.", retryAfterMs);
    const { perUser } = this.limits;
    if (perUser > 0 && this.#count(user) >= perUser) this.#terminateUnresponsive(user);
    if (perUser > 0 && this.#count(user) >= perUser)
      throw tooManyConnections(`You already have ${perUser} connections.`, this.heartbeat.pongTimeoutMs);
    this.assertNotFull();
  }

  /** Throws `too_many_connections` at the limit of the server. `others` are connections that are not in here. */
  assertNotFull(others = 0): void {
    const { total } = this.limits;
    if (total > 0 && this.#size + others >= total)
      throw tooManyConnections("The server has the maximum number of connections.", FULL_RETRY_MS);
  }

  add(connection: Connection): void {
    const { user, identity } = connection;
    connection.warnAt = identity.expiresAt - TOKEN_WARNING_MS;
    const ofUser = this.#byUser.get(user.key);
    if (ofUser) ofUser.add(connection);
    else this.#byUser.set(user.key, new Set([connection]));
    this.#size++;
  }

  /** Does nothing when the connection was not added. */
  remove(connection: Connection): void {
    const { key } = connection.user;
    const ofUser = this.#byUser.get(key);
    if (!ofUser?.delete(connection)) return;
    this.#size--;
    if (ofUser.size > 0) return;
    this.#byUser.delete(key);
    this.userLeft(key);
  }

  /** A user's connections. */
  of(user: UserKey): ReadonlySet<Connection> {
    return this.#byUser.get(user) ?? new Set();
  }

  /** Whether the user has a connection, or had one that a shutdown has ended: they are about to reconnect. */
  isConnected(user: UserKey): boolean {
    return this.#byUser.has(user) || this.#drained.has(user);
  }

  /** Withholds activity from the sessions of slow readers. Bytes wait for one of them. */
  checkSessions(): void {
    const now = monotonic();
    if (now - this.#sessionsCheckedAt < SESSION_CHECK_INTERVAL_MS) return;
    this.#sessionsCheckedAt = now;
    for (const { session } of this.#all()) session?.checkReader();
  }

  /** Records a sign of life of the peer. */
  markAlive(connection: Connection): void {
    connection.lastSeenAt = monotonic();
  }

  /** Counts a ping or pong of the peer, and records a sign of life. A flood of them closes the connection. */
  countControlFrame(connection: Connection): void {
    this.markAlive(connection);
    if (++connection.controlFrames === MAX_CONTROL_FRAMES) connection.close("rate_limited");
  }

  /** Replaces the connection's token by another one of the same user. */
  renew(connection: Connection, user: Actor, identity: Identity): void {
    connection.user = user;
    connection.identity = identity;
    // No earlier than halfway to its expiry. A client that only gets short tokens would be warned at once, in a loop.
    const now = Date.now();
    const { expiresAt } = identity;
    connection.warnAt = Math.max(expiresAt - TOKEN_WARNING_MS, now + (expiresAt - now) / 2);
  }

  /** Closes the connections whose token was signed with one of these keys. */
  revokeKeys(signingKeys: ReadonlySet<string>): void {
    for (const connection of this.#all())
      if (signingKeys.has(connection.identity.signingKey)) connection.close("unauthorized");
  }

  /** Closes all connections, spread over `durationMs`. Resolves when they have ended, or after a grace period. */
  async drain(durationMs: number): Promise<void> {
    this.#draining = true;
    this.#drained = new Set(this.#byUser.keys());
    const connections = [...this.#all()];
    const start = monotonic();
    for (const [index, connection] of connections.entries()) {
      const waitMs = start + (durationMs * index) / connections.length - monotonic();
      if (waitMs > 0) await Bun.sleep(waitMs);
      if (connection.protocol === "chat.v2") connection.send(encodeRestarting(durationMs + RESTART_MS));
      connection.close("restarting");
    }
    const deadline = monotonic() + CLOSE_HANDSHAKE_MS;
    while (this.#size > 0 && monotonic() < deadline) await Bun.sleep(CLOSE_POLL_MS);
    clearInterval(this.#timer);
  }

  #count(user: UserKey): number {
    return this.#byUser.get(user)?.size ?? 0;
  }

  /**
   * Pings a user's connections and terminates those that did not answer the last ping in time. After a network failure, dead
   * connections must not keep the user out until the silence timeout.
   */
  #terminateUnresponsive(user: UserKey): void {
    const now = monotonic();
    for (const connection of Array.from(this.#byUser.get(user) ?? [])) {
      const answered = connection.lastSeenAt >= connection.pingedAt;
      if (answered) connection.ping(now);
      else if (now - connection.pingedAt >= this.heartbeat.pongTimeoutMs) connection.terminate();
    }
  }

  #sweep(): void {
    const now = monotonic();
    const { silenceTimeoutMs } = this.heartbeat;
    // If the whole process was suspended, the silence is not the peers' fault.
    const pausedMs = now - this.#sweptAt > silenceTimeoutMs / 2 ? now - this.#sweptAt : 0;
    this.#sweptAt = now;
    for (const connection of this.#all()) {
      connection.lastSeenAt += pausedMs;
      connection.controlFrames = 0;
      this.#checkToken(connection, Date.now());
      this.#checkHeartbeat(connection, now);
    }
  }

  #checkToken(connection: Connection, nowEpochMs: number): void {
    const { expiresAt, acceptedUntil } = connection.identity;
    if (nowEpochMs >= acceptedUntil) {
      connection.close("token_expired");
    } else if (connection.protocol === "chat.v2" && nowEpochMs >= connection.warnAt) {
      connection.warnAt = Infinity;
      connection.send(encodeTokenExpiring(expiresAt));
    }
  }

  #checkHeartbeat(connection: Connection, now: number): void {
    const { pingIntervalMs, silenceTimeoutMs } = this.heartbeat;
    if (now - connection.lastSeenAt >= silenceTimeoutMs) connection.terminate();
    else if (now - connection.pingedAt >= pingIntervalMs) connection.ping(now);
  }

  *#all(): Iterable<Connection> {
    for (const ofUser of this.#byUser.values()) yield* ofUser;
  }
}

function tooManyConnections(message: string, retryAfterMs: number): ChatError {
  return new ChatError("too_many_connections", message, { retryAfterMs });
}
