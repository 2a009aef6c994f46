import { afterClose } from "../protocol/error-codes.ts";
import type { Command, ServerFrame } from "../protocol/frames.ts";
import {
  backoff,
  type Clock,
  type Random,
  type Socket,
  type SocketClass,
  Timer,
  type Token,
} from "./options.ts";
import { type ErrorCode, ParleyError } from "./error.ts";
import { readFrame } from "./frame.ts";

export interface ConnectionOptions {
  /** Where to connect. It is asked each time, since the `since` in it moves. */
  url: () => string;
  token: Token;
  WebSocket: SocketClass;
  clock: Clock;
  random: Random;
  /** A frame of the server. The first one of each connection is its `hello`. */
  frame: (frame: ServerFrame) => void;
  /** There is no connection; another try follows. The close code, if the server sent one. */
  lost: (code: number | undefined) => void;
  /** Something failed that is tried again. */
  error: (error: unknown) => void;
  /** The server wants no other try. */
  stopped: (code: number, reason: string) => void;
}

/** Milliseconds for a connection to open, while a browser may make many, one after the other, … */
const opening = 30_000;
/** … and then to say `hello`, which may be long, and the line slow. */
const greeting = 60_000;
/** Milliseconds of silence after which the server is asked for a word, … */
const quiet = 30_000;
/** … and that it has to answer. */
const patience = 10_000;
/** Milliseconds that a token may take: somebody may have to log in. */
const tokenPatience = 60_000;
/** Milliseconds until a fresh token is asked for again. */
const again = 5_000;
/** Milliseconds that a connection must have lasted to be replaced at once, … */
const sound = 1_000;
/** … and for the next wait to be a short one again: not to go in a circle. */
const settled = 5_000;

/** What there may be in an event. */
interface SocketEvent {
  data: unknown;
  code: number;
  reason: string;
}

/** A connection that is made again whenever it is lost, until one side ends it for good. */
export class Connection {
  readonly #options: ConnectionOptions;
  /** Undefined while the token is fetched, and between two tries. */
  #socket: Socket | undefined;
  #open = false;
  #openedAt = 0;
  /** When the server was last heard; undefined while it owes an answer. */
  #heardAt: number | undefined;
  /** Counts what happens, so that a token that comes too late is not used. */
  #turn = 0;
  #failures = 0;
  /** The server has refused the last token. */
  #refresh = false;
  /** Milliseconds for which the server wants to be left alone after this connection, … */
  #hold = 0;
  /** … and until when that is. */
  #notBefore = 0;
  /** Until the next try, or for the `hello`, or until the next probe, or for its answer. */
  readonly #timer: Timer;
  /** Until a fresh token is asked for again, which could not be had. */
  readonly #again: Timer;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#timer = new Timer(options.clock);
    this.#again = new Timer(options.clock);
  }

  /** Connects, now. */
  async dial(): Promise<void> {
    const { url, WebSocket, error: failed } = this.#options;
    const turn = ++this.#turn;
    this.#timer.set();
    try {
      // Whoever has just called `connect` is to hear of what fails at once, too.
      await Promise.resolve();
      if (turn !== this.#turn) return;
      this.#timer.set(tokenPatience, this.#unreached);
      const bearer = await this.#token(this.#refresh);
      if (turn !== this.#turn) return;
      this.#refresh = false;
      const socket = new WebSocket(url() as never, ["chat.v2", `bearer.${bearer}`] as never);
      this.#socket = socket;
      const on = (type: "open" | "message" | "close" | "error", work: (event: SocketEvent) => void) =>
        socket.addEventListener(type, (event) => {
          if (socket === this.#socket) work(event as SocketEvent);
        });
      on("open", () => this.#timer.set(greeting, this.#unreached));
      on("message", ({ data }) => this.#hear(data));
      on("close", ({ code, reason }) => this.#ended(code, reason));
      // A close follows each error, but not in every Node; where it does, it comes first.
      on("error", () => this.#timer.set(0, this.#unreached));
      this.#timer.set(opening, this.#unreached);
    } catch (error) {
      if (turn !== this.#turn) return;
      failed(error);
      // Whoever heard of it may have closed the room.
      if (turn === this.#turn) this.#lose();
    }
  }

  send(command: Command): void {
    if (this.#open) this.#socket?.send(JSON.stringify(command));
  }

  /** Gives this connection up for another: at once, unless it has only just begun. */
  replace(): void {
    this.#lose(undefined, this.#options.clock.now() - this.#openedAt >= sound);
  }

  /** Asks the server for a word. */
  probe(): void {
    if (!this.#open || this.#heardAt === undefined) return;
    this.#heardAt = undefined;
    // It moves nothing, and is acked.
    this.send({ type: "read", id: "probe", seq: 0 });
    this.#timer.set(patience, () => (this.#heardAt === undefined ? this.#lose() : this.#listen()));
  }

  /** The network is back: tries now, or makes sure that what is open still stands. */
  hurry(): void {
    if (this.#socket) this.probe();
    else if (this.#options.clock.now() >= this.#notBefore) void this.dial();
  }

  close(): void {
    this.#turn++;
    this.#timer.set();
    this.#drop(1000);
  }

  #hear(data: unknown): void {
    const { clock, frame: take, error: failed } = this.#options;
    this.#heardAt = clock.now();
    const frame = readFrame(data);
    if (frame?.type === "hello") {
      this.#open = true;
      this.#openedAt = clock.now();
      this.#listen();
    } else if (frame?.type === "restarting") {
      this.#hold = frame.retry_after_ms;
    } else if (frame?.type === "token.expiring") {
      void this.#renew();
    } else if (frame?.type === "error" && (frame.id === undefined || frame.id === "auth")) {
      const { code, message, retry_after_ms: retryAfterMs } = frame;
      failed(new ParleyError(code, message, { retryAfterMs }));
    }
    try {
      if (frame && this.#open) take(frame);
    } catch (error) {
      // Of a server that is none of ours.
      failed(error);
      this.#lose();
    }
  }

  readonly #unreached = () => this.#ended(1006, "");

  #ended(code: number, reason: string): void {
    const next = afterClose(code);
    if (next === "stop") {
      this.close();
      this.#options.stopped(code, reason);
      return;
    }
    if (next === "renew") this.#refresh = true;
    const turn = this.#turn;
    if (!this.#open) {
      const why = reason
        ? `The server lets nobody in: ${reason}.`
        : "The server can't be reached, or admits no page of this origin.";
      this.#options.error(new ParleyError((reason || "network") as ErrorCode, why));
    }
    if (turn === this.#turn) this.#lose(code);
  }

  #lose(code?: number, atOnce = false): void {
    const { clock, random, lost } = this.#options;
    const turn = ++this.#turn;
    if (this.#open && Math.abs(clock.now() - this.#openedAt) >= settled) this.#failures = 0;
    this.#timer.set();
    this.#drop();
    lost(code);
    // Whoever heard of it may have closed the room.
    if (turn !== this.#turn) return;
    const delay = atOnce && this.#hold === 0 ? 0 : this.#hold + backoff(this.#failures++, random);
    this.#notBefore = clock.now() + this.#hold;
    this.#hold = 0;
    this.#timer.set(delay, () => void this.dial());
  }

  /** Sees to it that the server is heard from time to time. */
  #listen(): void {
    const now = this.#options.clock.now();
    // A clock that was set back must not put it off.
    if (now < (this.#heardAt ?? 0)) this.#heardAt = now;
    const silence = now - (this.#heardAt ?? 0);
    if (silence >= quiet) this.probe();
    else this.#timer.set(quiet - silence, () => this.#listen());
  }

  /** Gets a fresh token, and gives it to the server. Without it the connection ends with 4401, and is made again. */
  async #renew(): Promise<void> {
    const turn = this.#turn;
    try {
      const token = await this.#token(true);
      if (turn === this.#turn) this.send({ type: "auth", id: "auth", token });
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#options.error(error);
      this.#again.set(again, () => void this.#renew());
    }
  }

  async #token(refresh: boolean): Promise<string> {
    const token = await this.#options.token({ refresh });
    if (!token) throw new TypeError("`token` gave none");
    return token;
  }

  #drop(code?: number): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#open = false;
    this.#again.set();
    // Whoever is lost does not answer.
    if (code === undefined && socket?.terminate) socket.terminate();
    else socket?.close(code);
  }
}
