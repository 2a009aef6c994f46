import type { Notice, RoomKey, User, UserKey } from "./model.ts";

/** Users who are shown as online in one room. A longer list would be costly to send and too long to read. */
const MAX_SHOWN_USERS = 500;
/** How long arrivals and departures are gathered before they are announced, so that a mass reconnect is one flush. */
const PRESENCE_FLUSH_MS = 100;

interface RoomPresence {
  /** Users who are online, in order of arrival, up to the limit. */
  shown: Map<UserKey, User>;
  /** Users who arrived after the limit was reached. They move to `shown` when others leave. */
  overflow: Map<UserKey, User>;
  /** Users who are online according to the notices sent so far. */
  announced: Map<UserKey, User>;
  /** Users who arrived or departed since the last flush. */
  dirty: Map<UserKey, DirtyUser>;
}

interface DirtyUser {
  user: User;
  /** Another user has seen the list since, so that user knows a state that was not announced. */
  listed: boolean;
}

/** Who is online in each occupied room of this node, and who was announced as such. */
export class Presence {
  readonly #rooms = new Map<RoomKey, RoomPresence>();
  readonly #dirtyRooms = new Set<RoomKey>();

  constructor(private readonly notify: (room: RoomKey, notice: Notice) => void) {}

  /** The room is occupied from now on. `online` are the users who are online in it already. */
  open(room: RoomKey, online: Iterable<User>): void {
    const users = Array.from(online, (user) => [user.key, user] as const);
    const shown = users.slice(0, MAX_SHOWN_USERS);
    this.#rooms.set(room, {
      shown: new Map(shown),
      overflow: new Map(users.slice(MAX_SHOWN_USERS)),
      announced: new Map(shown),
      dirty: new Map(),
    });
  }

  /** The room is empty: there is nobody to notify. */
  close(room: RoomKey): void {
    this.#rooms.delete(room);
  }

  /** A user is online in the room from now on. Does nothing if they were already, or the room is not open. */
  arrive(room: RoomKey, user: User): void {
    const presence = this.#rooms.get(room);
    if (!presence || presence.shown.has(user.key) || presence.overflow.has(user.key)) return;
    if (presence.shown.size < MAX_SHOWN_USERS) this.#show(room, presence, user);
    else presence.overflow.set(user.key, user);
  }

  /** The user is no longer online in the room. */
  depart(room: RoomKey, user: UserKey): void {
    const presence = this.#rooms.get(room);
    const departed = presence?.shown.get(user);
    if (!presence || presence.overflow.delete(user) || !departed) return;
    presence.shown.delete(user);
    this.#markDirty(room, presence, departed);
    const [next] = presence.overflow.values();
    if (next) {
      presence.overflow.delete(next.key);
      this.#show(room, presence, next);
    }
  }

  /**
   * Users who are online, in order of arrival, up to a limit, for `viewer` to see. It is remembered that they have seen it:
   * the next flush also announces users who have changed back by then.
   */
  listOnline(room: RoomKey, viewer: UserKey): User[] {
    const presence = this.#rooms.get(room);
    for (const [key, dirty] of presence?.dirty ?? []) dirty.listed ||= key !== viewer;
    return [...(presence?.shown.values() ?? [])];
  }

  /** Users who are online according to the notices sent so far. */
  announcedOnline(room: RoomKey): Map<UserKey, User> {
    return new Map(this.#rooms.get(room)?.announced);
  }

  /** Updates the name and email of a user, if they are online. */
  update(room: RoomKey, user: User): void {
    const presence = this.#rooms.get(room);
    for (const users of presence ? [presence.shown, presence.overflow] : [])
      if (users.has(user.key)) users.set(user.key, user);
  }

  /** How many users are shown as online. */
  count(room: RoomKey): number {
    return this.#rooms.get(room)?.shown.size ?? 0;
  }

  #show(room: RoomKey, presence: RoomPresence, user: User): void {
    presence.shown.set(user.key, user);
    this.#markDirty(room, presence, user);
  }

  #markDirty(room: RoomKey, { dirty }: RoomPresence, user: User): void {
    dirty.set(user.key, { user, listed: dirty.get(user.key)?.listed ?? false });
    if (this.#dirtyRooms.size === 0) setTimeout(() => this.#flush(), PRESENCE_FLUSH_MS).unref();
    this.#dirtyRooms.add(room);
  }

  /** Announces the differences since the last flush. A user who came and went in between is not mentioned. */
  #flush(): void {
    for (const room of this.#dirtyRooms) {
      const presence = this.#rooms.get(room);
      if (!presence) continue;
      const { shown, announced } = presence;
      const changed = [...presence.dirty];
      presence.dirty.clear();
      for (const [key, { user, listed }] of changed) {
        const now = shown.get(key);
        const online = now !== undefined;
        const differs = announced.has(key) !== online;
        if (now) announced.set(key, now);
        else announced.delete(key);
        if (differs || listed) this.notify(room, { type: "presence", user: now ?? user, online });
      }
    }
    this.#dirtyRooms.clear();
  }
}
