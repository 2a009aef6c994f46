import { join } from "node:path";

import type * as ws from "ws";

// By its path: Bun answers `import "ws"` with a client of its own.
const path = join(import.meta.dir, "../../node_modules/ws/wrapper.mjs");
export const { WebSocket } = (await import(path)) as typeof ws;

/** A connection over `ws`, a client that is not Bun's. Frames wait here until a test asks for them. */
export interface Client {
  socket: ws.WebSocket;
  /** The protocol that the server chose. */
  protocol: string;
  /** The next frame, parsed. Rejects when the connection ends first. */
  next(): Promise<unknown>;
  /** Frames that came and were not asked for. */
  waiting(): unknown[];
  send(frame: unknown): void;
  /** Resolves when the connection has ended. */
  closed: Promise<{ code: number; reason: string }>;
  close(): Promise<void>;
}

export interface ConnectOptions {
  token?: string;
  protocols?: string[];
  headers?: Record<string, string>;
}

/** The upgrade was refused. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly headers: Record<string, unknown>,
    readonly body: string,
  ) {
    super(`refused with ${status}: ${body}`);
  }

  get problem(): Record<string, unknown> {
    return JSON.parse(this.body) as Record<string, unknown>;
  }
}

/** Connects to `ws://<host>/ws/chat/<room>/`, with the token in the Authorization header. Rejects with `Refused`. */
export function connect(host: string, room: string, options: ConnectOptions = {}): Promise<Client> {
  const { token, protocols = [], headers = {} } = options;
  const socket = new WebSocket(`ws://${host}/ws/chat/${room}/`, protocols, {
    headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
    perMessageDeflate: false,
  });
  const frames: unknown[] = [];
  const asked: { resolve: (frame: unknown) => void; reject: (error: Error) => void }[] = [];
  let ended = false;
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on("close", (code, reason) => {
      ended = true;
      for (const { reject } of asked.splice(0)) reject(new Error(`closed with ${code} ${String(reason)}`));
      resolve({ code, reason: String(reason) });
    });
  });
  socket.on("message", (bytes) => {
    const frame = JSON.parse((bytes as Buffer).toString()) as unknown;
    const next = asked.shift();
    if (next) next.resolve(frame);
    else frames.push(frame);
  });
  const client: Client = {
    socket,
    get protocol() {
      return socket.protocol;
    },
    next: () =>
      new Promise((resolve, reject) => {
        if (frames.length > 0) resolve(frames.shift());
        else if (ended) reject(new Error("the connection has ended"));
        else asked.push({ resolve, reject });
      }),
    waiting: () => frames,
    send: (frame) => socket.send(typeof frame === "string" ? frame : JSON.stringify(frame)),
    closed,
    async close() {
      socket.close();
      await closed;
    },
  };
  return new Promise((resolve, reject) => {
    socket.on("open", () => resolve(client));
    socket.on("error", reject);
    socket.on("unexpected-response", (_, response) => {
      let body = "";
      response.on("data", (chunk) => (body += String(chunk)));
      response.on("end", () => reject(new Refused(response.statusCode ?? 0, response.headers, body)));
    });
  });
}
