import type { Message, RoomKey } from "./model.ts";

/** Rooms whose history is kept … */
const roomLimit = 256;
/** … if its texts are no longer than this together, in UTF-16 units … */
const textLimit = 65_536;
/** … and for how long, in milliseconds: a sender's name may change meanwhile. */
const lifetime = 1000;

interface Entry {
  rev: number;
  messages: readonly Message[];
  until: number;
}

/** The histories that newcomers were sent just now: a crowd that comes back at once is not a query each. */
export class Recent {
  readonly #rooms = new Map<RoomKey, Entry>();

  /** `now` gives milliseconds. */
  constructor(private readonly now: () => number) {}

  /** The room's history as of `rev`. The same array for the same history, so that its encodings can be kept by it. */
  get(room: RoomKey, rev: number): readonly Message[] | undefined {
    const entry = this.#rooms.get(room);
    return entry && entry.rev === rev && entry.until > this.now() ? entry.messages : undefined;
  }

  set(room: RoomKey, rev: number, messages: readonly Message[]): void {
    this.#rooms.delete(room);
    if (messages.reduce((length, { text }) => length + (text?.length ?? 0), 0) > textLimit) return;
    if (this.#rooms.size >= roomLimit) {
      const [oldest] = this.#rooms.keys();
      if (oldest !== undefined) this.#rooms.delete(oldest);
    }
    this.#rooms.set(room, { rev, messages, until: this.now() + lifetime });
  }

  clear(): void {
    this.#rooms.clear();
  }
}
