import type { NoticeFrame } from "../protocol/frames.ts";
import type { ErrorCode, ParleyError } from "./error.ts";
import type { Change } from "./history.ts";
import type { Unnamed } from "./outbox.ts";
import type { PendingMessage } from "./pending.ts";

/** `connecting` whenever there is no connection, but another try will be made; `closed` is for ever. */
export type Status = "connecting" | "open" | "closed";

/** What a room tells. */
export type RoomEvent =
  | Change
  | NoticeFrame
  /** All that was known is replaced: look at `messages` and `online` anew. */
  | { type: "reset" }
  /** `pending` has changed. */
  | { type: "pending" }
  | { type: "status"; status: Status }
  /** A command was given up; its promise rejects with the same error. `message` is what should have been sent. */
  | { type: "failed"; command: Unnamed["type"]; error: ParleyError; message?: PendingMessage }
  /** Something went wrong that will be tried again: the token could not be had, or the server said so. */
  | { type: "error"; error: unknown }
  /** It is over. `code` is the WebSocket close code, `reason` Parley's word for it; 1000 and `closed` after `close()`. */
  | { type: "closed"; code: number; reason: ErrorCode };

/** The event of one type. */
export type RoomEventOf<T extends RoomEvent["type"]> = Extract<RoomEvent, { type: T }>;

/** Events that wait for one reader. */
const capacity = 1_000;

interface Reader {
  waiting: RoomEvent[];
  asked: ((result: IteratorResult<RoomEvent, undefined>) => void)[];
}

const ended = { value: undefined, done: true } as const;

/** Tells listeners, and readers that take event by event. */
export class Events implements AsyncIterable<RoomEvent> {
  readonly #listeners = new Map<string, Set<(event: never) => void>>();
  /** What is told before there is a reader, for the first one: `ready` is awaited before, as a rule. */
  #first: Reader | undefined = { waiting: [], asked: [] };
  readonly #readers = new Set([this.#first as Reader]);
  #ended = false;

  on<T extends RoomEvent["type"]>(type: T, listener: (event: RoomEventOf<T>) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    // A function of its own, so that the same listener may be there twice.
    const own = (event: never) => listener(event);
    if (!this.#ended) listeners.add(own);
    return () => void listeners.delete(own);
  }

  emit(event: RoomEvent): void {
    // A copy: what a listener adds hears of the next event.
    for (const listener of Array.from(this.#listeners.get(event.type) ?? [])) {
      try {
        listener(event as never);
      } catch (error) {
        // It is for the page or process to hear of, and not to stop what happens here.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    for (const reader of this.#readers) {
      const asked = reader.asked.shift();
      if (asked) asked({ value: event, done: false });
      else if (reader.waiting.push(event) > capacity) reader.waiting = [{ type: "reset" }];
    }
  }

  /** No event comes any more: readers end after what they have, listeners are forgotten. */
  end(): void {
    this.#ended = true;
    this.#listeners.clear();
    for (const reader of this.#readers) this.#leave(reader);
  }

  /** Every event from now on; for the first reader, from the beginning. One that falls too far behind gets one `reset` for what it has missed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<RoomEvent, undefined> {
    const reader: Reader = this.#first ?? { waiting: [], asked: [] };
    this.#first = undefined;
    if (!this.#ended) this.#readers.add(reader);
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: () =>
        new Promise((resolve) => {
          const value = reader.waiting.shift();
          if (value) resolve({ value, done: false });
          else if (this.#readers.has(reader)) reader.asked.push(resolve);
          else resolve(ended);
        }),
      return: () => {
        reader.waiting = [];
        this.#leave(reader);
        return Promise.resolve(ended);
      },
    };
  }

  #leave(reader: Reader): void {
    this.#readers.delete(reader);
    for (const asked of reader.asked.splice(0)) asked(ended);
  }
}
