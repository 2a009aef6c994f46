import { join } from "node:path";

import type * as ws from "ws";

import type { AckFrame, ErrorFrame, Hello, MessageBody, ServerFrame } from "../../src/protocol/frames.ts";
import type { Command } from "../../src/protocol/schemas.ts";
import { Refused } from "./client.ts";

// By its path: Bun answers `import "ws"` with a client of its own.
const path = join(import.meta.dir, "../../node_modules/ws/wrapper.mjs");
const { WebSocket } = (await import(path)) as typeof ws;

type Named<T> = T extends { id?: string } ? Omit<T, "id"> & { id?: string } : never;
/** A command, whose `id` is made up where it has none. */
export type Wanted = Named<Exclude<Command, { type: "typing" }>>;
type OfType<T extends ServerFrame["type"]> = Extract<ServerFrame, { type: T }>;

/** What a frame of changes gives a client to know. */
const changesOf = (frame: ServerFrame): readonly MessageBody[] => {
  if (frame.type === "change") return [frame.message];
  return frame.type === "changes" || frame.type === "hello" ? frame.messages : [];
};

/** The connection ended before the `hello`, with a code that a browser can read. */
export class Closed extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
  ) {
    super(`closed with ${code} ${reason}`);
  }
}

interface Waiter {
  matches: (frame: ServerFrame) => boolean;
  resolve: (frame: never) => void;
  reject: (error: Error) => void;
}

export interface V2Options {
  token?: string;
  /** In place of `chat.v2` alone. */
  protocols?: string[];
  headers?: Record<string, string>;
  /** As it stands in the URL. */
  since?: number | string;
  /** Goes on where this one is, with its messages. */
  after?: V2;
}

let commands = 0;

/**
 * A client of `chat.v2` over `ws`, which keeps its own copy of the room by nothing but the contract's rule. A live change
 * that is not cursor + 1 is a fault: whatever is asked of the client afterwards rejects.
 */
export class V2 {
  /** By `seq`. */
  readonly messages: Map<number, MessageBody>;
  /** The `rev` up to which the messages are known. */
  cursor: number;
  hello!: Hello;
  /** Every frame that came, as its text. */
  readonly texts: string[] = [];
  readonly closed: Promise<Closed>;
  readonly #frames: ServerFrame[] = [];
  readonly #waiters: Waiter[] = [];
  #travellers: { rev: number; resolve: () => void; reject: (error: Error) => void }[] = [];
  #fault: Error | undefined;

  constructor(
    readonly socket: ws.WebSocket,
    after: V2 | undefined,
  ) {
    this.messages = new Map(after?.messages);
    this.cursor = after?.cursor ?? 0;
    socket.on("message", (bytes) => this.#receive((bytes as Buffer).toString()));
    this.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => {
        const closed = new Closed(code, String(reason));
        this.#fail(closed);
        resolve(closed);
      });
    });
  }

  /** The next frame of a type; what comes before it stays. Rejects when the connection ends first. */
  next<T extends ServerFrame["type"]>(type: T): Promise<OfType<T>> {
    return this.frame((frame) => frame.type === type);
  }

  /** The next frame that matches, and was not asked for yet. */
  frame<T extends ServerFrame>(matches: (frame: ServerFrame) => boolean): Promise<T> {
    const index = this.#frames.findIndex(matches);
    if (index >= 0) return Promise.resolve(this.#frames.splice(index, 1)[0] as T);
    if (this.#fault) return Promise.reject(this.#fault);
    return new Promise((resolve, reject) => this.#waiters.push({ matches, resolve, reject }));
  }

  /** Frames of these types that came and were not asked for; without types, all of them. */
  waiting(...types: ServerFrame["type"][]): ServerFrame[] {
    return this.#frames.filter(({ type }) => types.length === 0 || types.includes(type));
  }

  /** Sends a frame: a string or bytes as they are, anything else as JSON. */
  send(frame: unknown): void {
    this.socket.send(typeof frame === "string" || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  /** Sends a command, and resolves with its answer. */
  command(wanted: Wanted): Promise<AckFrame | ErrorFrame> {
    const { id = `command-${++commands}`, ...rest } = wanted;
    const answer = this.frame<AckFrame | ErrorFrame>(
      (frame) => (frame.type === "ack" || frame.type === "error") && frame.id === id,
    );
    this.send({ ...rest, id });
    return answer;
  }

  /** Sends a command that must be done. */
  async ack(wanted: Wanted): Promise<AckFrame> {
    const answer = await this.command(wanted);
    if (answer.type === "ack") return answer;
    throw new Error(`${wanted.type} was refused: ${JSON.stringify(answer)}`);
  }

  /** Sends a command that must be refused. */
  async error(wanted: Wanted): Promise<ErrorFrame> {
    const answer = await this.command(wanted);
    if (answer.type === "error") return answer;
    throw new Error(`${wanted.type} was done: ${JSON.stringify(answer)}`);
  }

  /** Sends a text, and resolves with its place when it is on disk. */
  say(text: string): Promise<AckFrame> {
    return this.ack({ type: "send", text });
  }

  /** Resolves when the cursor has come to `rev`. The frames that bring it there can still be asked for. */
  reach(rev: number): Promise<void> {
    if (this.cursor >= rev) return Promise.resolve();
    if (this.#fault) return Promise.reject(this.#fault);
    return new Promise((resolve, reject) => this.#travellers.push({ rev, resolve, reject }));
  }

  /** The messages that are known, by `seq`. */
  known(): MessageBody[] {
    return [...this.messages.values()].toSorted((a, b) => a.seq - b.seq);
  }

  async close(): Promise<void> {
    if (this.#fault && !(this.#fault instanceof Closed)) throw this.#fault;
    this.socket.close();
    await this.closed;
  }

  #receive(text: string): void {
    this.texts.push(text);
    const frame = JSON.parse(text) as ServerFrame;
    this.#upsert(frame);
    const index = this.#waiters.findIndex(({ matches }) => matches(frame));
    const [waiter] = index >= 0 ? this.#waiters.splice(index, 1) : [];
    if (waiter) waiter.resolve(frame as never);
    else this.#frames.push(frame);
    const arrived = this.#travellers.filter(({ rev }) => rev <= this.cursor);
    this.#travellers = this.#travellers.filter(({ rev }) => rev > this.cursor);
    for (const { resolve } of arrived) resolve();
  }

  #upsert(frame: ServerFrame): void {
    if (frame.type === "hello") {
      this.hello = frame;
      if (!frame.resumed) this.messages.clear();
    }
    if (frame.type === "change" && frame.message.rev !== this.cursor + 1) {
      this.#fail(new Error(`the cursor is ${this.cursor}, and ${frame.message.rev} came`));
    }
    for (const message of changesOf(frame)) this.messages.set(message.seq, message);
    if (frame.type === "change") this.cursor = frame.message.rev;
    if (frame.type === "changes" || frame.type === "hello") this.cursor = frame.rev;
  }

  #fail(error: Error): void {
    this.#fault ??= error;
    for (const { reject } of [...this.#waiters.splice(0), ...this.#travellers.splice(0)]) reject(this.#fault);
  }
}

/** Connects, and resolves when the `hello` has come. Rejects with `Refused` over HTTP, with `Closed` after the 101. */
export async function connectV2(host: string, room: string, options: V2Options = {}): Promise<V2> {
  const { token, protocols = ["chat.v2"], headers = {}, after } = options;
  const { since = after?.cursor } = options;
  const query = since === undefined ? "" : `?since=${since}`;
  const socket = new WebSocket(`ws://${host}/ws/chat/${room}/${query}`, protocols, {
    headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
    perMessageDeflate: false,
  });
  const client = new V2(socket, after);
  const refused = new Promise<never>((_, reject) => {
    socket.on("error", reject);
    socket.on("unexpected-response", (__, response) => {
      let body = "";
      response.on("data", (chunk) => (body += String(chunk)));
      response.on("end", () => reject(new Refused(response.statusCode ?? 0, response.headers, body)));
    });
  });
  await Promise.race([client.next("hello"), refused]);
  return client;
}

/** With which code the server closed. Throws when it did not. */
export async function closing(connecting: Promise<V2>): Promise<string> {
  const outcome: unknown = await connecting.catch((error: unknown) => error);
  if (outcome instanceof Closed) return `${outcome.code} ${outcome.reason}`;
  throw new Error("it was not closed", { cause: outcome });
}
