import type { RoomSummaryBody, SessionLimitsBody } from "../protocol/frames.ts";
import type { RoomPosition, SavedRoom } from "./history.ts";
import type { Sender } from "./messages.ts";

/**
 * Returns a valid JWT, or a promise of one. It is called for every connection and every HTTP request, so it may return a
 * cached token. With `refresh: true` the server has rejected the last token, or it expires soon: return a new one.
 */
export type Token = (options: { refresh: boolean }) => string | Promise<string>;

/** The part of a WebSocket that this client uses. */
export interface Socket {
  addEventListener(
    type: "open" | "message" | "close" | "error",
    // `unknown`, since each WebSocket class has its own event types. Their properties are the same.
    listener: (event: unknown) => void,
  ): void;
  send(text: string): void;
  close(code?: number): void;
  /** Closes the socket without waiting for the other side. Browsers do not have it; the `ws` package does. */
  terminate?(): void;
}

/** A WebSocket class, called with a URL and an array of subprotocols. `never` lets any such class be assigned. */
export type SocketClass = new (url: never, protocols: never) => Socket;

/** The part of `fetch` that this client uses. */
export type Fetch = (
  url: string,
  init: { method: string; headers: Record<string, string>; body: string | null; signal: AbortSignal },
) => Promise<{
  ok: boolean;
  status: number;
  headers: { get(name: string): string | null };
  text(): Promise<string>;
}>;

/** A source of time. All times are in milliseconds. */
export interface Clock {
  now(): number;
  setTimeout(callback: () => void, milliseconds: number): unknown;
  clearTimeout(timer: never): void;
}

/** Returns a number from 0 (inclusive) to 1 (exclusive), as `Math.random` does. */
export type Random = () => number;

/**
 * Where commands are kept that were not acknowledged, so that they survive a reload: `localStorage`, `sessionStorage`, or
 * any object with the same three methods, which may be asynchronous.
 */
export interface OutboxStorage {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): unknown;
  removeItem(key: string): unknown;
}

/** What a chat knew: `Chat.snapshot` returns it, and `connect` can begin with it. Plain data, which can be stored as JSON. */
export interface Snapshot {
  me: Sender;
  limits: SessionLimitsBody;
  /** The rooms with the most recent activity, up to 100. */
  rooms: readonly RoomSummaryBody[];
  /** The newest messages of the rooms that were opened last, up to 20. */
  saved: readonly SavedRoom[];
}

/** Options of `connect`. */
export interface ConnectOptions {
  /** URL of the server: http(s) or ws(s), including the path under which Parley is served, if any. */
  url: string;
  token: Token;
  /** Default: none. Commands that were not acknowledged are lost when the page is closed. */
  storage?: OutboxStorage | undefined;
  /**
   * What an earlier chat of the same user knew: it shows at once, before there is a connection, and only what has changed since
   * is loaded. It must come from the same version of this package. If the token is another user's, the chat is closed with
   * `forbidden`.
   */
  snapshot?: Snapshot | undefined;
  /** Maximum number of messages in the `messages` of each room; the oldest are dropped first. Default: 10,000. */
  keep?: number;
  /** WebSocket class. Default: the global `WebSocket`. */
  WebSocket?: SocketClass;
  /** Default: the global `fetch`. */
  fetch?: Fetch;
  /** Default: the system's clock and timers. */
  clock?: Clock;
  /** Source of the jitter in reconnection delays. Default: `Math.random`. */
  random?: Random;
}

/** Options of `Chat.open`. They are ignored if the room is open already. */
export interface OpenOptions {
  /** Position to resume from. Default: start with the room's last 50 messages. */
  since?: RoomPosition | undefined;
  /** Maximum number of messages in `messages`. Default: that of `connect`. */
  keep?: number | undefined;
}

/** Options of `Room.send`. */
export interface SendOptions {
  /** `seq` of the message that this one replies to. */
  replyTo?: number | undefined;
  /**
   * Idempotency key of the message, unique in the room: a message with the same key is stored once. 1 to 64 characters.
   * Default: a random one.
   */
  clientId?: string | undefined;
  /** Data of the application's own, up to 4,096 bytes of JSON. Everybody in the room gets it with the message. */
  meta?: Record<string, unknown> | undefined;
}

/** Options of `api`. */
export interface ApiOptions {
  /** URL of the server: http(s) or ws(s), including the path under which Parley is served, if any. */
  url: string;
  token: Token;
  /** Aborts requests in progress and rejects later ones with its reason. */
  signal?: AbortSignal;
  /** Default: the global `fetch`. */
  fetch?: Fetch | undefined;
}
