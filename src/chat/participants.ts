import type { Actor, Departure, Room, RoomKey, RoomRef, UserKey } from "./model.ts";

/** One connection in one room that it follows, as the chat sees it. */
export interface Participant {
  readonly user: Actor;
  /** Tells the connection that its user may no longer be in the room. It must leave. */
  expel(reason: Departure): void;
}

/** Callbacks for changes in who follows a room. Each is called synchronously, as part of the change. */
export interface ParticipantListener {
  roomOccupied(room: RoomRef): void;
  userJoined(room: RoomKey, user: Actor): void;
  userLeft(room: RoomKey, user: UserKey): void;
  roomEmptied(room: RoomKey): void;
}

type NamedRoom = Pick<Room, "key" | "id" | "name">;

interface OccupiedRoom {
  id: string;
  name: string;
  users: Map<UserKey, Set<Participant>>;
}

/**
 * Which connections follow which room on this node. This is the one place that knows: room sync follows the rooms that are
 * occupied, and removals find the connections of the user who was removed.
 */
export class Participants {
  readonly #rooms = new Map<RoomKey, OccupiedRoom>();

  constructor(private readonly listener: ParticipantListener) {}

  add({ key, id, name }: NamedRoom, participant: Participant): void {
    const { user } = participant;
    let room = this.#rooms.get(key);
    if (!room) {
      this.#rooms.set(key, (room = { id, name, users: new Map() }));
      this.listener.roomOccupied({ key, id });
    }
    room.name = name;
    const ofUser = room.users.get(user.key);
    if (ofUser) {
      ofUser.add(participant);
    } else {
      room.users.set(user.key, new Set([participant]));
      this.listener.userJoined(key, user);
    }
  }

  /** Returns false if the participant was not in the room. */
  remove(key: RoomKey, participant: Participant): boolean {
    const { key: userKey } = participant.user;
    const room = this.#rooms.get(key);
    const ofUser = room?.users.get(userKey);
    if (!room || !ofUser?.delete(participant)) return false;
    if (ofUser.size > 0) return true;
    room.users.delete(userKey);
    this.listener.userLeft(key, userKey);
    if (room.users.size === 0) {
      this.#rooms.delete(key);
      this.listener.roomEmptied(key);
    }
    return true;
  }

  /** The occupied rooms. */
  rooms(): RoomKey[] {
    return [...this.#rooms.keys()];
  }

  /** An occupied room has another name. */
  rename(key: RoomKey, name: string): void {
    const room = this.#rooms.get(key);
    if (room) room.name = name;
  }

  /** The id of an occupied room. */
  idOf(room: RoomKey): string | undefined {
    return this.#rooms.get(room)?.id;
  }

  /** The name of an occupied room. */
  nameOf(room: RoomKey): string | undefined {
    return this.#rooms.get(room)?.name;
  }

  /** Whether the user follows the room. */
  has(room: RoomKey, user: UserKey): boolean {
    return this.#rooms.get(room)?.users.has(user) ?? false;
  }

  /** Everyone in a room: a snapshot, so that participants may leave while the caller iterates. */
  in(room: RoomKey): Participant[] {
    return Array.from(this.#rooms.get(room)?.users.values() ?? [], (ofUser) => [...ofUser]).flat();
  }

  /** A user's connections to a room: a snapshot too. */
  of(room: RoomKey, user: UserKey): Participant[] {
    return [...(this.#rooms.get(room)?.users.get(user) ?? [])];
  }
}
