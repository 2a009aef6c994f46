import type { LeftFrame, RoomSummaryBody, SessionHelloFrame, SessionLimitsBody } from "../protocol/frames.ts";
import { Api } from "./api.ts";
import type { Chat } from "./chat.ts";
import { Connection } from "./connection.ts";
import { deferred } from "./deferred.ts";
import { EventEmitter } from "./emitter.ts";
import { type ErrorCode, ParleyError } from "./error.ts";
import type { ChatEvent, ChatStatus } from "./events.ts";
import { applyFrame, type FrameTarget } from "./frames.ts";
import type { Sender } from "./messages.ts";
import { NetworkStatus } from "./network-status.ts";
import { Opener } from "./opener.ts";
import type { Clock, ConnectOptions, OpenOptions, Random } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { RoomList } from "./room-list.ts";
import { RoomReplica } from "./room-replica.ts";
import type { Room } from "./room.ts";
import { systemClock } from "./timer.ts";
import { serverUrl } from "./url.ts";

/** WebSocket close codes (RFC 6455, section 7.4; 4000 and up are Parley's). */
const NORMAL_CLOSURE = 1000;
const MESSAGE_TOO_BIG = 1009;
const UNAUTHORIZED = 4401;
const FORBIDDEN = 4403;

/** A chat's connection and its state: passes the frames to the list of rooms and to the rooms, and emits what changes. */
export class Session implements Chat, FrameTarget {
  readonly events = new EventEmitter<ChatEvent>({ type: "rooms" });
  readonly on = this.events.on;
  readonly subscribe = this.events.subscribe;
  readonly [Symbol.asyncIterator] = this.events.iterate;
  readonly api: Api;
  readonly list: RoomList;
  readonly outbox: Outbox;
  readonly connection: Connection;
  readonly clock: Clock;
  readonly random: Random;
  readonly replicas = new Map<string, RoomReplica>();
  status: ChatStatus = "connecting";
  me: Sender | undefined;
  token: string | undefined;
  limits: SessionLimitsBody | undefined;
  #ready = deferred<void>();
  readonly #keep: number;
  readonly #opener: Opener;
  readonly #abort = new AbortController();
  readonly signal = this.#abort.signal;
  readonly #network: NetworkStatus;
  /** Why the chat is closed, if it is. */
  #closedWith: ParleyError | undefined;
  /** Whether changes of the list are reported together, later. */
  #isBatch = false;

  constructor(options: ConnectOptions) {
    const {
      url,
      token,
      storage,
      keep = 10_000,
      WebSocket = globalThis.WebSocket,
      fetch,
      clock = systemClock,
      random = Math.random,
    } = options;
    if (typeof WebSocket !== "function") throw new TypeError("No WebSocket class: pass one in the options");
    this.clock = clock;
    this.random = random;
    this.#keep = keep;
    this.api = new Api({ url, token, fetch, signal: this.signal });
    this.connection = new Connection({
      url: `${serverUrl(url, "ws")}/ws/`,
      token: async (request) => {
        this.token = await token(request);
        this.outbox.save();
        return this.token;
      },
      WebSocket,
      clock,
      random,
      onReceive: () => this.#network.set(false),
      onFrame: (frame) => applyFrame(frame, this),
      onDisconnect: (code) => this.#onDisconnect(code),
      onError: this.onError,
      onStop: (code, reason) => this.#stop(code, (reason || "internal") as ErrorCode),
    });
    this.#opener = new Opener(this);
    this.list = new RoomList({
      onChange: (id) => this.#onListChange(id),
      loadOlder: (id, before) => this.api.messages(id, { before, limit: 100 }),
    });
    this.outbox = new Outbox(this, storage, `parley-chat:${serverUrl(url, "http")}:`);
    this.#network = new NetworkStatus(
      this,
      () => this.#updateStatus(),
      () => {
        if (!this.#closedWith) this.retry();
      },
    );
    void this.connection.connect();
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get rooms(): readonly RoomSummaryBody[] {
    return this.list.rooms;
  }

  get unread(): number {
    return this.list.unread;
  }

  get complete(): boolean {
    return this.list.complete;
  }

  room(id: string): RoomSummaryBody | undefined {
    return this.list.get(id);
  }

  open(id: string, { since, keep = this.#keep }: OpenOptions = {}): Room {
    if (!id) throw new TypeError("The id of the room is empty");
    let replica = this.replicas.get(id);
    if (!replica) {
      replica = new RoomReplica(id, this, keep, since);
      if (this.signal.aborted && this.#closedWith) {
        replica.end(this.#closedWith);
      } else {
        this.replicas.set(id, replica);
        this.syncRoom(id);
      }
    }
    replica.hold();
    return replica;
  }

  syncRoom(room: string): void {
    this.#opener.add(room);
  }

  onEnd(room: string, { code }: ParleyError): void {
    this.replicas.delete(room);
    if (code === "closed") this.syncRoom(room);
  }

  readonly onError = (error: unknown): void => this.events.emit({ type: "error", error });

  readonly retry = (): void => {
    if (this.signal.aborted) return;
    if (!this.#closedWith) return this.connection.retry();
    this.#closedWith = undefined;
    this.#ready = deferred();
    this.#updateStatus();
    for (const replica of this.replicas.values()) replica.restart();
    void this.connection.connect();
  };

  close(): void {
    this.#end(NORMAL_CLOSURE, new ParleyError("closed", "The chat was closed."));
  }

  applyHello({ me, limits, rooms, more }: SessionHelloFrame): void {
    // Commands of one user must not be sent as another.
    if (this.me && this.me.id !== me.id) return this.#end(FORBIDDEN, closedBy("forbidden"));
    this.me = me as Sender;
    this.limits = limits;
    this.list.restart(me.id);
    this.outbox.updateSender();
    this.addToList(rooms, more);
    for (const room of this.replicas.keys()) this.syncRoom(room);
    this.#ready.resolve();
    this.#updateStatus();
  }

  addToList(rooms: readonly RoomSummaryBody[], more: boolean): void {
    this.#isBatch = true;
    // A room that is another one than before, or was restored: its messages may have other numbers now.
    for (const room of rooms) if (!this.list.set(room)) this.outbox.of(room.id).dropNamed();
    this.#isBatch = false;
    this.#onListChange();
    if (!more && !this.list.complete) {
      for (const room of this.list.finish()) this.leave({ type: "left", room, reason: "removed" });
      void this.outbox.restore();
    }
    this.outbox.send();
  }

  leave(frame: LeftFrame): void {
    const error = closedBy(frame.reason);
    this.list.remove(frame.room);
    this.replicas.get(frame.room)?.end(error);
    this.outbox.of(frame.room).drop(error);
    this.events.emit(frame);
  }

  #onListChange(id?: string): void {
    if (this.#isBatch) return;
    this.events.emit({ type: "rooms" });
    for (const replica of this.replicas.values()) {
      if (id === undefined || id === replica.id) replica.updateUnread();
    }
  }

  #onDisconnect(code: number | undefined): void {
    const { outbox } = this;
    if (code === MESSAGE_TOO_BIG)
      outbox.failLargest(new ParleyError("message_too_long", "The message is too long."));
    outbox.pause();
    this.#opener.reset();
    for (const replica of this.replicas.values()) replica.disconnect();
    this.#updateStatus();
  }

  #updateStatus(): void {
    let status: ChatStatus = this.connection.isOpen ? "open" : "connecting";
    if (this.#network.isOffline) status = "offline";
    if (this.#closedWith) status = "closed";
    if (this.status === status) return;
    this.status = status;
    this.events.emit({ type: "status", status });
    for (const replica of this.replicas.values()) replica.updateStatus();
  }

  /** The server has closed the chat. `retry` begins again. */
  #stop(code: number, reason: ErrorCode): void {
    const error = (this.#closedWith = closedBy(reason));
    const isHeard = this.events.hasListener("closed", "error");
    this.#ready.reject(error);
    this.#onDisconnect(code);
    // Someone who signs in again still wants to send what waits.
    if (code !== UNAUTHORIZED) this.outbox.drop(error);
    // A listener may call `retry`.
    for (const replica of this.replicas.values()) if (this.#closedWith === error) replica.stop(error);
    if (this.#closedWith === error) {
      this.events.emit({ type: "closed", code, reason });
      this.events.endReaders();
    }
    if (!isHeard) console.error(`Parley: ${error.message} Listen for \`closed\` events to handle this.`);
  }

  #end(code: number, error: ParleyError): void {
    if (this.signal.aborted) return;
    this.#closedWith = error;
    this.connection.close();
    this.#abort.abort(error);
    this.#network.set(false);
    this.#opener.reset();
    this.outbox.pause();
    this.outbox.drop(error);
    for (const replica of this.replicas.values()) replica.end(error);
    this.#updateStatus();
    this.#ready.reject(error);
    this.events.emit({ type: "closed", code, reason: error.code });
    this.events.end();
  }
}

function closedBy(reason: ErrorCode): ParleyError {
  return new ParleyError(reason, `Connection closed: ${reason.replaceAll("_", " ")}.`);
}
