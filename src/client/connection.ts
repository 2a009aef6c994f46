import { afterClose } from "../protocol/error-codes.ts";
import type { SessionFrame } from "../protocol/frames.ts";
import type { Answer, ChatContext } from "./chat-context.ts";
import type { CommandBody } from "./command.ts";
import { type ErrorCode, errorOf, ParleyError } from "./error.ts";
import type { Socket, SocketClass, Token } from "./options.ts";
import { parseFrame } from "./parse-frame.ts";
import { Timer } from "./timer.ts";

/** What a connection tells its chat. */
export interface ConnectionOwner extends ChatContext {
  /** A frame has been received, whatever it is. */
  onReceive(): void;
  /** The first frame of each connection is its `hello`. Answers to commands are not among them. */
  onFrame(frame: SessionFrame): void;
  /** The connection was lost, or an attempt failed; another one follows. `code` is the server's close code, if any. */
  onDisconnect(code?: number): void;
  /** The server has closed the connection with a code that makes another attempt pointless, or refused two tokens. */
  onStop(code: number, reason: ErrorCode): void;
}

/** Long, because a browser opens WebSockets to one host one after the other. */
const OPEN_TIMEOUT_MS = 30_000;
/** Long, because `hello` may be large and the network slow. */
const HELLO_TIMEOUT_MS = 60_000;
/** A user may have to log in first. */
const TOKEN_TIMEOUT_MS = 60_000;
/** Delay before a token renewal is tried again. */
const TOKEN_RETRY_MS = 5_000;
/** The server is probed after this long without a frame. */
const PROBE_AFTER_MS = 30_000;
/** The same, while a command waits for its answer. */
const ANSWER_TIMEOUT_MS = 15_000;
/** How long the server may take to answer a probe. */
const PROBE_TIMEOUT_MS = 10_000;
/** A connection that lasted this long resets the backoff. */
const BACKOFF_RESET_MS = 5_000;

/** The properties of WebSocket events. Each event has some of them. */
interface SocketEvent {
  data: unknown;
  code: number;
  reason: string;
}

/** A WebSocket connection that reconnects whenever it is lost, until the client closes it or the server ends it for good. */
export class Connection {
  /** Whether the `hello` has been received. */
  isOpen = false;
  /** The last token. It tells the user before the server does. */
  token: string | undefined;
  readonly #chat: ConnectionOwner;
  readonly #url: string;
  readonly #requestToken: Token;
  readonly #WebSocket: SocketClass;
  /** Undefined between two attempts, and while an attempt waits for its token. */
  #socket: Socket | undefined;
  #openedAt = 0;
  /** Whether no frame has been received since the last probe. */
  #isProbing = false;
  /** Incremented by each attempt and each disconnect. Work started under an older number is discarded. */
  #generation = 0;
  /** Whether the server has rejected the last token. */
  #refreshToken = false;
  /** Whether the token of this attempt was requested after the server had rejected another one. */
  #isRefreshed = false;
  #lastId = 0;
  /** The commands that were sent on this connection and not answered, by `id`. */
  readonly #unanswered = new Map<string, (answer: Answer) => void>();
  /** Milliseconds that the server asked the client to wait after this connection. */
  #retryAfterMs = 0;
  /** Time before which `retry` does not connect, on the clock of the options. */
  #retryNotBefore = 0;
  /** The next attempt, or the timeout of the current step, or the next probe. */
  readonly #timer: Timer;
  readonly #tokenRetryTimer: Timer;

  constructor(chat: ConnectionOwner, url: string, token: Token, WebSocket: SocketClass) {
    this.#chat = chat;
    this.#url = url;
    this.#requestToken = token;
    this.#WebSocket = WebSocket;
    this.#timer = new Timer(chat);
    this.#tokenRetryTimer = new Timer(chat);
  }

  /** Starts an attempt to connect. */
  connect(): void {
    this.#generation++;
    this.#timer.set(TOKEN_TIMEOUT_MS, this.#onTimeout);
    const refresh = this.#refreshToken;
    const open = (token: string) => {
      this.#isRefreshed = refresh;
      this.#refreshToken = false;
      const socket = new this.#WebSocket(this.#url as never, ["chat.v2", `bearer.${token}`] as never);
      this.#socket = socket;
      const on = (type: "open" | "message" | "close" | "error", listener: (event: SocketEvent) => void) =>
        socket.addEventListener(type, (event) => {
          if (socket === this.#socket) listener(event as SocketEvent);
        });
      on("open", () => this.#timer.set(HELLO_TIMEOUT_MS, this.#onTimeout));
      on("message", ({ data }) => this.#onMessage(data));
      on("close", ({ code, reason }) => this.#onClose(code, reason));
      // Some versions of Node fire no `close` after `error`. Where there is one, it comes before this timer.
      on("error", () => this.#timer.set(0, this.#onTimeout));
      this.#timer.set(OPEN_TIMEOUT_MS, this.#onTimeout);
    };
    void this.#withToken(refresh, open, () => this.#reconnect());
  }

  /** Sends a command, if there is a connection. Its answer is passed to `onAnswer`, unless the connection is lost first. */
  send(command: CommandBody, onAnswer?: (answer: Answer) => void): void {
    if (!this.isOpen) return;
    const id = String(++this.#lastId);
    this.#socket?.send(JSON.stringify(onAnswer ? { ...command, id } : command));
    if (!onAnswer) return;
    this.#unanswered.set(id, onAnswer);
    if (this.#unanswered.size === 1) this.#scheduleProbe();
  }

  /** Checks that the server still answers, and reconnects if it does not. */
  probe(): void {
    if (!this.isOpen || this.#isProbing) return;
    this.#isProbing = true;
    this.send({ type: "ping" }, () => undefined);
    this.#timer.set(PROBE_TIMEOUT_MS, () => this.#reconnect());
  }

  /** Connects now, unless the server has asked for a delay. If there is a connection, probes it. */
  retry(): void {
    if (this.#socket) this.probe();
    else if (this.#chat.clock.now() >= this.#retryNotBefore) this.connect();
  }

  close(): void {
    this.#generation++;
    this.#timer.clear();
    this.#dropSocket(1000);
  }

  #onMessage(data: unknown): void {
    this.#chat.onReceive();
    this.#isProbing = false;
    const frame = parseFrame(data);
    if (frame?.type === "hello") {
      this.isOpen = true;
      this.#openedAt = this.#chat.clock.now();
    } else if (frame?.type === "restarting") {
      this.#retryAfterMs = frame.retry_after_ms;
      this.#chat.onError(new ParleyError("restarting", "The server is restarting."));
    } else if (frame?.type === "token.expiring") {
      this.#renewToken();
    }
    if (!this.isOpen) return;
    const { id = "" } = (frame ?? {}) as Partial<Answer>;
    const onAnswer = this.#unanswered.get(id);
    this.#unanswered.delete(id);
    this.#scheduleProbe();
    if (!frame) return;
    try {
      if (onAnswer) onAnswer(frame as Answer);
      else if (frame.type !== "error") this.#chat.onFrame(frame);
      // Of the commands, only `typing` has no id: when the user may not send, nobody needs to know that they type.
      else if (!frame.room) this.#chat.onError(errorOf(frame));
    } catch (error) {
      // The frame lacks fields of its type: this is not a Parley server, or a broken one.
      this.#chat.onError(error);
      this.#reconnect();
    }
  }

  readonly #onTimeout = () => this.#onClose(1006, "");

  #onClose(code: number, reason: string): void {
    const action = afterClose(code);
    // A new token that is rejected as well shows that the user is not signed in any more.
    if (action === "stop" || (action === "renew" && this.#isRefreshed && !this.isOpen)) {
      this.close();
      this.#chat.onStop(code, (reason || "internal") as ErrorCode);
      return;
    }
    if (action === "renew") this.#refreshToken = true;
    const generation = this.#generation;
    if (!this.isOpen) {
      const message = reason
        ? `Connection refused: ${reason.replaceAll("_", " ")}.`
        : "No response from the server, or it does not allow this origin.";
      this.#chat.onError(new ParleyError((reason || "network") as ErrorCode, message));
    }
    // `onError` may have closed this connection.
    if (generation === this.#generation) this.#reconnect(code);
  }

  #reconnect(code?: number): void {
    const generation = ++this.#generation;
    if (this.isOpen && Math.abs(this.#chat.clock.now() - this.#openedAt) >= BACKOFF_RESET_MS)
      this.#timer.failures = 0;
    this.#timer.clear();
    this.#dropSocket();
    this.#chat.onDisconnect(code);
    // `onDisconnect` may have closed this connection.
    if (generation !== this.#generation) return;
    this.#retryNotBefore = this.#chat.clock.now() + this.#retryAfterMs;
    this.#timer.backOff(() => this.connect(), this.#retryAfterMs);
    this.#retryAfterMs = 0;
  }

  #scheduleProbe(): void {
    this.#timer.set(this.#unanswered.size > 0 ? ANSWER_TIMEOUT_MS : PROBE_AFTER_MS, () => this.probe());
  }

  /** Sends the server a new token. If this keeps failing until the old one expires, the server closes with 4401. */
  #renewToken(): void {
    const send = (token: string) =>
      this.send({ type: "auth", token }, (answer) => {
        if (answer.type === "error") this.#chat.onError(errorOf(answer));
      });
    void this.#withToken(true, send, () =>
      this.#tokenRetryTimer.set(TOKEN_RETRY_MS, () => this.#renewToken()),
    );
  }

  /** Requests a token and uses it, unless the connection was lost or closed meanwhile. */
  async #withToken(refresh: boolean, use: (token: string) => void, onFailure: () => void): Promise<void> {
    const generation = this.#generation;
    const isCurrent = () => generation === this.#generation;
    try {
      // Lets the caller of `connect` add listeners first, so that they get errors that occur at once.
      await Promise.resolve();
      const token = isCurrent() && (await this.#requestToken({ refresh }));
      if (!isCurrent()) return;
      if (!token) throw new TypeError("token() returned no token");
      this.token = token;
      this.#chat.outbox.save();
      use(token);
    } catch (error) {
      if (isCurrent()) this.#chat.onError(error);
      // `onError` may have closed this connection.
      if (isCurrent()) onFailure();
    }
  }

  #dropSocket(code?: number): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.isOpen = false;
    this.#unanswered.clear();
    this.#tokenRetryTimer.clear();
    // A lost server does not answer a close frame.
    if (code === undefined && socket?.terminate) socket.terminate();
    else socket?.close(code);
  }
}
