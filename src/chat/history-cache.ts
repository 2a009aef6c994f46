import type { RoomKey } from "./model.ts";
import type { History } from "./store.ts";

const MAX_HISTORIES = 256;
/** UTF-16 units of text, metadata and mentions. A longer history is not cached. */
const MAX_TEXT_LENGTH = 65_536;
/** Short, because a sender's name may change. */
const LIFETIME_MS = 1000;

interface Entry {
  history: History;
  expiresAt: number;
}

/** Histories that were read a moment ago, so that clients that reconnect together share one query. */
export class HistoryCache {
  /** By room and length: the dialects start with histories of different lengths. */
  readonly #entries = new Map<string, Entry>();

  /** `now` returns milliseconds. */
  constructor(private readonly now: () => number) {}

  /** The last `length` messages of a room as of `rev`. Its array stays the same, so that encodings can be cached by it. */
  get(room: RoomKey, length: number, rev: number): History | undefined {
    const entry = this.#entries.get(keyOf(room, length));
    return entry && entry.history.rev === rev && entry.expiresAt > this.now() ? entry.history : undefined;
  }

  set(room: RoomKey, length: number, history: History): void {
    const key = keyOf(room, length);
    this.#entries.delete(key);
    const textLength = history.messages.reduce(
      (sum, { text, meta, mentions }) =>
        sum + (text?.length ?? 0) + (meta?.length ?? 0) + (mentions?.length ?? 0),
      0,
    );
    if (textLength > MAX_TEXT_LENGTH) return;
    if (this.#entries.size >= MAX_HISTORIES) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    this.#entries.set(key, { history, expiresAt: this.now() + LIFETIME_MS });
  }

  clear(): void {
    this.#entries.clear();
  }
}

const keyOf = (room: RoomKey, length: number) => `${room} ${length}`;
