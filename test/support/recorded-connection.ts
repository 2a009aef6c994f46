import type { Code } from "../../src/chat/errors.ts";
import { defaultSettings } from "../../src/chat/model.ts";
import type { Identity } from "../../src/chat/model.ts";
import { Connection } from "../../src/ws/connection.ts";
import type { Protocol } from "../../src/ws/subprotocol.ts";
import { actor } from "./samples.ts";

const FAR_FUTURE = Date.UTC(2100, 0, 1);

/** An identity of the user with this key, as a token would give it. */
export function identity(key: number, more: Partial<Identity> = {}): Identity {
  const { id } = actor(key);
  return {
    sub: id ?? "",
    admin: false,
    signingKey: "key",
    expiresAt: FAR_FUTURE,
    acceptedUntil: FAR_FUTURE,
    ...more,
  };
}

export interface RecordedConnectionOptions {
  user?: number;
  protocol?: Protocol;
  identity?: Partial<Identity>;
}

/** A connection in room 7 without a socket, which notes what is done to it. */
export class RecordedConnection extends Connection {
  readonly sent: unknown[] = [];
  readonly closes: Code[] = [];
  readonly topics = new Set<string>();
  pings = 0;
  isTerminated = false;
  waitingBytes = 0;

  constructor({ user = 1, protocol = "chat.v2", identity: claims = {} }: RecordedConnectionOptions = {}) {
    const room = { key: 7, id: "lobby", name: "Lobby", ...defaultSettings, seq: 0, rev: 0, createdAt: 0 };
    super(
      {
        protocol,
        identity: identity(user, claims),
        user: actor(user),
        entrance: { room, role: "member", since: undefined },
      },
      performance.now(),
    );
  }

  override get isOpen(): boolean {
    return this.closes.length === 0 && !this.isTerminated;
  }

  override get bufferedBytes(): number {
    return this.waitingBytes;
  }

  override send(frame: string): void {
    this.sent.push(JSON.parse(frame));
  }

  override subscribe(topic: string): void {
    this.topics.add(topic);
  }

  override unsubscribe(topic: string): void {
    this.topics.delete(topic);
  }

  override isSubscribed(topic: string): boolean {
    return this.topics.has(topic);
  }

  override ping(now: number): void {
    this.pingedAt = now;
    this.pings++;
  }

  override close(code: Code): void {
    this.closes.push(code);
  }

  override terminate(): void {
    this.isTerminated = true;
  }
}
