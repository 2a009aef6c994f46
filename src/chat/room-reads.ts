import type { RoomKey, RoomSummary, UserKey } from "./model.ts";
import type { SessionUser } from "./session-registry.ts";

/** A read of a user's rooms, and what has happened since it began. */
export interface RoomRead {
  readonly user: SessionUser;
  /** The rooms that were read and that the user still had. Undefined until then. */
  rooms: ReadonlySet<RoomKey> | undefined;
  /** Rooms with changes or moved read marks. Summaries have a `rev`, which tells which of two is newer. */
  readonly changed: Set<RoomKey>;
  /** Rooms whose settings, or in which the user's role or membership, has changed: what was read of them is out of date. */
  readonly stale: Set<RoomKey>;
  /** Rooms that the user has lost. */
  readonly departed: Set<RoomKey>;
}

/** Reads of users' rooms that are under way. What happens in a room meanwhile is noted, so that it can be read again. */
export class RoomReads {
  readonly #reads = new Set<RoomRead>();

  /** Reads rooms and delivers those that the user still has. Resolves with the user's rooms that must be read again. */
  async read(
    user: SessionUser,
    load: () => Promise<readonly RoomSummary[]>,
    deliver: (rooms: readonly RoomSummary[], read: RoomRead) => void | Promise<void>,
  ): Promise<RoomKey[]> {
    const read: RoomRead = {
      user,
      rooms: undefined,
      changed: new Set(),
      stale: new Set(),
      departed: new Set(),
    };
    this.#reads.add(read);
    try {
      const rooms = await load();
      const present = rooms.filter(({ room }) => !read.departed.has(room.key));
      read.rooms = new Set(present.map(({ room }) => room.key));
      await deliver(present, read);
    } finally {
      this.#reads.delete(read);
    }
    const changed = [...read.changed].filter((room) => read.rooms?.has(room));
    return [...read.stale.union(new Set(changed))].filter((room) => user.rooms.has(room));
  }

  markChanged(room: RoomKey): void {
    // Delivery may take as long as a slow reader likes: what does not concern it must not add up.
    for (const { rooms, changed } of this.#reads) if (rooms?.has(room) ?? true) changed.add(room);
  }

  /** For one of the room's members, or for all. */
  markStale(room: RoomKey, user?: UserKey): void {
    for (const each of this.#reads)
      if (user === undefined || each.user.actor.key === user) each.stale.add(room);
  }

  markDeparted(room: RoomKey, user?: SessionUser): void {
    for (const each of this.#reads) if (user === undefined || each.user === user) each.departed.add(room);
  }

  /** A read has found something that the user's other reads may have missed. */
  markStaleElsewhere(room: RoomKey, finder: RoomRead): void {
    for (const each of this.#reads) if (each !== finder && each.user === finder.user) each.stale.add(room);
  }
}
