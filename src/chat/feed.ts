import type { Change, Message, Position, RoomKey } from "./model.ts";
import type { Store } from "./store.ts";

interface Entry {
  /** How far the room was published here; undefined while that is not known. */
  position: Position | undefined;
  /** The highest `rev` heard of. */
  heard: number;
  /** Reading the store: meanwhile hints only raise `heard`. */
  reading: Promise<void> | undefined;
  /** Asked to look while it was being read: what was read may be older than the question. */
  again: boolean;
  /** Connections, and those about to be. */
  users: number;
}

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
    /**
     * Sends changes to the room's connections here. They bring the room on from `after`, and may skip `rev`s when a
     * message that changed twice was read from the store; a `seq` above `after.seq` is new here.
     */
    private readonly deliver: (room: RoomKey, changes: readonly Change[], after: Position) => void,
    /** Hears why a room could not be read; the next hint tries again. */
    private readonly failed: (error: unknown) => void,
  ) {}

  /** Begins to follow a room, once per `close`. Rejects when its position can't be read; it is followed all the same. */
  async open(room: RoomKey): Promise<void> {
    let entry = this.#rooms.get(room);
    if (!entry) {
      entry = { position: undefined, heard: 0, reading: undefined, again: false, users: 0 };
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

  /** Changes that are on disk, by `rev`. */
  receive(room: RoomKey, changes: readonly Change[]): void {
    const entry = this.#rooms.get(room);
    const first = changes[0];
    const last = changes.at(-1);
    if (!entry || !first || !last) return;
    entry.heard = Math.max(entry.heard, last.message.rev);
    if (entry.reading) return;
    entry.position ??= {
      seq: first.kind === "created" ? first.message.seq - 1 : first.message.seq,
      rev: first.message.rev - 1,
    };
    const { rev } = entry.position;
    if (last.message.rev <= rev) return;
    if (first.message.rev === rev + 1) this.#advance(room, entry, changes, entry.position);
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
      await this.#read(room, entry, this.#load(room, entry)).catch(this.failed);
    }
  }

  #advance(room: RoomKey, entry: Entry, changes: readonly Change[], after: Position): void {
    let { seq, rev } = after;
    for (const { message } of changes) {
      seq = Math.max(seq, message.seq);
      rev = Math.max(rev, message.rev);
    }
    entry.position = { seq, rev };
    this.deliver(room, changes, after);
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
      if (!after || entry.heard <= after.rev) return;
      const messages = await this.store.changes(room, after.rev, pageLength);
      // All have left meanwhile; whoever came after them follows the room anew.
      if (this.#rooms.get(room) !== entry) return;
      if (messages.length === 0) {
        entry.heard = after.rev;
        return;
      }
      this.#advance(
        room,
        entry,
        messages.map((message) => ({ kind: kindOf(message, after), message })),
        after,
      );
    }
  }

  async #read(room: RoomKey, entry: Entry, work: Promise<void>): Promise<void> {
    entry.reading = work.finally(() => {
      entry.reading = undefined;
    });
    await entry.reading;
    if (entry.reading !== undefined || this.#rooms.get(room) !== entry) return;
    // What was heard between the last look and now.
    if (entry.again) {
      entry.again = false;
      this.#read(room, entry, this.#load(room, entry)).catch(this.failed);
    } else if (entry.position && entry.heard > entry.position.rev) {
      this.#fill(room, entry);
    }
  }
}

/** What a message that was read from the store has become since `after`. */
function kindOf(message: Message, after: Position): Change["kind"] {
  if (message.seq > after.seq) return "created";
  return message.deletedAt === null ? "edited" : "deleted";
}
