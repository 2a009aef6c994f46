import type { RoomKey } from "./model.ts";
import type { History } from "./store.ts";

const MAX_ROOMS = 256;
/** UTF-16 units of text. A longer history is not cached. */
const MAX_TEXT_LENGTH = 65_536;
/** Short, because a sender's name may change. */
const LIFETIME_MS = 1000;

interface Entry {
  history: History;
  expiresAt: number;
}

/** Histories that were read a moment ago, so that clients that reconnect together share one query. */
export class HistoryCache {
  readonly #rooms = new Map<RoomKey, Entry>();

  /** `now` returns milliseconds. */
  constructor(private readonly now: () => number) {}

  /** The room's history as of `rev`. Its array stays the same, so that encodings can be cached by it. */
  get(room: RoomKey, rev: number): History | undefined {
    const entry = this.#rooms.get(room);
    return entry && entry.history.rev === rev && entry.expiresAt > this.now() ? entry.history : undefined;
  }

  set(room: RoomKey, history: History): void {
    this.#rooms.delete(room);
    const length = history.messages.reduce((sum, { text }) => sum + (text?.length ?? 0), 0);
    if (length > MAX_TEXT_LENGTH) return;
    if (this.#rooms.size >= MAX_ROOMS) {
      const [oldest] = this.#rooms.keys();
      if (oldest !== undefined) this.#rooms.delete(oldest);
    }
    this.#rooms.set(room, { history, expiresAt: this.now() + LIFETIME_MS });
  }

  clear(): void {
    this.#rooms.clear();
  }
}
