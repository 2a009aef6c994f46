import type { NoticeFrame } from "../protocol/frames.ts";
import type { ErrorCode, ParleyError } from "./error.ts";
import type { Change } from "./history.ts";
import type { CommandType } from "./outbox.ts";

/** `connecting`: no connection, and an attempt is being made or will be. `closed`: for good. */
export type Status = "connecting" | "open" | "closed";

/** A message sent by this client that is not among the room's messages yet. */
export interface PendingMessage {
  /** The `client_id` that the message will have. */
  clientId: string;
  text: string;
  /** When `send` was called, in milliseconds since the epoch. */
  sentAt: number;
  /** `seq` of the message that this one replies to. */
  replyTo?: number;
  /** `stored`: the server has acknowledged it, but its message has not been received yet. */
  status: "waiting" | "stored";
}

/** What a room reports. */
export type RoomEvent =
  | Change
  | NoticeFrame
  /** Everything has been replaced: read `messages` and `online` again. */
  | { type: "reset" }
  /** `pending` has changed. */
  | { type: "pending" }
  | { type: "status"; status: Status }
  /** A command was refused or dropped; its promise rejects with the same error. `message` is what a `send` was to send. */
  | { type: "failed"; command: CommandType; error: ParleyError; message?: PendingMessage }
  /** Something failed that will be tried again. A `ParleyError`, or what `token` threw. */
  | { type: "error"; error: unknown }
  /**
   * The last event. `code` is the WebSocket close code and `reason` the server's error code; after `close()` they are
   * 1000 and `closed`.
   */
  | { type: "closed"; code: number; reason: ErrorCode };

/** The event of one type. */
export type RoomEventOf<T extends RoomEvent["type"]> = Extract<RoomEvent, { type: T }>;

/** Maximum number of events that wait for one reader. */
const MAX_BUFFERED_EVENTS = 1_000;

interface Reader {
  buffer: RoomEvent[];
  /** Resolves the promises of `next` that wait for an event. */
  waiting: ((result: IteratorResult<RoomEvent, undefined>) => void)[];
}

const done = { value: undefined, done: true } as const;

/** Passes events to listeners, and to readers that iterate over them. */
export class EventEmitter {
  /** Replaced, not changed, so that a listener that is added during an event starts with the next one. */
  #listeners: readonly { type: string; listener: (event: never) => void }[] = [];
  /** Buffers events for the first reader from the start, since programs usually await `ready` before they iterate. */
  #firstReader: Reader | undefined = { buffer: [], waiting: [] };
  readonly #readers = new Set([this.#firstReader as Reader]);
  #hasEnded = false;

  on<T extends RoomEvent["type"]>(type: T, listener: (event: RoomEventOf<T>) => void): () => void {
    const entry = { type, listener };
    if (!this.#hasEnded) this.#listeners = [...this.#listeners, entry];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== entry);
    };
  }

  emit(event: RoomEvent): void {
    for (const { type, listener } of this.#listeners) {
      if (type !== event.type) continue;
      try {
        listener(event as never);
      } catch (error) {
        // Reported as an uncaught error, without stopping the client.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    for (const reader of this.#readers) {
      const resolve = reader.waiting.shift();
      if (resolve) resolve({ value: event, done: false });
      else if (reader.buffer.push(event) > MAX_BUFFERED_EVENTS) reader.buffer = [{ type: "reset" }];
    }
  }

  /** Removes all listeners. Readers end after the events they have buffered. */
  end(): void {
    this.#hasEnded = true;
    this.#listeners = [];
    for (const reader of this.#readers) this.#remove(reader);
  }

  /** The first iterator starts with the events that were emitted before it. */
  iterate(): AsyncIterableIterator<RoomEvent, undefined> {
    const reader: Reader = this.#firstReader ?? { buffer: [], waiting: [] };
    this.#firstReader = undefined;
    if (!this.#hasEnded) this.#readers.add(reader);
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: () =>
        new Promise((resolve) => {
          const value = reader.buffer.shift();
          if (value) resolve({ value, done: false });
          else if (this.#readers.has(reader)) reader.waiting.push(resolve);
          else resolve(done);
        }),
      return: async () => {
        reader.buffer = [];
        this.#remove(reader);
        return done;
      },
    };
  }

  #remove(reader: Reader): void {
    this.#readers.delete(reader);
    for (const resolve of reader.waiting.splice(0)) resolve(done);
  }
}
