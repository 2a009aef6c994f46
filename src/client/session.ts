import type {
  LeftFrame,
  NoticeFrame,
  RoomSummaryBody,
  SessionFrame,
  SessionHelloFrame,
  SessionLimitsBody,
} from "../protocol/frames.ts";
import type { ChatContext } from "./chat-context.ts";
import type { Chat } from "./chat.ts";
import { Connection } from "./connection.ts";
import { deferred } from "./deferred.ts";
import { EventEmitter } from "./emitter.ts";
import { type ErrorCode, ParleyError } from "./error.ts";
import type { ChatEvent, ChatStatus } from "./events.ts";
import { createHttpClient, type HttpClient } from "./http-client.ts";
import type { Sender } from "./messages.ts";
import { NetworkStatus } from "./network-status.ts";
import { Opener } from "./opener.ts";
import type { Clock, ConnectOptions, OpenOptions, Random, Snapshot } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { RoomList } from "./room-list.ts";
import { RoomReplica } from "./room-replica.ts";
import type { Room } from "./room.ts";
import { SavedRooms } from "./saved-rooms.ts";
import { systemClock } from "./timer.ts";
import { serverUrl } from "./url.ts";

/** WebSocket close codes (RFC 6455, section 7.4; 4000 and up are Parley's). */
const NORMAL_CLOSURE = 1000;
const MESSAGE_TOO_BIG = 1009;
const UNAUTHORIZED = 4401;
const FORBIDDEN = 4403;

const MAX_SNAPSHOT_ROOMS = 100;

/** A chat's connection and its state: passes the frames to the list of rooms and to the rooms, and emits what changes. */
export class Session implements Chat, ChatContext {
  readonly events = new EventEmitter<ChatEvent>({ type: "rooms" });
  readonly on = this.events.on;
  readonly subscribe = this.events.subscribe;
  readonly [Symbol.asyncIterator] = this.events.iterate;
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly list: RoomList = new RoomList(this);
  readonly replicas = new Map<string, RoomReplica>();
  readonly saved: SavedRooms;
  readonly outbox: Outbox;
  readonly connection: Connection;
  readonly opener: Opener;
  status: ChatStatus = "connecting";
  me: Sender | undefined;
  limits: SessionLimitsBody | undefined;
  #ready = deferred<void>();
  readonly #keep: number;
  readonly #abort = new AbortController();
  readonly signal = this.#abort.signal;
  readonly #network: NetworkStatus;
  /** Why the chat is closed, if it is. */
  #error: ParleyError | undefined;

  constructor(options: ConnectOptions) {
    const {
      url,
      token,
      storage,
      snapshot,
      keep = 10_000,
      WebSocket = globalThis.WebSocket,
      fetch,
      clock = systemClock,
      random = Math.random,
    } = options;
    if (typeof WebSocket !== "function") throw new TypeError("No WebSocket class in the options");
    this.clock = clock;
    this.random = random;
    this.#keep = keep;
    this.http = createHttpClient({ url, token, fetch, signal: this.signal });
    this.me = snapshot?.me;
    this.limits = snapshot?.limits;
    this.list.add(snapshot?.rooms ?? []);
    this.list.restart();
    this.saved = new SavedRooms(keep, snapshot?.saved);
    this.outbox = new Outbox(this, storage, `parley-chat:${serverUrl(url, "http")}:`);
    this.connection = new Connection(this, `${serverUrl(url, "ws")}/ws/`, token, WebSocket);
    this.opener = new Opener(this);
    this.#network = new NetworkStatus(this);
    this.connection.connect();
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
      replica = new RoomReplica(id, this, this.outbox.of(id), keep, since ?? this.saved.get(id));
      this.replicas.set(id, replica);
      // It would not know that it waits for `retry`.
      if (this.#error) replica.end(this.#error, this.signal.aborted);
      replica.updateStatus();
      this.opener.add(id);
    }
    replica.hold();
    return replica;
  }

  snapshot(): Snapshot | undefined {
    const { me, limits } = this;
    for (const replica of this.replicas.values()) this.saved.save(replica);
    return (
      me &&
      limits && {
        me,
        limits,
        rooms: this.rooms.slice(0, MAX_SNAPSHOT_ROOMS),
        saved: this.saved.all,
      }
    );
  }

  readonly retry = (): void => {
    if (this.signal.aborted) return;
    if (!this.#error) return this.connection.retry();
    this.#error = undefined;
    this.#ready = deferred();
    this.updateStatus();
    for (const replica of this.replicas.values()) replica.restart();
    this.connection.connect();
  };

  close(): void {
    this.#close(NORMAL_CLOSURE, new ParleyError("closed", "The chat was closed."), true);
  }

  updateStatus(): void {
    let status: ChatStatus = this.connection.isOpen ? "open" : "connecting";
    if (this.#network.isOffline) status = "offline";
    if (this.#error) status = "closed";
    if (this.status === status) return;
    this.status = status;
    this.events.emit({ type: "status", status });
    for (const replica of this.replicas.values()) replica.updateStatus();
  }

  onError(error: unknown): void {
    this.events.emit({ type: "error", error });
  }

  onReceive(): void {
    this.#network.set(false);
  }

  onFrame(frame: SessionFrame): void {
    switch (frame.type) {
      case "hello":
        this.#begin(frame);
        break;
      case "rooms":
        this.#addToList(frame.rooms, frame.more);
        break;
      case "joined":
        this.#addToList([frame.room], true);
        this.events.emit(frame);
        break;
      case "left":
        this.#leave(frame);
        break;
      case "activity":
        this.list.applyActivity(frame);
        break;
      case "change":
        this.replicas.get(frame.room)?.apply(frame);
        this.list.applyMessages(frame.room, [frame.message], frame.message.rev, frame);
        break;
      case "changes":
        this.replicas.get(frame.room)?.apply(frame);
        this.list.applyMessages(frame.room, frame.messages, frame.rev);
        break;
      case "presence":
      case "typing":
      case "read":
      case "member":
      case "mute":
      case "room":
        this.list.applyNotice(frame);
        this.#applyNotice(frame, frame.type === "room" ? frame.room.id : frame.room);
        break;
      // The connection handles these.
      case "ack":
      case "error":
      case "opened":
      case "token.expiring":
      case "restarting":
    }
  }

  onDisconnect(code?: number): void {
    if (code === MESSAGE_TOO_BIG)
      this.outbox.failLargest(new ParleyError("message_too_long", "The message is too long."));
    this.outbox.pause();
    this.opener.reset();
    this.updateStatus();
    for (const replica of this.replicas.values()) replica.disconnect();
  }

  onStop(code: number, reason: ErrorCode): void {
    const isHeard = this.events.hasListener("closed", "error");
    const error = closedBy(reason);
    this.#close(code, error, false);
    if (!isHeard) console.error(`Parley: ${error.message} Listen for \`closed\` events to handle this.`);
  }

  #applyNotice(notice: NoticeFrame, room: string): void {
    this.replicas.get(room)?.applyNotice(notice);
    if (notice.type === "room" || (notice.type === "member" && notice.user.id === this.me?.id))
      this.outbox.of(room).resume();
  }

  #begin({ me, limits, rooms, more }: SessionHelloFrame): void {
    // Commands of one user must not be sent as another.
    if (this.me && this.me.id !== me.id) return this.#close(FORBIDDEN, closedBy("forbidden"), true);
    this.me = me as Sender;
    this.limits = limits;
    this.list.restart();
    this.outbox.updateSender();
    this.#addToList(rooms, more);
    for (const room of this.replicas.keys()) this.opener.add(room);
    this.#ready.resolve();
    this.updateStatus();
  }

  #addToList(rooms: readonly RoomSummaryBody[], more: boolean): void {
    // Their messages may have other numbers now.
    for (const { id } of this.list.add(rooms)) {
      this.saved.delete(id);
      this.outbox.of(id).dropNamed();
    }
    if (!more && !this.list.complete) {
      for (const room of this.list.finish()) this.#leave({ type: "left", room, reason: "removed" });
      void this.outbox.restore();
    }
    this.outbox.send();
  }

  #leave(frame: LeftFrame): void {
    const error = closedBy(frame.reason);
    this.list.remove(frame.room);
    this.saved.delete(frame.room);
    this.replicas.get(frame.room)?.end(error);
    this.outbox.of(frame.room).drop(error);
    this.events.emit(frame);
  }

  /** Closes the chat: for good, or until `retry`. */
  #close(code: number, error: ParleyError, isFinal: boolean): void {
    if (this.signal.aborted) return;
    this.#error = error;
    this.connection.close();
    if (isFinal) this.#abort.abort(error);
    this.#network.set(false);
    this.#ready.reject(error);
    this.onDisconnect();
    // Someone who signs in again still wants to send what waits.
    if (code !== UNAUTHORIZED) this.outbox.drop(error);
    for (const replica of this.replicas.values()) {
      // A listener may have called `retry`.
      if (this.#error === error) replica.end(error, isFinal);
    }
    if (this.#error !== error) return;
    this.events.emit({ type: "closed", code, reason: error.code });
    this.events.end(isFinal);
  }
}

function closedBy(reason: ErrorCode): ParleyError {
  return new ParleyError(reason, `Connection closed: ${reason.replaceAll("_", " ")}.`);
}
