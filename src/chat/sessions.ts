import type { BusEvent } from "./bus.ts";
import type { Actor, Departure, Room, RoomKey, RoomSummary, UserKey } from "./model.ts";
import type { RoomList } from "./room-list.ts";
import { type Session, type SessionListener, SessionRegistry, type SessionUser } from "./session-registry.ts";
import type { Store } from "./store.ts";

export interface SessionsOptions extends SessionListener {
  roomList: Pick<RoomList, "of" | "one" | "invalidate">;
  store: Pick<Store, "head">;
  /** A room has another name than before: another process has renamed it. */
  roomRenamed: (room: Room) => void;
  /** A user's rooms could not be read after a change. The read is retried. */
  readFailed: (error: unknown) => void;
}

/** Delay before a failed read is retried. */
const RETRY_MS = 1000;

/**
 * The sessions on this node. They are told which rooms their users have. Whatever happens in a room while it is being read
 * makes it stale, and stale rooms are read again. So a session misses nothing between its list of rooms and the live frames.
 */
export class Sessions {
  readonly #registry: SessionRegistry;
  /** Users whose rooms are being read. */
  readonly #reading = new Set<SessionUser>();

  constructor(private readonly options: SessionsOptions) {
    this.#registry = new SessionRegistry(options);
  }

  /** Reads the user's rooms and starts the session. Rejects with `StoreError`. Call `close` when the connection ends. */
  open(session: Session): Promise<void> {
    const user = this.#registry.add(session.user);
    return this.#readFor(session, user, (rooms) => {
      for (const room of rooms) this.#registry.register(user, room);
      user.started.add(session);
      session.start(rooms);
    });
  }

  /** Reads the user's rooms for a session that may have missed changes of any of them. Rejects with `StoreError`. */
  async refresh(session: Session): Promise<void> {
    const user = this.#registry.get(session.user.key);
    if (user) await this.#readFor(session, user, (rooms) => session.refreshed(rooms));
  }

  /** Reads the user's rooms, and then those again in which something has happened meanwhile. */
  async #readFor(
    session: Session,
    user: SessionUser,
    deliver: (rooms: readonly RoomSummary[]) => void,
  ): Promise<void> {
    user.reads++;
    this.#reading.add(user);
    try {
      const rooms = await this.options.roomList.of(user.actor.key);
      if (session.isOpen) deliver(rooms.filter(({ room }) => !user.departed.has(room.key)));
    } finally {
      user.reads--;
      this.#endReading(user);
      this.#registry.removeIfUnused(user);
      void this.#readStale(user);
    }
  }

  /** Ends a session. Does nothing if it had not started. */
  close(session: Session): void {
    const user = this.#registry.get(session.user.key);
    if (user?.started.delete(session)) this.#registry.removeIfUnused(user);
  }

  /** The user has presented a new token, perhaps with another name. */
  update(actor: Actor): void {
    const user = this.#registry.get(actor.key);
    if (user) user.actor = actor;
  }

  /** The key of a room that the user is a member of. Undefined for other rooms, and for users without sessions. */
  keyOf(user: UserKey, id: string): RoomKey | undefined {
    const key = this.#registry.keyOf(id);
    return key !== undefined && this.has(key, user) ? key : undefined;
  }

  /** The id of a room that has a member with a session. */
  idOf(room: RoomKey): string | undefined {
    return this.#registry.idOf(room);
  }

  /** Whether the user has a session and is a member of the room. */
  has(room: RoomKey, user: UserKey): boolean {
    return this.#registry.has(room, user);
  }

  /** Whether the user has sessions that have started. */
  hasUser(user: UserKey): boolean {
    return this.#registry.get(user) !== undefined;
  }

  /** The rooms of a user who has sessions. */
  roomsOf(user: UserKey): ReadonlySet<RoomKey> {
    return this.#registry.get(user)?.rooms ?? new Set();
  }

  /** Members of a room who have a session. */
  usersIn(room: RoomKey): Actor[] {
    return this.#registry.usersIn(room).map(({ actor }) => actor);
  }

  receive(event: BusEvent): void {
    switch (event.kind) {
      case "changes":
      case "read":
        this.#markStale(event.room);
        break;
      case "member_added":
        this.#readAgain(event.user, event.room);
        break;
      case "member_removed":
        this.#leave(this.#registry.get(event.user), event.room, event.reason);
        break;
      case "room_deleted":
        for (const user of this.#reading) user.departed.add(event.room);
        for (const user of this.#registry.usersIn(event.room))
          this.#leave(user, event.room, "room_deleted");
        break;
      case "rooms_changed":
        this.#readAgain(event.user);
        break;
      case "invalidate":
        this.options.roomList.invalidate();
        void this.#readEveryone();
        break;
      case "notice":
        if (event.notice.type === "room") this.#registry.rename(event.room, event.notice.room.name);
        break;
    }
  }

  #leave(user: SessionUser | undefined, room: RoomKey, reason: Departure): void {
    if (!user) return;
    if (this.#reading.has(user)) {
      user.departed.add(room);
      user.stale.add(room);
    }
    const left = this.#registry.unregister(user, room);
    if (left) for (const session of Array.from(user.started)) session.left(left, reason);
  }

  #markStale(room: RoomKey): void {
    for (const user of this.#reading) user.stale.add(room);
  }

  #readAgain(key: UserKey, room?: RoomKey): void {
    const user = this.#registry.get(key);
    if (!user) return;
    if (room === undefined) user.allStale = true;
    else user.stale.add(room);
    void this.#readStale(user);
  }

  /** One user in each turn of the event loop, since there may be many. */
  async #readEveryone(): Promise<void> {
    for (const user of this.#registry.users()) {
      user.allStale = true;
      await this.#readStale(user);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #readStale(user: SessionUser): Promise<void> {
    if (user.isReading || user.reads > 0) return;
    user.isReading = true;
    this.#reading.add(user);
    try {
      while (user.started.size > 0 && (user.allStale || user.stale.size > 0)) {
        const rooms = user.allStale ? undefined : [...user.stale];
        user.allStale = false;
        user.stale.clear();
        user.departed.clear();
        await (rooms ? this.#readRooms(user, rooms) : this.#readAll(user));
      }
    } catch (error) {
      this.options.readFailed(error);
      setTimeout(() => this.#readAgain(user.actor.key), RETRY_MS).unref();
    } finally {
      user.isReading = false;
      this.#endReading(user);
    }
  }

  #endReading(user: SessionUser): void {
    if (user.reads > 0 || user.isReading) return;
    this.#reading.delete(user);
    user.departed.clear();
  }

  async #readAll(user: SessionUser): Promise<void> {
    const rooms = await this.options.roomList.of(user.actor.key);
    const present = new Set(rooms.map(({ room }) => room.key));
    // What has changed within known rooms was announced at the time.
    this.#apply(user, rooms);
    for (const key of Array.from(user.rooms)) if (!present.has(key)) await this.#checkGone(user, key);
  }

  async #readRooms(user: SessionUser, keys: readonly RoomKey[]): Promise<void> {
    for (const key of keys) {
      const room = await this.options.roomList.one(user.actor.key, key);
      if (room) this.#apply(user, [room], { tellKnown: true });
      else await this.#checkGone(user, key);
    }
  }

  /** Tells the user's sessions about rooms that were read, except those in which something has happened since. */
  #apply(user: SessionUser, read: readonly RoomSummary[], { tellKnown = false } = {}): void {
    for (const summary of read) {
      const { room } = summary;
      if (user.stale.has(room.key)) continue;
      if (this.#registry.rename(room.key, room.name)) this.options.roomRenamed(room);
      const isNew = this.#registry.register(user, summary);
      for (const session of Array.from(user.started)) {
        if (isNew) session.joined(summary);
        else if (tellKnown) session.refreshed([summary]);
      }
    }
  }

  /** The user is not a member of the room, as far as was read. */
  async #checkGone(user: SessionUser, room: RoomKey): Promise<void> {
    if (!user.rooms.has(room) || user.stale.has(room)) return;
    const reason = (await this.options.store.head(room)) ? "removed" : "room_deleted";
    if (!user.stale.has(room)) this.#leave(user, room, reason);
  }
}
