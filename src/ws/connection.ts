import type { ServerWebSocket } from "bun";

import type { Budget } from "../chat/chat.ts";
import type { Code } from "../chat/errors.ts";
import type { Actor, Identity, Membership, RoomKey, User, UserKey } from "../chat/model.ts";
import type { Participant } from "../chat/participants.ts";
import { errorCodes } from "../protocol/error-codes.ts";
import type { Protocol } from "./subprotocol.ts";

/** A socket that is opened only to be closed, with a code that a browser's page can read. */
export class RefusedConnection {
  constructor(readonly code: Code) {}
}

export type SocketData = Connection | RefusedConnection;
export type Socket = ServerWebSocket<SocketData>;

/** Frames, and their bytes, that may wait until the first frame of the server was sent. */
const MAX_QUEUED_FRAMES = 64;
const MAX_QUEUED_BYTES = 262_144;

export interface ConnectionOptions {
  protocol: Protocol;
  identity: Identity;
  user: Actor;
  /** The room that it enters, as it was when the user was admitted. */
  membership: Membership;
  /** The `rev` from which to resume. */
  since: number | undefined;
}

/** One live socket and what is known about it. Times are on the monotonic clock, unless they are a token's. */
export class Connection implements Participant {
  readonly protocol: Protocol;
  readonly room: RoomKey;
  readonly since: number | undefined;
  user: Actor;
  identity: Identity;
  /** Gone once the room is joined. */
  membership: Membership | undefined;
  /** When the peer last gave a sign of life. */
  heardAt: number;
  /** When the peer was last pinged. */
  pingedAt: number;
  /** When the client is told that its token expires soon. */
  warnAt = 0;
  /** Commands refused by the rate limit, less those accepted since, for each budget. */
  readonly excess: Record<Budget, number> = { changes: 0, reads: 0 };
  /** Pings and pongs since the last sweep. */
  controlFrames = 0;
  /** While notices are withheld from a slow reader: who is online as far as it knows. */
  withheldSince: ReadonlyMap<UserKey, User> | undefined;
  /** Settles when every token that was presented so far is accepted or refused. */
  renewal: Promise<unknown> = settled;
  #socket: Socket | undefined;
  #queuedFrames: (string | Buffer)[] | undefined = [];
  #queuedBytes = 0;
  #onDrain: (() => void) | undefined;

  constructor({ protocol, identity, user, membership, since }: ConnectionOptions, now: number) {
    this.protocol = protocol;
    this.identity = identity;
    this.user = user;
    this.membership = membership;
    this.room = membership.room.key;
    this.since = since;
    this.heardAt = now;
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

  /** Closes the connection with the error's close code, and the error as the reason. */
  close(code: Code): void {
    if (this.#socket) closeSocket(this.#socket, code);
  }

  /** Cuts a connection whose peer does not answer. */
  terminate(): void {
    this.#socket?.terminate();
  }

  /** The user lost their place in the room: this connection has no other. */
  expel(_room: RoomKey, reason: "removed" | "room_deleted"): void {
    this.close(reason);
  }

  /** Keeps a frame that came before the first frame was sent. False when frames need not wait any more. */
  queueFrame(frame: string | Buffer): boolean {
    if (!this.#queuedFrames) return false;
    this.#queuedBytes += frame.length;
    if (this.#queuedFrames.length >= MAX_QUEUED_FRAMES || this.#queuedBytes > MAX_QUEUED_BYTES) {
      this.close("rate_limited");
    } else {
      this.#queuedFrames.push(frame);
    }
    return true;
  }

  /** The first frame was sent: returns the frames that waited for it. */
  takeQueuedFrames(): readonly (string | Buffer)[] {
    const frames = this.#queuedFrames ?? [];
    this.#queuedFrames = undefined;
    return frames;
  }

  /** Resolves when what waited for the reader was sent, or the connection has ended. */
  drained(): Promise<void> {
    return new Promise((resolve) => (this.#onDrain = resolve));
  }

  notifyDrained(): void {
    this.#onDrain?.();
    this.#onDrain = undefined;
  }
}

const settled = Promise.resolve();

export function closeSocket(socket: Socket, code: Code): void {
  socket.close(errorCodes[code].close, code);
}
