import type { Feed } from "./room-sync.ts";
import { historyLength, type Message, type Position, type RoomKey } from "./model.ts";
import { Recent } from "./history-cache.ts";
import type { Page, Store } from "./store.ts";

/** Changes that are read at once while a history is brought up to date. */
const pageLength = 256;

/** What a newcomer is sent of a room that is followed. Never ahead of what was published: a live change comes after it. */
export class History {
  readonly #recent: Recent;

  /** `now` gives milliseconds. */
  constructor(
    private readonly store: Pick<Store, "messages" | "changes">,
    private readonly feed: Feed,
    now: () => number,
  ) {
    this.#recent = new Recent(now);
  }

  /** The last messages, oldest first, as of what is published when it resolves. */
  async last(room: RoomKey): Promise<Page> {
    const { seq, rev: start } = this.#published(room);
    let rev = start;
    let messages: readonly Message[] | undefined = this.#recent.get(room, rev);
    if (!messages) {
      messages = await this.store.messages(room, { before: seq + 1, limit: historyLength });
      await this.#reach(room, Math.max(0, ...messages.map((message) => message.rev)));
      this.#recent.set(room, rev, messages);
    }
    while (rev < this.#published(room).rev) {
      const page = await this.after(room, rev, pageLength);
      messages = merged(messages, page.messages);
      rev = page.rev;
    }
    return { messages, rev };
  }

  /** What changed after `rev`, about `limit` messages of it; there is more while the room has been published further. */
  async after(room: RoomKey, rev: number, limit: number): Promise<Page> {
    await this.#reach(room, rev);
    if (rev >= this.#published(room).rev) return { messages: [], rev };
    const page = await this.store.changes(room, rev, limit);
    // Nothing is left of a room that was deleted.
    if (page.rev === rev) return { messages: [], rev: this.#published(room).rev };
    await this.#reach(room, page.rev);
    return page;
  }

  /** Forgets what it keeps: something was written that nobody told. */
  forget(): void {
    this.#recent.clear();
  }

  /** What was read may be on disk and not yet published. */
  async #reach(room: RoomKey, rev: number): Promise<void> {
    if (rev > this.#published(room).rev) await this.feed.reach(room, rev);
  }

  #published(room: RoomKey): Position {
    return this.feed.position(room) ?? { seq: 0, rev: 0 };
  }
}

/** The last messages of both; of one that is in both, as it is in `newer`. */
function merged(older: readonly Message[], newer: readonly Message[]): Message[] {
  const bySeq = new Map([...older, ...newer].map((message) => [message.seq, message]));
  return [...bySeq.values()].toSorted((a, b) => a.seq - b.seq).slice(-historyLength);
}
