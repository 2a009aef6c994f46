import type { Notice, RoomKey, User, UserKey } from "./model.ts";

/** Users of one room who are shown as being there. Of more than that nobody reads the list, and all would pay for it. */
const shownLimit = 500;
/** How long what changed is gathered, in milliseconds: a crowd that comes back at once is one flush. */
const gathering = 100;

interface Here {
  user: User;
  sockets: number;
}

interface Place {
  shown: Map<UserKey, Here>;
  /** Those who came when there was no place left: they move up. */
  hidden: Map<UserKey, Here>;
  /** Who came or went since the last flush; `told`: whether everyone has been told before that he is here. */
  changed: Map<UserKey, { user: User; told: boolean }>;
}

/** Who is in each room on this node: a user is online from his first socket's arrival until his last one has left. */
export class Presence {
  readonly #places = new Map<RoomKey, Place>();
  readonly #changed = new Set<RoomKey>();

  constructor(private readonly tell: (room: RoomKey, notice: Notice) => void) {}

  enter(room: RoomKey, user: User): void {
    let place = this.#places.get(room);
    if (!place) this.#places.set(room, (place = { shown: new Map(), hidden: new Map(), changed: new Map() }));
    const here = place.shown.get(user.key) ?? place.hidden.get(user.key);
    if (here) {
      here.user = user;
      here.sockets++;
    } else if (place.shown.size < shownLimit) {
      this.#show(room, place, { user, sockets: 1 });
    } else {
      place.hidden.set(user.key, { user, sockets: 1 });
    }
  }

  leave(room: RoomKey, user: UserKey): void {
    const place = this.#places.get(room);
    const here = place?.shown.get(user) ?? place?.hidden.get(user);
    if (!place || !here || --here.sockets > 0) return;
    place.hidden.delete(user);
    if (place.shown.delete(user)) {
      this.#change(room, place, here.user);
      const [next] = place.hidden.values();
      if (next) {
        place.hidden.delete(next.user.key);
        this.#show(room, place, next);
      }
    }
    if (place.shown.size === 0) this.#places.delete(room);
  }

  /** Who is online, in the order of arrival. */
  online(room: RoomKey): User[] {
    return Array.from(this.#places.get(room)?.shown.values() ?? [], ({ user }) => user);
  }

  /** Who is online as far as everyone has been told: what is still gathered is not in it. */
  told(room: RoomKey): Map<UserKey, User> {
    const place = this.#places.get(room);
    const told = new Map(this.online(room).map((user) => [user.key, user]));
    for (const [key, was] of place?.changed ?? []) {
      if (was.told) told.set(key, was.user);
      else told.delete(key);
    }
    return told;
  }

  /** A user who is here has another name. */
  rename(room: RoomKey, user: User): void {
    const place = this.#places.get(room);
    const here = place?.shown.get(user.key) ?? place?.hidden.get(user.key);
    if (here) here.user = user;
  }

  /** How many are online, as far as they are shown. */
  count(room: RoomKey): number {
    return this.#places.get(room)?.shown.size ?? 0;
  }

  #show(room: RoomKey, place: Place, here: Here): void {
    place.shown.set(here.user.key, here);
    this.#change(room, place, here.user);
  }

  #change(room: RoomKey, place: Place, user: User): void {
    // He has just come, or gone: before that it was the other way round.
    const told = place.changed.get(user.key)?.told ?? !place.shown.has(user.key);
    place.changed.set(user.key, { user, told });
    if (this.#changed.size === 0) setTimeout(() => this.#flush(), gathering).unref();
    this.#changed.add(room);
  }

  #flush(): void {
    for (const room of this.#changed) {
      // Empty by now: there is nobody to be told.
      const place = this.#places.get(room);
      for (const [key, { user }] of place?.changed ?? []) {
        place?.changed.delete(key);
        this.tell(room, { type: "presence", user, online: place?.shown.has(key) ?? false });
      }
    }
    this.#changed.clear();
  }
}
