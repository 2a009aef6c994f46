import type { RoomKey, UserKey } from "./model.ts";

/** A dead connection is noticed sooner. A user whose connection has lived for this long has received the message. */
const MAX_HOLD_MS = 75_000;
const MAX_USERS = 10_000;
/** Per user. */
const MAX_ROOMS = 20;

interface Held {
  room: RoomKey;
  /** The newest message. */
  seq: number;
  at: number;
}

/**
 * Messages that users were not notified of because they were connected. Their connections may have been dead already: a
 * phone that goes to sleep says nothing.
 */
export class HeldNotifications {
  /** By user and room, both in order of the last message. */
  readonly #users = new Map<UserKey, Map<RoomKey, Held>>();

  /** `monotonic` returns milliseconds on a clock that never goes back. */
  constructor(private readonly monotonic: () => number) {}

  hold(user: UserKey, room: RoomKey, seq: number): void {
    const rooms = this.#users.get(user) ?? new Map<RoomKey, Held>();
    moveToEnd(rooms, room, { room, seq: Math.max(seq, rooms.get(room)?.seq ?? 0), at: this.monotonic() });
    if (rooms.size > MAX_ROOMS) deleteFirst(rooms);
    moveToEnd(this.#users, user, rooms);
    if (this.#users.size > MAX_USERS) deleteFirst(this.#users);
  }

  /** Returns what the user was not notified of a short time ago, and forgets all of it. */
  take(user: UserKey): Held[] {
    const rooms = this.#users.get(user);
    this.#users.delete(user);
    const oldest = this.monotonic() - MAX_HOLD_MS;
    return Array.from(rooms?.values() ?? []).filter(({ at }) => at > oldest);
  }
}

function moveToEnd<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key);
  map.set(key, value);
}

function deleteFirst<K>(map: Map<K, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
