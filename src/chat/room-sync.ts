import type { Change, Message, Position, RoomKey } from "./model.ts";
import type { Page, Store } from "./store.ts";

interface Entry {
  /** How far the room was published here; undefined while that is not known. */
  position: Position | undefined;
  /** The highest `rev` heard of. */
  heard: number;
  /** Reading the store: meanwhile hints only raise `heard`. */
  reading: Promise<void> | undefined;
  /** Asked to look while it was being read: what was read may be older than the question. */
  again: boolean;
  /** The `seq`s of messages that are behind the position, and come with a later page, since they were changed later. */
  late: Set<number>;
  /** Connections, and those about to be. */
  users: number;
}

/** Sends what becomes known of a room to its connections on this node. */
export interface Outlet {
  /** Changes as they happen: each brings the room's `rev` on by one. */
  live(room: RoomKey, changes: readonly Change[]): void;
  /** What was missed, read from the store; of its messages, `created` are those that were not there for anybody here. */
  missed(room: RoomKey, page: Page, created: readonly Message[]): void;
}

/** How soon to read again, in milliseconds, what could not be read. */
const retryPause = 1000;

/** Changes read from the store at once when some were missed. */
const pageLength = 500;

/**
 * How far each room has been published on this node. A change whose `rev` is the next one is delivered; a later one makes
 * the feed read what is missing from the store first; an earlier one is dropped. Rooms without connections cost nothing.
 */
export class Feed {
  readonly #rooms = new Map<RoomKey, Entry>();

  constructor(
    private readonly store: Pick<Store, "head" | "changes">,
    private readonly outlet: Outlet,
    /** Hears why a room could not be read; it is tried again. */
    private readonly failed: (error: unknown) => void,
  ) {}

  /** Begins to follow a room, once per `close`. Rejects when its position can't be read; it is followed all the same. */
  async open(room: RoomKey): Promise<void> {
    let entry = this.#rooms.get(room);
    if (!entry) {
      entry = { position: undefined, heard: 0, reading: undefined, again: false, late: new Set(), users: 0 };
      this.#rooms.set(room, entry);
    }
    entry.users++;
    await (entry.reading ?? (entry.position ? undefined : this.#read(room, entry, this.#load(room, entry))));
  }

  close(room: RoomKey): void {
    const entry = this.#rooms.get(room);
    if (entry && --entry.users === 0) this.#rooms.delete(room);
  }

  /** How far the room has been published here; undefined when it is not followed, or its position could not be read. */
  position(room: RoomKey): Position | undefined {
    return this.#rooms.get(room)?.position;
  }

  /** Resolves when the room has been published up to `rev`, which is on disk. Rejects when it can't be read. */
  async reach(room: RoomKey, rev: number): Promise<void> {
    const entry = this.#rooms.get(room);
    if (!entry) return;
    entry.heard = Math.max(entry.heard, rev);
    while (entry.reading) await entry.reading;
    if (isBehind(entry)) await this.#read(room, entry, this.#catchUp(room, entry));
  }

  /** Changes that are on disk, by `rev`. */
  receive(room: RoomKey, changes: readonly Change[]): void {
    const entry = this.#rooms.get(room);
    const first = changes[0];
    const last = changes.at(-1);
    if (!entry || !first || !last) return;
    entry.heard = Math.max(entry.heard, last.message.rev);
    if (entry.reading) return;
    if (!entry.position) {
      // It could not be read; a new message tells it.
      const start = changes.findIndex(({ kind }) => kind === "created");
      const created = changes[start]?.message;
      if (!created) return;
      this.#publish(room, entry, changes.slice(start), { seq: created.seq - 1, rev: created.rev - 1 });
      return;
    }
    const { rev } = entry.position;
    if (last.message.rev <= rev) return;
    if (first.message.rev === rev + 1 && entry.late.size === 0)
      this.#publish(room, entry, changes, entry.position);
    else this.#fill(room, entry);
  }

  /** Something may have been written that nobody published: looks at every room that is followed. */
  async level(): Promise<void> {
    // As of now: a room that is left and entered again meanwhile is read anew by itself.
    const followed = [...this.#rooms];
    for (const [room, entry] of followed) {
      if (this.#rooms.get(room) !== entry) continue;
      if (entry.reading) {
        entry.again = true;
        continue;
      }
      await this.#look(room, entry);
    }
  }

  /** Looks how far the room has come; when it can't be read, again soon. */
  async #look(room: RoomKey, entry: Entry): Promise<void> {
    try {
      await this.#read(room, entry, this.#load(room, entry));
    } catch (error) {
      entry.again = true;
      this.failed(error);
    }
  }

  #publish(room: RoomKey, entry: Entry, changes: readonly Change[], after: Position): void {
    entry.position = changes.reduce((position, { message }) => advanced(position, message), after);
    this.outlet.live(room, changes);
  }

  async #load(room: RoomKey, entry: Entry): Promise<void> {
    const head = await this.store.head(room);
    if (!head || this.#rooms.get(room) !== entry) return;
    entry.position ??= head;
    entry.heard = Math.max(entry.heard, head.rev);
    await this.#catchUp(room, entry);
  }

  #fill(room: RoomKey, entry: Entry): void {
    this.#read(room, entry, this.#catchUp(room, entry)).catch(this.failed);
  }

  async #catchUp(room: RoomKey, entry: Entry): Promise<void> {
    for (;;) {
      const after = entry.position;
      if (!after || !isBehind(entry)) return;
      const page = await this.store.changes(room, after.rev, pageLength);
      // All have left meanwhile; whoever came after them follows the room anew.
      if (this.#rooms.get(room) !== entry) return;
      if (page.rev === after.rev) {
        entry.heard = after.rev;
        entry.late.clear();
        return;
      }
      const { seq } = page.messages.reduce(advanced, after);
      const created = page.messages.filter((each) => each.seq > after.seq || entry.late.delete(each.seq));
      const here = new Set(created.map((each) => each.seq));
      for (let each = after.seq + 1; each < seq; each++) if (!here.has(each)) entry.late.add(each);
      entry.position = { seq, rev: page.rev };
      this.outlet.missed(room, page, created);
    }
  }

  async #read(room: RoomKey, entry: Entry, work: Promise<void>): Promise<void> {
    entry.reading = work.finally(() => {
      entry.reading = undefined;
    });
    try {
      await entry.reading;
    } catch (error) {
      // The next hint may be long in coming.
      setTimeout(() => this.#goOn(room, entry), retryPause).unref();
      throw error;
    }
    this.#goOn(room, entry);
  }

  /** Reads what was asked for, or heard of, since the last look. */
  #goOn(room: RoomKey, entry: Entry): void {
    if (entry.reading !== undefined || this.#rooms.get(room) !== entry) return;
    if (entry.again) {
      entry.again = false;
      void this.#look(room, entry);
    } else if (isBehind(entry)) {
      this.#fill(room, entry);
    }
  }
}

/** Whether there is more in the store than was published here. */
function isBehind({ position, heard, late }: Entry): boolean {
  return position !== undefined && (heard > position.rev || late.size > 0);
}

function advanced({ seq, rev }: Position, message: Message): Position {
  return { seq: Math.max(seq, message.seq), rev: Math.max(rev, message.rev) };
}
