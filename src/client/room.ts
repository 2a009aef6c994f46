import type {
  Hello,
  LimitsBody,
  MemberBody,
  MessageBody,
  ServerFrame,
  UserBody,
} from "../protocol/frames.ts";
import { Api } from "./api.ts";
import { Connection } from "./connection.ts";
import {
  address,
  type Clock,
  type Fetch,
  type Random,
  type SocketClass,
  systemClock,
  type Token,
} from "./options.ts";
import { type ErrorCode, ParleyError } from "./error.ts";
import { Events, type RoomEvent, type RoomEventOf, type Status } from "./events.ts";
import { type Change, History, type RoomPosition } from "./history.ts";
import type { Ack, Unnamed } from "./outbox.ts";
import type { PendingMessage } from "./pending.ts";
import { Sending, type SendOptions } from "./sender.ts";

export interface ConnectOptions {
  /** The server's: http(s) or ws(s), with a path in front of Parley's if it has one. */
  url: string;
  /** The room's id. */
  room: string;
  token: Token;
  /** Begin with what came after this, instead of with the last 50 messages. */
  since?: RoomPosition | undefined;
  /** How many messages are kept; the oldest go first. 10,000 unless told. */
  keep?: number;
  WebSocket?: SocketClass;
  fetch?: Fetch;
  clock?: Clock;
  /** Where waits are drawn from. */
  random?: Random;
}

/** Milliseconds from one `typing` to the next. */
const typingPause = 3_000;

/**
 * A room, and a connection to it that is made again whenever it is lost. Its messages are always a window without gaps;
 * what is sent gets there once, in order, however often the network goes away.
 */
export class Room implements AsyncIterable<RoomEvent> {
  readonly id: string;
  /** Resolves when the room is there for the first time. Rejects with a `ParleyError` when it is closed before. */
  readonly ready: Promise<void>;
  readonly #clock: Clock;
  readonly #events = new Events();
  readonly #history: History;
  readonly #sending: Sending;
  readonly #connection: Connection;
  readonly #api: Api;
  readonly #abort = new AbortController();
  #resolveReady!: () => void;
  #rejectReady!: (error: ParleyError) => void;
  #status: Status = "connecting";
  #hello: Hello | undefined;
  #older: Promise<MessageBody[]> | undefined;
  #typedAt = -Infinity;

  constructor(options: ConnectOptions) {
    const {
      url,
      room,
      token,
      since,
      keep = 10_000,
      clock = systemClock,
      random = Math.random,
      fetch,
    } = options;
    const { WebSocket = globalThis.WebSocket } = options;
    if (typeof WebSocket !== "function") throw new TypeError("there is no WebSocket here; pass one");
    if (!room) throw new TypeError("a room has an id");
    this.id = room;
    this.#clock = clock;
    this.#history = new History(keep, since);
    this.#api = new Api({ url, token, signal: this.#abort.signal, ...(fetch && { fetch }) });
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    this.ready.catch(() => undefined);
    const socketUrl = `${address(url, "ws")}/ws/chat/${encodeURIComponent(room)}/`;
    const connection = (this.#connection = new Connection({
      url: () => socketUrl + (this.#history.cursor === undefined ? "" : `?since=${this.#history.cursor}`),
      token,
      WebSocket,
      clock,
      random,
      frame: (frame) => this.#take(frame),
      lost: (code) => {
        const { outbox } = this.#sending;
        if (code === 1009) outbox.refuse(new ParleyError("message_too_long", "No frame may be that long."));
        outbox.lost();
        this.#become("connecting");
      },
      error: (error) => this.#events.emit({ type: "error", error }),
      stopped: (code, reason) => this.#end(code, (reason || "internal") as ErrorCode),
    }));
    this.#sending = new Sending({
      clock,
      random,
      send: (command) => connection.send(command),
      stuck: () => connection.probe(),
      cursor: () => this.#history.cursor ?? 0,
      emit: (event) => this.#events.emit(event),
    });
    const { signal } = this.#abort;
    globalThis.addEventListener?.("online", this.retry, { signal });
    globalThis.addEventListener?.("offline", () => connection.probe(), { signal });
    void connection.dial();
  }

  get status(): Status {
    return this.#status;
  }

  /** The messages, oldest first, without gaps, up to the newest. The same array until something in it changes. */
  get messages(): readonly MessageBody[] {
    return this.#history.messages;
  }

  /** Whether `messages` begins with the room's first, so that `older` has nothing to add. */
  get complete(): boolean {
    return this.#hello !== undefined && this.#history.cursor !== undefined && this.#history.first === 1;
  }

  /** What was sent here and is not among the messages yet. The same array until something in it changes. */
  get pending(): readonly PendingMessage[] {
    return this.#sending.pending;
  }

  /** Who is connected. This and what follows is undefined, or empty, before the room is there for the first time. */
  get online(): readonly UserBody[] {
    return this.#hello?.online ?? [];
  }

  get me(): UserBody | undefined {
    return this.#hello?.me;
  }

  get name(): string | undefined {
    return this.#hello?.room.name;
  }

  /** Null for an administrator who is not a member. */
  get role(): MemberBody["role"] | null | undefined {
    return this.#hello?.room.role;
  }

  get limits(): LimitsBody | undefined {
    return this.#hello?.limits;
  }

  /** How far the room is known: what to keep, and to give to a later `connect` as its `since`. */
  get position(): RoomPosition | undefined {
    return this.#history.position;
  }

  /** Calls the listener with each event of this type, until the function that is returned is called. */
  on<T extends RoomEvent["type"]>(type: T, listener: (event: RoomEventOf<T>) => void): () => void {
    return this.#events.on(type, listener);
  }

  /** Every event from now on; for the first reader, all since `connect`. One that falls a thousand behind gets one `reset` in their place. Ends when the room is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<RoomEvent, undefined> {
    return this.#events[Symbol.asyncIterator]();
  }

  /**
   * Sends a message. It is in `pending` until it is among the messages. Like every command it waits for a connection if
   * need be, and is repeated until the server has answered; it is stored once. Resolves when it is on disk; rejects with
   * a `ParleyError` when the server refuses it, and with `closed` or `too_many_pending`.
   */
  send(text: string, options: SendOptions = {}): Promise<Ack> {
    return this.#sending.message(text, options);
  }

  /** Replaces the text of a message of one's own. */
  edit(seq: number, text: string): Promise<Ack> {
    return this.#do({ type: "edit", seq, text });
  }

  /** Deletes a message of one's own, or as a moderator any. */
  remove(seq: number): Promise<Ack> {
    return this.#do({ type: "delete", seq });
  }

  /** Adds a reaction of one's own, or takes it away. */
  react(seq: number, emoji: string, on = true): Promise<Ack> {
    return this.#do({ type: "react", seq, emoji, on });
  }

  /** Moves one's read mark forward, to the newest message unless told. */
  read(seq = this.#history.last): Promise<Ack> {
    return this.#do({ type: "read", seq });
  }

  /** Shows the others that one is typing. To be called at every key; it goes out every three seconds at most. */
  typing(): void {
    const now = this.#clock.now();
    if (this.#status !== "open" || Math.abs(now - this.#typedAt) < typingPause) return;
    this.#typedAt = now;
    this.#connection.send({ type: "typing" });
  }

  /**
   * Puts up to so many older messages, 100 at most, in front of the others, and resolves with them; with none when there
   * are no older ones, or `keep` are there. Rejects with a `ParleyError`, or with what `token` threw.
   */
  older(limit = 50): Promise<MessageBody[]> {
    const read = (before: number, count: number) =>
      this.#api.messages(this.id, { before, limit: Math.min(count, 100) });
    this.#older ??= this.#history.older(Math.min(limit, 100), read).finally(() => (this.#older = undefined));
    return this.#older;
  }

  /** Ends it: nothing goes out any more, what was not stored is rejected with `closed`, readers end. */
  close(): void {
    this.#end(1000, "closed");
  }

  /** Tries to connect now, or makes sure that the connection stands: where there is no `online` event, or a page comes back. */
  readonly retry = (): void => this.#connection.hurry();

  #do(command: Unnamed): Promise<Ack> {
    return this.#sending.outbox.add(command);
  }

  #take(frame: ServerFrame): void {
    const hello = this.#hello;
    switch (frame.type) {
      case "hello":
        this.#begin(frame);
        break;
      case "changes":
        this.#tell(this.#history.changes(frame));
        break;
      case "change": {
        const change = this.#history.change(frame);
        if (change === "gap") this.#connection.replace();
        else if (change) this.#tell([change]);
        break;
      }
      case "ack":
      case "error":
        this.#sending.outbox.answered(frame);
        break;
      case "presence": {
        const others = this.online.filter(({ id }) => id !== frame.user.id);
        if (hello) hello.online = frame.online ? [...others, frame.user] : others;
        this.#events.emit(frame);
        break;
      }
      case "room":
        if (hello) hello.room.name = frame.room.name;
        this.#events.emit(frame);
        break;
      case "member":
        if (hello && hello.me.id === frame.user.id) hello.room.role = frame.role;
        this.#events.emit(frame);
        break;
      case "typing":
        if (frame.user.id !== this.me?.id) this.#events.emit(frame);
        break;
      case "read":
        this.#events.emit(frame);
        break;
      case "token.expiring":
      case "restarting":
        break;
    }
  }

  #begin(frame: Hello): void {
    // What waits here is not to be said by somebody else.
    if (this.#hello && this.#hello.me.id !== frame.me.id) {
      this.#end(4403, "forbidden");
      return;
    }
    const known = this.#history.cursor !== undefined;
    const outcome = this.#history.hello(frame);
    if (known && typeof outcome === "string") {
      // A `seq` is another message's now, or nobody's.
      const error = new ParleyError("conflict", "The room has begun anew.");
      this.#sending.outbox.drop(error, ({ type }) => type !== "send");
    }
    if (outcome === "foreign") {
      this.#connection.replace();
      return;
    }
    this.#hello = frame;
    this.#resolveReady();
    this.#become("open");
    if (outcome === "reset") {
      // What was stored before is in it, or was lost with the room's past.
      this.#sending.arrived(frame.me, frame.messages, Infinity);
      this.#events.emit({ type: "reset" });
    } else {
      this.#tell(outcome);
    }
    this.#sending.outbox.opened();
  }

  #tell(changes: Change[]): void {
    const messages = changes.map(({ message }) => message);
    this.#sending.arrived(this.me, messages);
    for (const change of changes) this.#events.emit(change);
  }

  #become(status: Status): void {
    if (this.#status === status || this.#status === "closed") return;
    this.#status = status;
    this.#events.emit({ type: "status", status });
  }

  #end(code: number, reason: ErrorCode): void {
    if (this.#status === "closed") return;
    const error = new ParleyError(
      reason,
      reason === "closed" ? "The room was closed." : `The server has ended this: ${code} ${reason}.`,
    );
    this.#connection.close();
    this.#abort.abort(error);
    this.#become("closed");
    this.#sending.outbox.close(error);
    this.#rejectReady(error);
    this.#events.emit({ type: "closed", code, reason });
    this.#events.end();
  }
}

/** Enters a room. Whatever fails from here on is tried again, or told by events. Throws a `TypeError` for a wrong URL. */
export function connect(options: ConnectOptions): Room {
  return new Room(options);
}
