import { refusalError } from "./errors.ts";
import { HistoryCache } from "./history-cache.ts";
import type { Page, RoomKey } from "./model.ts";
import type { RoomSync } from "./room-sync.ts";
import type { History, Store } from "./store.ts";

/**
 * Reads of a followed room for one connection. Whatever they return has been published when they resolve, so a live change
 * always comes after it.
 */
export class HistoryReader {
  readonly #cache: HistoryCache;

  /** `now` returns milliseconds. */
  constructor(
    private readonly store: Pick<Store, "history" | "changes">,
    private readonly sync: RoomSync,
    now: () => number,
  ) {
    this.#cache = new HistoryCache(now);
  }

  /** The last `limit` messages, oldest first. Rejects with `room_deleted`. */
  async last(room: RoomKey, limit: number): Promise<History> {
    const cached = this.#cache.get(room, limit, this.#publishedRev(room));
    if (cached) return cached;
    const history = await this.store.history(room, limit);
    if (!history) throw refusalError({ refused: "room_deleted" });
    await this.sync.catchUpTo(room, history.rev);
    this.#cache.set(room, limit, history);
    return history;
  }

  /** A page of about `limit` messages that changed after `rev`. More follow until it reaches the published `rev`. */
  async changesSince(room: RoomKey, rev: number, limit: number): Promise<Page> {
    await this.sync.catchUpTo(room, rev);
    if (rev >= this.#publishedRev(room)) return { messages: [], rev };
    const page = await this.store.changes(room, rev, limit);
    // The room was deleted: there is nothing more to come.
    if (page.rev === rev) return { messages: [], rev: this.#publishedRev(room) };
    await this.sync.catchUpTo(room, page.rev);
    return page;
  }

  /** Another process has written: cached histories may be out of date. */
  invalidate(): void {
    this.#cache.clear();
  }

  #publishedRev(room: RoomKey): number {
    return this.sync.position(room)?.rev ?? 0;
  }
}
