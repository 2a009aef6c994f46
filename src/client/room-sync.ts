import type { HelloFrame, NoticeFrame, ServerFrame } from "../protocol/frames.ts";
import { Api } from "./api.ts";
import { Connection } from "./connection.ts";
import { deferred } from "./deferred.ts";
import { type ErrorCode, ParleyError } from "./error.ts";
import { EventEmitter, type Status } from "./events.ts";
import { type Change, History } from "./history.ts";
import type { ConnectOptions } from "./options.ts";
import { Sender } from "./sender.ts";
import { systemClock } from "./timer.ts";
import { serverUrl } from "./url.ts";

/** WebSocket close codes (RFC 6455, section 7.4; 4000 and up are Parley's). */
const NORMAL_CLOSURE = 1000;
const MESSAGE_TOO_BIG = 1009;
const FORBIDDEN = 4403;

/** Keeps a local copy of a room in sync with the server: applies its frames, reconnects, and emits what changes. */
export class RoomSync {
  /** Settled when the room is first open, or closed before that. */
  readonly ready = deferred<void>();
  readonly events = new EventEmitter();
  readonly history: History;
  readonly sender: Sender;
  readonly connection: Connection;
  /** Its requests end when the room is closed. */
  readonly api: Api;
  status: Status = "connecting";
  /** The latest `hello`, kept up to date by the notices that followed. */
  hello: HelloFrame | undefined;
  readonly #abort = new AbortController();

  constructor(options: ConnectOptions) {
    const {
      url,
      room,
      token,
      since,
      keep = 10_000,
      WebSocket = globalThis.WebSocket,
      fetch,
      clock = systemClock,
      random = Math.random,
    } = options;
    if (typeof WebSocket !== "function") throw new TypeError("No WebSocket class: pass one in the options");
    if (!room) throw new TypeError("`room` is empty");
    const history = (this.history = new History(keep, since));
    const { events } = this;
    const { signal } = this.#abort;
    this.api = new Api({ url, token, fetch, signal });
    const socketUrl = `${serverUrl(url, "ws")}/ws/chat/${encodeURIComponent(room)}/`;
    const connection = (this.connection = new Connection({
      url: () => socketUrl + (history.cursor === undefined ? "" : `?since=${history.cursor}`),
      token,
      WebSocket,
      clock,
      random,
      onFrame: (frame) => this.#apply(frame),
      onDisconnect: (code) => this.#onDisconnect(code),
      onError: (error) => events.emit({ type: "error", error }),
      onStop: (code, reason) => this.#end(code, (reason || "internal") as ErrorCode),
    }));
    this.sender = new Sender({ clock, random, connection, history, events });
    globalThis.addEventListener?.("online", () => connection.retry(), { signal });
    globalThis.addEventListener?.("offline", () => connection.probe(), { signal });
    void connection.connect();
  }

  close(): void {
    this.#end(NORMAL_CLOSURE, "closed", "The room was closed.");
  }

  #apply(frame: ServerFrame): void {
    switch (frame.type) {
      case "hello":
        this.#applyHello(frame);
        break;
      case "changes":
        this.#emitChanges(this.history.applyChanges(frame));
        break;
      case "change": {
        const change = this.history.applyChange(frame);
        if (change === "gap") this.connection.replace();
        else if (change) this.#emitChanges([change]);
        break;
      }
      case "ack":
      case "error":
        this.sender.outbox.onAnswer(frame);
        break;
      case "presence":
      case "room":
      case "member":
      case "typing":
      case "read":
        if (this.hello) this.#applyNotice(frame, this.hello);
        break;
      // The connection handles these.
      case "token.expiring":
      case "restarting":
        break;
    }
  }

  #applyHello(frame: HelloFrame): void {
    // Commands of one user must not be sent as another.
    if (this.hello && this.hello.me.id !== frame.me.id) {
      this.#end(FORBIDDEN, "forbidden");
      return;
    }
    const isFirst = this.history.cursor === undefined;
    const outcome = this.history.applyHello(frame);
    if (!isFirst && !Array.isArray(outcome)) {
      // A command that names a `seq` might change a different message now.
      const error = new ParleyError("conflict", "The room was recreated or restored.");
      this.sender.outbox.drop(error, "send");
    }
    if (outcome === "diverged") {
      this.connection.replace();
      return;
    }
    this.hello = frame;
    this.ready.resolve();
    this.#setStatus("open");
    if (outcome === "reset") {
      // Every message that was stored is in this `hello`, or was lost with the room's past.
      this.sender.onReceived(frame.me, frame.messages, Infinity);
      this.events.emit({ type: "reset" });
    } else {
      this.#emitChanges(outcome);
    }
    this.sender.outbox.open();
  }

  #applyNotice(notice: NoticeFrame, hello: HelloFrame): void {
    const isMe = notice.type !== "room" && notice.user.id === hello.me.id;
    // This user is typing on another connection.
    if (notice.type === "typing" && isMe) return;
    if (notice.type === "presence") {
      const others = hello.online.filter(({ id }) => id !== notice.user.id);
      hello.online = notice.online ? [...others, notice.user] : others;
    }
    if (notice.type === "room") hello.room.name = notice.room.name;
    if (notice.type === "member" && isMe) hello.room.role = notice.role;
    this.events.emit(notice);
  }

  #emitChanges(changes: Change[]): void {
    const messages = changes.map(({ message }) => message);
    this.sender.onReceived(this.hello?.me, messages);
    for (const change of changes) this.events.emit(change);
  }

  #onDisconnect(code: number | undefined): void {
    const { outbox } = this.sender;
    if (code === MESSAGE_TOO_BIG)
      outbox.fail(new ParleyError("message_too_long", "The message is too long."));
    outbox.pause();
    this.#setStatus("connecting");
  }

  #setStatus(status: Status): void {
    if (this.status === status || this.status === "closed") return;
    this.status = status;
    this.events.emit({ type: "status", status });
  }

  #end(
    code: number,
    reason: ErrorCode,
    message = `Connection closed: ${reason.replaceAll("_", " ")}.`,
  ): void {
    if (this.status === "closed") return;
    const error = new ParleyError(reason, message);
    this.connection.close();
    this.#abort.abort(error);
    this.#setStatus("closed");
    this.sender.outbox.close(error);
    this.ready.reject(error);
    this.events.emit({ type: "closed", code, reason });
    this.events.end();
  }
}
