import type { Actor, RoomKey, UserKey } from "./model.ts";

/** One connection in one room, as the chat sees it. */
export interface Participant {
  readonly user: Actor;
  /** Tells the connection that its user may no longer be in the room. It must leave. */
  expel(room: RoomKey, reason: "removed" | "room_deleted"): void;
}

/** Callbacks for changes in who is in a room. Each is called synchronously, as part of the change. */
export interface ParticipantListener {
  roomOccupied(room: RoomKey): void;
  userJoined(room: RoomKey, user: Actor): void;
  userLeft(room: RoomKey, user: UserKey): void;
  roomEmptied(room: RoomKey): void;
}

/**
 * Who is in which room on this node. This is the one place that knows: room sync follows the rooms that are occupied,
 * presence shows their users, and removals find the connections of the user who was removed.
 */
export class Participants {
  readonly #rooms = new Map<RoomKey, Map<UserKey, Set<Participant>>>();

  constructor(private readonly listener: ParticipantListener) {}

  add(room: RoomKey, participant: Participant): void {
    const { user } = participant;
    let users = this.#rooms.get(room);
    if (!users) {
      this.#rooms.set(room, (users = new Map()));
      this.listener.roomOccupied(room);
    }
    const ofUser = users.get(user.key);
    if (ofUser) {
      ofUser.add(participant);
    } else {
      users.set(user.key, new Set([participant]));
      this.listener.userJoined(room, user);
    }
  }

  /** Returns false if the participant was not in the room. */
  remove(room: RoomKey, participant: Participant): boolean {
    const { key } = participant.user;
    const users = this.#rooms.get(room);
    const ofUser = users?.get(key);
    if (!users || !ofUser?.delete(participant)) return false;
    if (ofUser.size > 0) return true;
    users.delete(key);
    this.listener.userLeft(room, key);
    if (users.size === 0) {
      this.#rooms.delete(room);
      this.listener.roomEmptied(room);
    }
    return true;
  }

  /** The occupied rooms. */
  rooms(): RoomKey[] {
    return [...this.#rooms.keys()];
  }

  /** Everyone in a room: a snapshot, so that participants may leave while the caller iterates. */
  in(room: RoomKey): Participant[] {
    return Array.from(this.#rooms.get(room)?.values() ?? [], (ofUser) => [...ofUser]).flat();
  }

  /** A user's connections to a room: a snapshot too. */
  of(room: RoomKey, user: UserKey): Participant[] {
    return [...(this.#rooms.get(room)?.get(user) ?? [])];
  }
}
