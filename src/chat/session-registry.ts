import { haveSameSettings } from "./decide-rooms.ts";
import type {
  Actor,
  Departure,
  Role,
  RoomKey,
  RoomRef,
  RoomSettings,
  RoomSummary,
  UserKey,
} from "./model.ts";

/** A connection for all of a user's rooms, as the chat sees it. The methods are called in the order of the events. */
export interface Session {
  readonly user: Actor;
  readonly isOpen: boolean;
  /** The user's rooms, most recent activity first. Called once, before the other methods. Resolves when all were sent. */
  start(rooms: readonly RoomSummary[]): Promise<void>;
  /** The user has become a member of a room. */
  joined(room: RoomSummary): void;
  /** The session may have missed something about all rooms. Resolves when all were sent. */
  restart(rooms: readonly RoomSummary[]): Promise<void>;
  /** The session may have missed something about a room. */
  refreshed(room: RoomSummary): void;
  /** The user is no longer in a room. */
  left(room: RoomRef, reason: Departure): void;
}

/** A user who has sessions here. */
export class SessionUser {
  /** Sessions that have started. */
  readonly started = new Set<Session>();
  /** Sessions that have not started yet. */
  readonly starting = new Set<Session>();
  /** The user's rooms, and their role in each. */
  readonly rooms = new Map<RoomKey, Role | null>();
  /** Rooms whose membership must be read again. */
  readonly unchecked = new Set<RoomKey>();
  /** Whether the whole list of rooms must be read again. */
  allUnchecked = false;
  /** Whether such a read is under way. */
  isChecking = false;

  constructor(public actor: Actor) {}
}

/** A room of at least one user who has sessions here. */
interface SessionRoom {
  id: string;
  settings: RoomSettings;
  /** Members with a session. An array, because a set takes ten times the memory, and is only faster in huge rooms. */
  users: SessionUser[];
}

/** Callbacks for members who come online with their first session, and go offline with their last one. */
export interface SessionListener {
  userJoined(room: RoomKey, user: Actor): void;
  userLeft(room: RoomKey, user: UserKey): void;
}

/** Which users have sessions on this node, and which rooms they are members of. A room is kept once, for all of them. */
export class SessionRegistry {
  readonly #users = new Map<UserKey, SessionUser>();
  readonly #rooms = new Map<RoomKey, SessionRoom>();
  readonly #keys = new Map<string, RoomKey>();

  constructor(private readonly listener: SessionListener) {}

  /** Adds the user if they have no sessions yet. */
  add(actor: Actor): SessionUser {
    let user = this.#users.get(actor.key);
    if (!user) this.#users.set(actor.key, (user = new SessionUser(actor)));
    user.actor = actor;
    return user;
  }

  /** Removes the user from all rooms, once they have no session any more. */
  removeIfUnused(user: SessionUser): void {
    const { key } = user.actor;
    if (user.started.size > 0 || user.starting.size > 0 || this.#users.get(key) !== user) return;
    this.#users.delete(key);
    const rooms = Array.from(user.rooms.keys());
    user.rooms.clear();
    for (const room of rooms) this.#removeFrom(room, user);
  }

  get(user: UserKey): SessionUser | undefined {
    return this.#users.get(user);
  }

  /** A snapshot. */
  users(): SessionUser[] {
    return [...this.#users.values()];
  }

  /** Adds a room of the user. Returns false if it was registered already. */
  register(user: SessionUser, { room: found, role }: RoomSummary): boolean {
    const { key, id } = found;
    if (user.rooms.has(key)) return false;
    let room = this.#rooms.get(key);
    if (!room) {
      this.#rooms.set(key, (room = { id, settings: found, users: [] }));
      this.#keys.set(id, key);
    }
    room.users.push(user);
    user.rooms.set(key, role);
    this.listener.userJoined(key, user.actor);
    return true;
  }

  /** Removes a room of the user. Returns undefined if it was not registered. */
  unregister(user: SessionUser, key: RoomKey): RoomRef | undefined {
    return user.rooms.delete(key) ? this.#removeFrom(key, user) : undefined;
  }

  #removeFrom(key: RoomKey, user: SessionUser): RoomRef | undefined {
    const room = this.#rooms.get(key);
    const index = room?.users.indexOf(user) ?? -1;
    if (!room || index < 0) return undefined;
    room.users.splice(index, 1);
    if (room.users.length === 0) {
      this.#rooms.delete(key);
      if (this.#keys.get(room.id) === key) this.#keys.delete(room.id);
    }
    this.listener.userLeft(key, user.actor.key);
    return { key, id: room.id };
  }

  /** Sets a room's settings. Returns whether it had others. */
  change(key: RoomKey, settings: RoomSettings): boolean {
    const room = this.#rooms.get(key);
    if (!room) return false;
    const isSame = haveSameSettings(room.settings, settings);
    room.settings = settings;
    return !isSame;
  }

  /** Sets a user's role in a room of theirs. Returns whether they had another one. */
  setRole(user: SessionUser, room: RoomKey, role: Role | null): boolean {
    if (!user.rooms.has(room) || user.rooms.get(room) === role) return false;
    user.rooms.set(room, role);
    return true;
  }

  keyOf(id: string): RoomKey | undefined {
    return this.#keys.get(id);
  }

  idOf(room: RoomKey): string | undefined {
    return this.#rooms.get(room)?.id;
  }

  has(room: RoomKey, user: UserKey): boolean {
    return this.#users.get(user)?.rooms.has(room) ?? false;
  }

  /** Members of a room who have a session: a snapshot. */
  usersIn(room: RoomKey): SessionUser[] {
    return [...(this.#rooms.get(room)?.users ?? [])];
  }
}
