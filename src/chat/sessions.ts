import type { BusEvent } from "./bus.ts";
import type { Actor, Departure, Notice, Room, RoomKey, RoomSummary, UserKey } from "./model.ts";
import type { RoomList } from "./room-list.ts";
import { type RoomRead, RoomReads } from "./room-reads.ts";
import { type Session, type SessionListener, SessionRegistry, type SessionUser } from "./session-registry.ts";
import type { Store } from "./store.ts";

export interface SessionsOptions extends SessionListener {
  roomList: Pick<RoomList, "of" | "one" | "invalidate">;
  store: Pick<Store, "head" | "role">;
  /** A room has other settings than before: another process has changed them. */
  roomChanged: (room: Room) => void;
  /** A user's rooms could not be read after a change. The read is retried. */
  readFailed: (error: unknown) => void;
}

/** Delay before a failed read is retried. */
const RETRY_MS = 1000;

/**
 * The sessions on this node. They are told which rooms their users have. What happens in a room while it is being read is
 * noted, and the room is read again. So a session misses nothing between its list of rooms and the live frames.
 */
export class Sessions {
  readonly #registry: SessionRegistry;
  readonly #reads = new RoomReads();
  /** Users whose memberships will be read, because another process has written. */
  readonly #toCheck = new Set<SessionUser>();
  #isCheckingEveryone = false;

  constructor(private readonly options: SessionsOptions) {
    this.#registry = new SessionRegistry(options);
  }

  /** Reads the user's rooms and starts the session. Rejects with `StoreError`. Call `close` when the connection ends. */
  async open(session: Session): Promise<void> {
    const user = this.#registry.add(session.user);
    user.starting.add(session);
    try {
      await this.#readFor(session, user, (rooms, read) => {
        // The other sessions may not have been told of all of them.
        for (const room of rooms) this.#announce(user, room, read);
        user.starting.delete(session);
        user.started.add(session);
        return session.start(rooms);
      });
    } finally {
      user.starting.delete(session);
      this.#registry.removeIfUnused(user);
    }
  }

  /** Reads the user's rooms for a session that may have missed changes of any of them. Rejects with `StoreError`. */
  async refresh(session: Session): Promise<void> {
    const user = this.#registry.get(session.user.key);
    if (user) await this.#readFor(session, user, (rooms) => session.restart(rooms));
  }

  /** Reads one of the user's rooms for a session that may have missed changes of it. Rejects with `StoreError`. */
  async refreshRoom(session: Session, room: RoomKey): Promise<void> {
    const user = this.#registry.get(session.user.key);
    if (user?.rooms.has(room)) await this.#refreshStale(user, [room], () => [session]);
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

  /** Whether the user has a session. */
  hasUser(user: UserKey): boolean {
    return this.#registry.get(user) !== undefined;
  }

  /** The rooms of a user who has sessions. */
  roomsOf(user: UserKey): Iterable<RoomKey> {
    return this.#registry.get(user)?.rooms.keys() ?? [];
  }

  /** Members of a room who have a session. */
  usersIn(room: RoomKey): Actor[] {
    return this.#registry.usersIn(room).map(({ actor }) => actor);
  }

  /** The user's connections were expelled from a room. Their sessions are told, unless they were already. */
  expelled(user: UserKey, room: RoomKey, reason: Departure): void {
    this.#leave(this.#registry.get(user), room, reason);
    // They may have become a member again since the members were read.
    if (reason === "removed") this.#check(user, room);
  }

  receive(event: Exclude<BusEvent, { kind: "mute" }>): void {
    switch (event.kind) {
      case "changes":
      case "read":
        this.#reads.markChanged(event.room);
        break;
      case "member_added":
        this.#reads.markStale(event.room, event.user);
        this.#check(event.user, event.room);
        break;
      case "member_removed":
        this.#leave(this.#registry.get(event.user), event.room, event.reason);
        break;
      case "room_deleted":
        this.#reads.markDeparted(event.room);
        for (const user of this.#registry.usersIn(event.room)) this.#leave(user, event.room, "room_deleted");
        break;
      case "rooms_changed":
        this.#check(event.user);
        break;
      case "invalidate":
        this.options.roomList.invalidate();
        void this.#checkEveryone();
        break;
      case "notice":
        this.#receiveNotice(event.room, event.notice);
        break;
    }
  }

  #receiveNotice(room: RoomKey, notice: Notice): void {
    if (notice.type === "room") {
      this.#registry.change(room, notice.room);
      this.#reads.markStale(room);
    } else if (notice.type === "member") {
      const user = this.#registry.get(notice.user.key);
      if (user) this.#registry.setRole(user, room, notice.role);
      this.#reads.markStale(room, notice.user.key);
    }
  }

  #leave(user: SessionUser | undefined, room: RoomKey, reason: Departure): void {
    if (!user) return;
    this.#reads.markDeparted(room, user);
    const left = this.#registry.unregister(user, room);
    if (left) for (const session of Array.from(user.started)) session.left(left, reason);
  }

  /** Reads all of the user's rooms for one session, and then those again in which something has happened meanwhile. */
  async #readFor(
    session: Session,
    user: SessionUser,
    deliver: (rooms: readonly RoomSummary[], read: RoomRead) => Promise<void>,
  ): Promise<void> {
    let delivered: ReadonlySet<RoomKey> | undefined;
    const stale = await this.#reads.read(
      user,
      () => this.options.roomList.of(user.actor.key),
      async (rooms, read) => {
        if (session.isOpen) await deliver(rooms, read);
        delivered = read.rooms;
      },
    );
    // Memberships that began during the read were announced to the sessions that had started by then.
    const missed = [...user.rooms.keys()].filter((room) => !delivered?.has(room));
    await this.#refreshStale(user, [...stale, ...missed], () => [session]);
  }

  /** Reads rooms, each until it is current, for sessions that are told of further changes. */
  async #refreshStale(
    user: SessionUser,
    rooms: readonly RoomKey[],
    sessions: () => Iterable<Session>,
  ): Promise<void> {
    for (const room of rooms) {
      let outcome: "current" | "stale" | "missing";
      do outcome = await this.#refreshRoom(user, room, sessions);
      while (outcome === "stale");
      if (outcome === "missing" && user.rooms.has(room)) await this.#announceLoss(user, room);
    }
  }

  /** Reads a room, and delivers it unless it is out of date by then. */
  async #refreshRoom(
    user: SessionUser,
    room: RoomKey,
    sessions: () => Iterable<Session>,
  ): Promise<"current" | "stale" | "missing"> {
    let outcome: "current" | "stale" | "missing" = "missing";
    const load = async () => {
      const summary = await this.options.roomList.one(user.actor.key, room);
      return summary ? [summary] : [];
    };
    await this.#reads.read(user, load, ([summary], { stale }) => {
      if (!summary) return;
      outcome = stale.has(room) ? "stale" : "current";
      if (outcome === "stale" || !user.rooms.has(room)) return;
      for (const session of sessions()) if (session.isOpen) session.refreshed(summary);
    });
    return outcome;
  }

  #check(key: UserKey, room?: RoomKey): void {
    const user = this.#registry.get(key);
    if (!user) return;
    if (room === undefined) user.allUnchecked = true;
    else user.unchecked.add(room);
    void this.#checkMemberships(user);
  }

  /** One user in each turn of the event loop, since there may be many. Another process may write faster than that. */
  async #checkEveryone(): Promise<void> {
    for (const user of this.#registry.users()) {
      user.allUnchecked = true;
      this.#toCheck.add(user);
    }
    if (this.#isCheckingEveryone) return;
    this.#isCheckingEveryone = true;
    for (const user of this.#toCheck) {
      this.#toCheck.delete(user);
      await this.#checkMemberships(user);
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#isCheckingEveryone = false;
  }

  async #checkMemberships(user: SessionUser): Promise<void> {
    if (user.isChecking) return;
    user.isChecking = true;
    try {
      while (user.allUnchecked || user.unchecked.size > 0) {
        const rooms = user.allUnchecked ? undefined : [...user.unchecked];
        user.allUnchecked = false;
        user.unchecked.clear();
        await this.#readMemberships(user, rooms);
      }
    } catch (error) {
      this.options.readFailed(error);
      setTimeout(() => this.#check(user.actor.key), RETRY_MS).unref();
    } finally {
      user.isChecking = false;
    }
  }

  /** Compares the memberships in the store with those that the user's sessions know, in some rooms or in all. */
  async #readMemberships(user: SessionUser, keys: readonly RoomKey[] | undefined): Promise<void> {
    const { roomList } = this.options;
    const { key } = user.actor;
    const load = async () => {
      if (!keys) return roomList.of(key);
      return (await Promise.all(keys.map((room) => roomList.one(key, room)))).flatMap((room) => room ?? []);
    };
    const stale = await this.#reads.read(user, load, async (rooms, read) => {
      const present = new Set(rooms.map(({ room }) => room.key));
      // Losses first: a room that was deleted and made again has the same id.
      for (const room of keys ?? Array.from(user.rooms.keys()))
        if (user.rooms.has(room) && !present.has(room)) await this.#announceLoss(user, room);
      for (const summary of rooms)
        if (!read.departed.has(summary.room.key)) this.#announce(user, summary, read);
    });
    await this.#refreshStale(user, stale, () => user.started);
  }

  #announce(user: SessionUser, summary: RoomSummary, read: RoomRead): void {
    const { room, role } = summary;
    const isStale = read.stale.has(room.key);
    // Since the room was read it may have been changed, and everybody told.
    if (!isStale && this.#registry.change(room.key, room)) this.options.roomChanged(room);
    // The user's last session may have ended during the read.
    if (this.#registry.get(user.actor.key) !== user) return;
    const isNew = this.#registry.register(user, summary);
    if (!isNew && (isStale || !this.#registry.setRole(user, room.key, role))) return;
    this.#reads.markStaleElsewhere(room.key, read);
    for (const session of Array.from(user.started)) {
      if (isNew) session.joined(summary);
      else session.refreshed(summary);
    }
  }

  async #announceLoss(user: SessionUser, room: RoomKey): Promise<void> {
    const { store } = this.options;
    // The user may have become a member since the list was read.
    if ((await store.role(room, user.actor.key)) !== undefined) return;
    this.#leave(user, room, (await store.head(room)) ? "removed" : "room_deleted");
  }
}
