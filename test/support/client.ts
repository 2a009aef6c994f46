import { join } from "node:path";

import type * as ws from "ws";

import type {
  AckFrame,
  ErrorFrame,
  HelloFrame,
  MessageBody,
  RoomFrame,
  ServerFrame,
} from "../../src/protocol/frames.ts";
import type { Command } from "../../src/protocol/schemas.ts";
import { checkFrame, classicTypeOf } from "./described.ts";

// By its path: Bun answers `import "ws"` with a client of its own.
const path = join(import.meta.dir, "../../node_modules/ws/wrapper.mjs");
export const { WebSocket } = (await import(path)) as typeof ws;

export const dialects = ["classic", "chat.v2"] as const;
export type Dialect = (typeof dialects)[number];

export interface ClassicFrame {
  message?: string;
  error?: { code: string; message: string };
}

/** What the server sends on a room's URL in `chat.v2`. */
export type V2Frame = HelloFrame | RoomFrame;

type AnyFrame = ClassicFrame | ServerFrame;

/** The text of a frame that brings a new message, in either dialect. */
export function textOf(frame: AnyFrame): string | undefined {
  if (!("type" in frame)) return frame.message;
  return frame.type === "change" && frame.kind === "created" ? frame.message.text : undefined;
}

/** The code of an error frame, in either dialect. */
export function errorCodeOf(frame: AnyFrame): string | undefined {
  if (!("type" in frame)) return frame.error?.code;
  return frame.type === "error" ? frame.code : undefined;
}

const textOrCodeOf = (frame: AnyFrame) => textOf(frame) ?? errorCodeOf(frame);

/** The upgrade was refused over HTTP. */
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

/** The connection has ended. */
export class Closed extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
  ) {
    super(`closed with ${code} ${reason}`);
  }
}

interface Waiter<Frame extends AnyFrame> {
  matches: (frame: Frame) => boolean;
  resolve: (frame: Frame) => void;
  reject: (error: Error) => void;
}

/** A WebSocket connection over `ws`, which is not Bun's client. Frames are kept until a test asks for them. */
export abstract class Client<Frame extends AnyFrame> {
  /** Every frame that was received, as its text. */
  readonly texts: string[] = [];
  /** Resolves when the connection has ended. */
  readonly closed: Promise<{ code: number; reason: string }>;
  /** Why nothing more can be asked of this client. */
  protected failure: Error | undefined;
  readonly #frames: Frame[] = [];
  readonly #waiters: Waiter<Frame>[] = [];

  constructor(readonly socket: ws.WebSocket) {
    socket.on("message", (bytes) => {
      const text = (bytes as Buffer).toString();
      this.texts.push(text);
      const frame = JSON.parse(text) as Frame;
      try {
        this.check(frame);
      } catch (error) {
        this.fail(error as Error);
      }
      this.receive(frame);
    });
    this.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => {
        this.fail(new Closed(code, String(reason)));
        resolve({ code, reason: String(reason) });
      });
    });
  }

  /** The subprotocol that the server chose; empty when it named none. */
  get protocol(): string {
    return this.socket.protocol;
  }

  /** The next frame, or the next that matches; frames before it are kept. Rejects when the connection ends first. */
  next(matches: (frame: Frame) => boolean = () => true): Promise<Frame> {
    const index = this.#frames.findIndex(matches);
    const [frame] = index >= 0 ? this.#frames.splice(index, 1) : [];
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => this.#waiters.push({ matches, resolve, reject }));
  }

  /** The text of the next new message; other frames are kept. */
  async nextText(): Promise<string> {
    return textOf(await this.next((frame) => textOf(frame) !== undefined)) ?? "";
  }

  /** The text of the next new message, or the code of the next error; other frames are kept. */
  async nextTextOrCode(): Promise<string> {
    return textOrCodeOf(await this.next((frame) => textOrCodeOf(frame) !== undefined)) ?? "";
  }

  /** Frames that were received and not asked for. */
  unread(): readonly Frame[] {
    return this.#frames;
  }

  /** Sends a frame: strings and bytes as they are, anything else as JSON. */
  send(frame: unknown): void {
    this.socket.send(typeof frame === "string" || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  /** Closes the connection and waits for its end. Rejects when the client has failed before. */
  async close(): Promise<void> {
    if (this.failure && !(this.failure instanceof Closed)) throw this.failure;
    this.socket.close();
    await this.closed;
  }

  /** Throws if the frame is not as asyncapi.json describes it. */
  protected check(_frame: Frame): void {}

  protected receive(frame: Frame): void {
    const index = this.#waiters.findIndex(({ matches }) => matches(frame));
    const [waiter] = index >= 0 ? this.#waiters.splice(index, 1) : [];
    if (waiter) waiter.resolve(frame);
    else this.#frames.push(frame);
  }

  protected fail(error: Error): void {
    this.failure ??= error;
    for (const { reject } of this.#waiters.splice(0)) reject(this.failure);
  }
}

export interface ConnectOptions {
  /** Sent in the Authorization header. */
  token?: string;
  protocols?: string[];
  headers?: Record<string, string>;
}

export function openSocket(url: string, options: ConnectOptions): ws.WebSocket {
  const { token, protocols = [], headers = {} } = options;
  return new WebSocket(url, protocols, {
    headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
    perMessageDeflate: false,
  });
}

/** Rejects with `Refused` when the upgrade is refused, and with the error when there is no answer. */
export function refused(socket: ws.WebSocket): Promise<never> {
  return new Promise((_, reject) => {
    socket.on("error", reject);
    socket.on("unexpected-response", (__, response) => {
      let body = "";
      response.on("data", (chunk) => (body += String(chunk)));
      response.on("end", () => reject(new Refused(response.statusCode ?? 0, response.headers, body)));
    });
  });
}

/** An item of the first frame. */
export interface ClassicItem {
  text: string;
  sender_email: string;
}

/** A client of `classic`. */
export class ClassicClient extends Client<ClassicFrame> {
  /** The messages of the first frame. */
  history: ClassicItem[] = [];

  /** The texts of the messages in the first frame. */
  get initialTexts(): string[] {
    return this.history.map(({ text }) => text);
  }

  /** Sends a message without waiting for an answer. */
  post(text: string): void {
    this.send({ message: text });
  }

  protected override check(frame: ClassicFrame): void {
    checkFrame("classic", "frame", classicTypeOf(frame), frame);
  }
}

/**
 * Connects to a room and resolves when the history has come. Rejects with `Refused` over HTTP, with `Closed` after the 101.
 */
export async function connectClassic(
  host: string,
  room: string,
  options: ConnectOptions = {},
): Promise<ClassicClient> {
  const client = new ClassicClient(openSocket(`ws://${host}/ws/chat/${room}/`, options));
  await Promise.race([client.next(), refused(client.socket)]);
  client.history = JSON.parse(client.texts[0] ?? "") as ClassicItem[];
  return client;
}

type FrameType = V2Frame["type"];
export type FrameOf<T extends FrameType> = Extract<V2Frame, { type: T }>;
/** An ack on a room's URL. */
export type RoomAck = Required<AckFrame>;
type OptionalId<T> = T extends { id?: string } ? Omit<T, "id"> & { id?: string } : never;
/** A command that is answered. Without an `id` it is given one. */
export type CommandInput = OptionalId<Exclude<Command, { type: "typing" }>>;

export interface V2Options extends ConnectOptions {
  /** The `since` of the URL. */
  since?: number | string;
  /** Resumes where this client ended, with its messages. */
  after?: V2Client;
}

let commands = 0;

/**
 * A client of `chat.v2` that keeps its own copy of the room by the protocol's rules. A live change that is not the next one
 * after the cursor is a failure, and so is a frame about another room: from then on the client rejects everything.
 */
export class V2Client extends Client<V2Frame> {
  /** Known messages by `seq`. */
  readonly messages: Map<number, MessageBody>;
  /** The `rev` up to which the messages are known. */
  cursor: number;
  hello!: HelloFrame;
  #cursorWaiters: { rev: number; resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(socket: ws.WebSocket, after?: V2Client) {
    super(socket);
    this.messages = new Map(after?.messages);
    this.cursor = after?.cursor ?? 0;
  }

  /** The next frame of a type, or that matches; frames before it are kept. Rejects when the connection ends first. */
  override next<T extends FrameType>(type: T): Promise<FrameOf<T>>;
  override next(matches?: (frame: V2Frame) => boolean): Promise<V2Frame>;
  override next(wanted?: FrameType | ((frame: V2Frame) => boolean)): Promise<V2Frame> {
    return super.next(typeof wanted === "string" ? (frame) => frame.type === wanted : wanted);
  }

  /** Frames that were received and not asked for, of these types only where there are any. */
  override unread(...types: FrameType[]): readonly V2Frame[] {
    return super.unread().filter(({ type }) => types.length === 0 || types.includes(type));
  }

  /** The texts of the messages in the first frame. */
  get initialTexts(): string[] {
    return this.hello.messages.map(({ text }) => text);
  }

  /** Sends a message without waiting for an answer. */
  post(text: string): void {
    this.send({ type: "send", id: `command-${++commands}`, text });
  }

  /** Sends a command and resolves with its answer. */
  async command(input: CommandInput): Promise<RoomAck | ErrorFrame> {
    const { id = `command-${++commands}`, ...rest } = input;
    this.send({ ...rest, id });
    const answer = await this.next(
      (frame) => (frame.type === "ack" || frame.type === "error") && frame.id === id,
    );
    return answer as RoomAck | ErrorFrame;
  }

  /** Sends a command and resolves with its ack. Rejects when it is refused. */
  async ack(input: CommandInput): Promise<RoomAck> {
    const answer = await this.command(input);
    if (answer.type === "ack") return answer;
    throw new Error(`${input.type} was refused: ${JSON.stringify(answer)}`);
  }

  /** Sends a command and resolves with its error. Rejects when it is accepted. */
  async error(input: CommandInput): Promise<ErrorFrame> {
    const answer = await this.command(input);
    if (answer.type === "error") return answer;
    throw new Error(`${input.type} was accepted: ${JSON.stringify(answer)}`);
  }

  /** Sends a message and resolves with its ack. */
  say(text: string): Promise<RoomAck> {
    return this.ack({ type: "send", text });
  }

  /** Resolves when the cursor has reached `rev`. The frames that advanced it can still be asked for. */
  reach(rev: number): Promise<void> {
    if (this.cursor >= rev) return Promise.resolve();
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => this.#cursorWaiters.push({ rev, resolve, reject }));
  }

  /** The known messages by `seq`. */
  known(): MessageBody[] {
    return [...this.messages.values()].toSorted((a, b) => a.seq - b.seq);
  }

  protected override check(frame: V2Frame): void {
    checkFrame("room", "frame", frame.type, frame);
  }

  protected override receive(frame: V2Frame): void {
    this.#apply(frame);
    super.receive(frame);
    const reached = this.#cursorWaiters.filter(({ rev }) => rev <= this.cursor);
    this.#cursorWaiters = this.#cursorWaiters.filter(({ rev }) => rev > this.cursor);
    for (const { resolve } of reached) resolve();
  }

  protected override fail(error: Error): void {
    super.fail(error);
    for (const { reject } of this.#cursorWaiters.splice(0)) reject(this.failure ?? error);
  }

  #apply(frame: V2Frame): void {
    if (frame.type === "hello") {
      this.hello = frame;
      if (!frame.resumed) this.messages.clear();
    }
    if (frame.type === "change" && frame.message.rev !== this.cursor + 1)
      this.fail(new Error(`change ${frame.message.rev} came when the cursor was ${this.cursor}`));
    if (!isAbout(frame, this.hello)) this.fail(new Error(`not about this room: ${frame.type}`));
    for (const message of messagesOf(frame)) this.messages.set(message.seq, message);
    if (frame.type === "change") this.cursor = frame.message.rev;
    if (frame.type === "changes" || frame.type === "hello") this.cursor = frame.rev;
  }
}

/** Whether a frame belongs in a connection to the room of this `hello`. An error names the room of its command, which may be another one. */
function isAbout(frame: V2Frame, hello: HelloFrame): boolean {
  if (frame.type === "token.expiring" || frame.type === "restarting") return true;
  if (frame.type === "hello" || frame.type === "room") return frame.room.id === hello.room.id;
  return frame.type === "error" ? frame.room !== undefined : frame.room === hello.room.id;
}

function messagesOf(frame: V2Frame): readonly MessageBody[] {
  if (frame.type === "change") return [frame.message];
  return frame.type === "changes" || frame.type === "hello" ? frame.messages : [];
}

/** Connects to a room and resolves when the `hello` has come. Rejects with `Refused` over HTTP, with `Closed` after the 101. */
export async function connectV2(host: string, room: string, options: V2Options = {}): Promise<V2Client> {
  const { after, since = after?.cursor, protocols = ["chat.v2"] } = options;
  const query = since === undefined ? "" : `?since=${since}`;
  const socket = openSocket(`ws://${host}/ws/chat/${room}/${query}`, { ...options, protocols });
  const client = new V2Client(socket, after);
  await Promise.race([client.next("hello"), refused(client.socket)]);
  return client;
}

/** Connects in either dialect. See `connectClassic` and `connectV2`. */
export function connect(
  dialect: Dialect,
  host: string,
  room: string,
  options: ConnectOptions = {},
): Promise<ClassicClient | V2Client> {
  return dialect === "classic" ? connectClassic(host, room, options) : connectV2(host, room, options);
}

/** How an upgrade was refused over HTTP. Rejects when it was not. */
export async function refusal(connecting: Promise<unknown>): Promise<Refused> {
  const outcome = await connecting.catch((error: unknown) => error);
  if (outcome instanceof Refused) return outcome;
  throw new Error("the upgrade was not refused", { cause: outcome });
}

/** How a connection was refused: `404 room_not_found` over HTTP, `4404 room_not_found` after the 101. */
export async function refusedWith(connecting: Promise<unknown>): Promise<string> {
  const outcome = await connecting.catch((error: unknown) => error);
  if (outcome instanceof Refused) return `${outcome.status} ${String(outcome.problem["code"])}`;
  if (outcome instanceof Closed) return `${outcome.code} ${outcome.reason}`;
  throw new Error("the connection was not refused", { cause: outcome });
}
