import type { Room, RoomKey } from "../../chat/model.ts";
import type { Db } from "./open.ts";
import type { Queries } from "./queries.ts";
import { type EntryRow, toRoom } from "./rows.ts";

const MAX_ROOMS = 4096;

/**
 * Rooms that were listed lately. Their ids, settings and times of creation hardly ever change, and would cost more to read than
 * the rest of a list.
 */
export class KnownRooms {
  readonly #rooms = new Map<RoomKey, Room>();
  readonly #dataVersion: () => number;
  #lastVersion = 0;

  constructor(
    db: Db,
    private readonly queries: Pick<Queries, "roomsByKey">,
  ) {
    const statement = db.$client.prepare("PRAGMA data_version");
    this.#dataVersion = () => Number(statement.values()[0]?.[0]);
  }

  /** The rooms of these rows, in their order. While nothing changes, a room stays the same object. */
  of(rows: readonly EntryRow[]): Room[] {
    this.#load(rows.map(([key]) => key));
    return rows.map(([key, seq, rev]) => {
      const known = this.#rooms.get(key);
      if (!known) throw new Error(`room ${key} is gone`);
      if (known.seq === seq && known.rev === rev) return known;
      const room = { ...known, seq, rev };
      this.#rooms.set(key, room);
      return room;
    });
  }

  /** The room has other settings. */
  forget(key: RoomKey): void {
    this.#rooms.delete(key);
  }

  #load(keys: readonly RoomKey[]): void {
    const version = this.#dataVersion();
    // Another process has written.
    if (version !== this.#lastVersion) this.#rooms.clear();
    this.#lastVersion = version;
    let missing = keys.filter((key) => !this.#rooms.has(key));
    if (missing.length === 0) return;
    if (this.#rooms.size + missing.length > MAX_ROOMS) {
      this.#rooms.clear();
      missing = [...keys];
    }
    for (const row of this.queries.roomsByKey.all({ rooms: JSON.stringify(missing) })) {
      const room = toRoom(row);
      this.#rooms.set(room.key, room);
    }
  }
}
