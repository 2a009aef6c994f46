import { afterClose } from "../protocol/close.ts";
import type { Command, ServerFrame } from "../protocol/frames.ts";
import {
  backoff,
  type Clock,
  type Random,
  type Socket,
  type SocketClass,
  type Token,
} from "./environment.ts";
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

/** Milliseconds for a connection to open and to say `hello`. */
const opening = 15_000;
/** Milliseconds of silence after which the server is asked for a word, … */
const quiet = 30_000;
/** … and that it has to answer. */
const patience = 10_000;
/** Milliseconds that a token may take: somebody may have to log in. */
const tokenPatience = 60_000;
/** Milliseconds that a connection must have lasted to be replaced at once, … */
const sound = 1_000;
/** … and for the next wait to be a short one again: not to go in a circle. */
const settled = 5_000;

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
  /** The only timer: until the next try, or for the `hello`, or until the next probe, or for its answer. */
  #timer: unknown;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Connects, now. */
  async dial(): Promise<void> {
    const { url, token, WebSocket, error: failed } = this.#options;
    const turn = ++this.#turn;
    this.#after();
    try {
      // Whoever has just called `connect` is to hear of what fails at once, too.
      await Promise.resolve();
      if (turn !== this.#turn) return;
      this.#after(tokenPatience, () => this.#ended(1006, ""));
      const bearer = await token({ refresh: this.#refresh });
      if (turn !== this.#turn) return;
      if (!bearer) throw new TypeError("`token` gave none");
      const socket = new WebSocket(url() as never, ["chat.v2", `bearer.${bearer}`] as never);
      this.#socket = socket;
      socket.addEventListener("message", ({ data }) => {
        if (socket === this.#socket) this.#hear(data);
      });
      socket.addEventListener("close", ({ code, reason }) => {
        if (socket === this.#socket) this.#ended(code, reason);
      });
      // A close follows each error, but not in every Node; where it does, it comes first.
      socket.addEventListener("error", () => {
        if (socket === this.#socket) this.#after(0, () => this.#ended(1006, ""));
      });
      this.#after(opening, () => this.#ended(1006, ""));
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

  /** The answer to a command is overdue. */
  giveUp(): void {
    this.#lose();
  }

  /** Asks the server for a word. */
  probe(): void {
    if (!this.#open || this.#heardAt === undefined) return;
    this.#heardAt = undefined;
    // It moves nothing, and is acked.
    this.send({ type: "read", id: "probe", seq: 0 });
    this.#after(patience, () => (this.#heardAt === undefined ? this.#lose() : this.#listen()));
  }

  /** The network is back: tries now, or makes sure that what is open still stands. */
  hurry(): void {
    if (this.#socket) this.probe();
    else if (this.#options.clock.now() >= this.#notBefore) void this.dial();
  }

  close(): void {
    this.#turn++;
    this.#after();
    this.#drop(1000);
  }

  #hear(data: unknown): void {
    const { clock, frame: take, error: failed } = this.#options;
    this.#heardAt = clock.now();
    const frame = readFrame(data);
    if (frame?.type === "hello") {
      this.#open = true;
      this.#openedAt = clock.now();
      this.#refresh = false;
      this.#listen();
    } else if (frame?.type === "restarting") {
      this.#hold = frame.retry_after_ms;
    } else if (frame?.type === "token.expiring") {
      void this.#renew();
    } else if (frame?.type === "error" && (frame.id === undefined || frame.id === "auth")) {
      const { code, message, retry_after_ms: retryAfterMs } = frame;
      failed(new ParleyError(code, message, { retryAfterMs }));
    }
    if (frame && this.#open) take(frame);
  }

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
      const why = reason ? `The server lets nobody in: ${reason}.` : "The server can't be reached.";
      this.#options.error(new ParleyError((reason || "network") as ErrorCode, why));
    }
    if (turn === this.#turn) this.#lose(code);
  }

  #lose(code?: number, atOnce = false): void {
    const { clock, random, lost } = this.#options;
    const turn = ++this.#turn;
    if (this.#open && clock.now() - this.#openedAt >= settled) this.#failures = 0;
    this.#after();
    this.#drop();
    lost(code);
    // Whoever heard of it may have closed the room.
    if (turn !== this.#turn) return;
    const delay = atOnce && this.#hold === 0 ? 0 : this.#hold + backoff(this.#failures++, random);
    this.#notBefore = clock.now() + this.#hold;
    this.#hold = 0;
    this.#after(delay, () => void this.dial());
  }

  /** Sees to it that the server is heard from time to time. */
  #listen(): void {
    const now = this.#options.clock.now();
    // A clock that was set back must not put it off.
    if (now < (this.#heardAt ?? 0)) this.#heardAt = now;
    const silence = now - (this.#heardAt ?? 0);
    if (silence >= quiet) this.probe();
    else this.#after(quiet - silence, () => this.#listen());
  }

  /** Gets a fresh token, and gives it to the server. Without it the connection ends with 4401, and is made again. */
  async #renew(): Promise<void> {
    const { token, error: failed } = this.#options;
    const turn = this.#turn;
    try {
      const bearer = await token({ refresh: true });
      if (turn === this.#turn) this.send({ type: "auth", id: "auth", token: bearer });
    } catch (error) {
      if (turn === this.#turn) failed(error);
    }
  }

  #drop(code?: number): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#open = false;
    socket?.close(code);
  }

  /** Sets the timer, or only takes it away. */
  #after(milliseconds = 0, work?: () => void): void {
    const { clock } = this.#options;
    clock.clearTimeout(this.#timer as never);
    this.#timer = work && clock.setTimeout(work, milliseconds);
  }
}
