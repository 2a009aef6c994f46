/**
 * Gives a JWT that is good now. It is asked for every connection and every HTTP request, so it may well keep one; with
 * `refresh` the server has refused the last one, or is about to, and another is needed.
 */
export type Token = (options: { refresh: boolean }) => string | Promise<string>;

/** The part of a WebSocket that is used here. */
export interface Socket {
  addEventListener(
    type: "open" | "message" | "close" | "error",
    // Every class has events of its own, with the same keys.
    listener: (event: unknown) => void,
  ): void;
  send(text: string): void;
  close(code?: number): void;
  /** Ends it without waiting for the other side, which classes outside browsers can. */
  terminate?(): void;
}

/** A WebSocket class: the browser's own, or one like it; it is given the URL and a list of protocols. */
export type SocketClass = new (url: never, protocols: never) => Socket;

/** The part of `fetch` that is used here. */
export type Fetch = (
  url: string,
  init: { method: string; headers: Record<string, string>; body: string | null; signal: AbortSignal },
) => Promise<{
  ok: boolean;
  status: number;
  headers: { get(name: string): string | null };
  text(): Promise<string>;
}>;

/** Times are in milliseconds. */
export interface Clock {
  now(): number;
  setTimeout(callback: () => void, milliseconds: number): unknown;
  clearTimeout(timer: never): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** One thing that is to be done later. */
export class Timer {
  #id: unknown;

  constructor(private readonly clock: Clock) {}

  get runs(): boolean {
    return this.#id !== undefined;
  }

  /** After so many milliseconds, in place of what was set before; without work, nothing. */
  set(milliseconds = 0, work?: () => void): void {
    this.clock.clearTimeout(this.#id as never);
    this.#id =
      work &&
      this.clock.setTimeout(() => {
        this.#id = undefined;
        work();
      }, milliseconds);
  }
}

/** A number from 0 up to, but not, 1. */
export type Random = () => number;

/** Milliseconds to wait after so many failures: up to twice as long each time, up to 30 s, and any part of it ("full jitter"). */
export function backoff(failures: number, random: Random): number {
  return random() * Math.min(30_000, 500 * 2 ** failures);
}

/** The server's address for HTTP or WebSocket. What is given may be either, with a path in front of Parley's. */
export function address(url: string, scheme: "http" | "ws"): string {
  const { protocol, host, pathname } = new URL(url);
  if (!/^(http|ws)s?:$/.test(protocol)) throw new TypeError(`not an http or ws URL: ${url}`);
  return `${protocol.replace(/^(http|ws)/, scheme)}//${host}${pathname.replace(/\/+$/, "")}`;
}
