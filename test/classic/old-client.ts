import { Closed, openSocket, refused } from "../support/client.ts";

/** Where a client connects, and how it sends its token. */
export interface Target {
  /** Path and query. */
  path: string;
  protocols?: string[];
  headers?: Record<string, string>;
}

/** A client of an old server. It knows nothing of the frames but that they are JSON. */
export class OldClient {
  readonly closed: Promise<Closed>;
  readonly #socket;
  readonly #frames: unknown[] = [];
  readonly #waiters: { resolve: (frame: unknown) => void; reject: (error: Error) => void }[] = [];
  #end: Closed | undefined;

  constructor(host: string, { path, protocols = [], headers = {} }: Target) {
    this.#socket = openSocket(`ws://${host}${path}`, { protocols, headers });
    this.#socket.on("message", (bytes) => {
      const frame: unknown = JSON.parse((bytes as Buffer).toString());
      const waiter = this.#waiters.shift();
      if (waiter) waiter.resolve(frame);
      else this.#frames.push(frame);
    });
    this.closed = new Promise((resolve) => {
      this.#socket.on("close", (code, reason) => {
        this.#end = new Closed(code, String(reason));
        for (const { reject } of this.#waiters.splice(0)) reject(this.#end);
        resolve(this.#end);
      });
    });
  }

  /** Resolves when the connection is open. Rejects with `Refused` over HTTP. */
  async opened(): Promise<void> {
    const open = new Promise<void>((resolve) => void this.#socket.on("open", resolve));
    await Promise.race([open, refused(this.#socket)]);
  }

  /** The subprotocol that the server chose; empty when it named none. */
  get protocol(): string {
    return this.#socket.protocol;
  }

  /** The next frame. Rejects with `Closed` when the connection ends first. */
  next(): Promise<unknown> {
    if (this.#frames.length > 0) return Promise.resolve(this.#frames.shift());
    if (this.#end) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Sends a frame: strings as they are, anything else as JSON. */
  send(frame: unknown): void {
    this.#socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.closed;
  }
}

/** Connects and resolves when the connection is open. Rejects with `Refused` over HTTP. */
export async function connectOld(host: string, target: Target): Promise<OldClient> {
  const client = new OldClient(host, target);
  await client.opened();
  return client;
}
