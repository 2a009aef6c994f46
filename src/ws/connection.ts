import type { ServerWebSocket } from "bun";

import type { Budget } from "../chat/budgets.ts";
import type { Mute } from "../chat/decide-posting.ts";
import type { Code } from "../chat/errors.ts";
import type { Actor, Departure, Identity, Membership, RoomRef, User, UserKey } from "../chat/model.ts";
import type { Participant } from "../chat/participants.ts";
import type { Session as ChatSession } from "../chat/session-registry.ts";
import type { CloseCodes } from "../protocol/classic/classic.ts";
import { errorCodes } from "../protocol/error-codes.ts";
import { FrameQueue } from "./frame-queue.ts";
import type { Protocol } from "./subprotocol.ts";
import { topics } from "./topics.ts";

/** A socket that is opened only to be closed with a code, which a page can read. */
export class RefusedConnection {
  constructor(
    readonly code: Code,
    readonly closeCode: number,
  ) {}
}

/** A socket whose client sends its token in its first frame. */
export class UnauthenticatedConnection {
  /** Whether the token has arrived. */
  verifying = false;
  /** Frames that arrived after it. */
  readonly queue = new FrameQueue();

  constructor(readonly roomId: string) {}
}

export type SocketData = Connection | RefusedConnection | UnauthenticatedConnection;
export type Socket = ServerWebSocket<SocketData>;

export interface ConnectionOptions {
  protocol: Protocol;
  identity: Identity;
  user: Actor;
  /** What a connection to a room's URL joins. Absent for a session. */
  entrance?: Entrance;
  /** Close codes that replace those of the error codes. */
  closeCodes?: CloseCodes;
  /** Frames that have arrived already. */
  queue?: FrameQueue;
}

/** The room to join, the user's role in it before the upgrade, and the `rev` to resume from. */
export interface Entrance extends Membership {
  since: number | undefined;
}

/** The session of a connection, as far as it is not about the frames of a protocol. */
export interface ConnectionSession extends ChatSession {
  /** Resolves when the first frame has been sent. */
  readonly started: Promise<void>;
  /** Whether frames about the list of rooms can be sent. */
  readonly isLive: boolean;
  /** Whether the session gets the changes of the room. */
  isFollowing(room: RoomRef): boolean;
  /** The open rooms: a snapshot. */
  openRooms(): OpenRoom[];
  /** Withholds activity if too much waits for the reader. */
  checkReader(): void;
  /** The send buffer has drained. */
  drained(): void;
  /** The connection has ended. */
  end(): void;
}

/** One live socket and what is known about it. Times are on the monotonic clock, unless they are a token's. */
export class Connection {
  readonly protocol: Protocol;
  user: Actor;
  identity: Identity;
  /** The room of a connection to a room's URL. */
  readonly room: OpenRoom | undefined;
  /** The session of a connection to the URL of sessions. */
  session: ConnectionSession | undefined;
  /** Undefined for a session, and once the connection has started to join its room. */
  entrance: Entrance | undefined;
  /** When the peer last showed a sign of life. */
  lastSeenAt: number;
  /** When the peer was last pinged. */
  pingedAt: number;
  /** When to tell the client that its token expires soon, in milliseconds since the epoch. */
  warnAt = 0;
  /** Commands refused by the rate limit, less those accepted since, for each budget. */
  readonly excess: Record<Budget, number> = { changes: 0, reads: 0 };
  /** Pings and pongs since the last sweep. */
  controlFrames = 0;
  /** Settles when every token presented so far has been accepted or refused. */
  renewal: Promise<unknown> = settled;
  readonly #closeCodes: CloseCodes | undefined;
  #socket: Socket | undefined;
  /** Undefined once the first frame has been sent. */
  #queue: FrameQueue | undefined;
  /** Those who wait for the send buffer to drain. */
  #waiting: (() => void)[] = [];

  constructor(
    { protocol, identity, user, entrance, closeCodes, queue = new FrameQueue() }: ConnectionOptions,
    now: number,
  ) {
    this.protocol = protocol;
    this.identity = identity;
    this.user = user;
    this.entrance = entrance;
    this.#closeCodes = closeCodes;
    this.#queue = queue;
    if (entrance) {
      const { key, id } = entrance.room;
      this.room = new OpenRoom(this, { key, id }, (_, reason) =>
        this.close(reason === "room_deleted" ? reason : "removed"),
      );
    }
    this.lastSeenAt = now;
    this.pingedAt = now;
  }

  attach(socket: Socket): void {
    this.#socket = socket;
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Bytes that wait for the reader. */
  get bufferedBytes(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  send(frame: string): void {
    if (this.isOpen) this.#socket?.sendText(frame);
  }

  /** Sends frames with one write to the socket. */
  sendAll(frames: readonly string[]): void {
    if (!this.isOpen) return;
    this.#socket?.cork(() => {
      for (const frame of frames) this.#socket?.sendText(frame);
    });
  }

  subscribe(topic: string): void {
    this.#socket?.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    this.#socket?.unsubscribe(topic);
  }

  isSubscribed(topic: string): boolean {
    return this.#socket?.isSubscribed(topic) ?? false;
  }

  ping(now: number): void {
    this.pingedAt = now;
    this.#socket?.ping();
  }

  /** Closes the connection with the close code of an error, and the error's code as the reason. */
  close(code: Code): void {
    if (this.#socket) closeSocket(this.#socket, code, this.#closeCodes);
  }

  /** Closes a connection without a close frame, since its peer does not respond. */
  terminate(): void {
    this.#socket?.terminate();
  }

  /** Queues a frame that arrived before the first frame was sent. Returns false once that is done. */
  queueFrame(frame: string | Buffer): boolean {
    if (!this.#queue) return false;
    if (!this.#queue.push(frame)) this.close("rate_limited");
    return true;
  }

  /** Returns the queued frames once the first frame has been sent. Later ones are not queued. */
  takeQueuedFrames(): readonly (string | Buffer)[] {
    const frames = this.#queue?.take() ?? [];
    this.#queue = undefined;
    return frames;
  }

  /** Resolves when the send buffer has drained, or the connection has ended. */
  drained(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  notifyDrained(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** A room that a connection follows: the only one of a connection to a room's URL, or one of those open in a session. */
export class OpenRoom implements Participant {
  /** The users whom the client knows to be online, while notices are withheld from it. Otherwise undefined. */
  knownOnline: ReadonlyMap<UserKey, User> | undefined;
  /** Why the user may no longer be in the room. Undefined as long as they may. */
  departure: Departure | undefined;
  /** Whether the first frame has been sent. */
  hasStarted = false;
  /** The user's mute, null if it was lifted. Undefined if nothing has happened since the room began to be opened. */
  mute: Mute | null | undefined;
  #isClosed = false;
  #isLive = false;

  constructor(
    readonly connection: Connection,
    readonly room: RoomRef,
    private readonly expelled: (room: OpenRoom, reason: Departure) => void,
  ) {}

  get user(): Actor {
    return this.connection.user;
  }

  get isOpen(): boolean {
    return !this.#isClosed && this.connection.isOpen;
  }

  /** Whether the connection is subscribed to the room's changes. */
  get isLive(): boolean {
    return this.#isLive;
  }

  /** Subscribes to the room's changes. The connection must have received all that were published before. */
  follow(): void {
    this.connection.subscribe(topics.v2(this.room.key));
    this.#isLive = true;
  }

  expel(reason: Departure): void {
    this.departure = reason;
    this.expelled(this, reason);
  }

  /** Ends the subscriptions. Nothing more of the room is sent. */
  close(): void {
    const { connection, room } = this;
    this.#isClosed = true;
    this.#isLive = false;
    connection.unsubscribe(topics.v2(room.key));
    connection.unsubscribe(topics.notices(room.key));
  }
}

const settled = Promise.resolve();

/** `closeCodes` replace those of the error codes. */
export function closeSocket(socket: Socket, code: Code, closeCodes: CloseCodes = {}): void {
  socket.close(closeCodes[code] ?? errorCodes[code].close, code);
}
