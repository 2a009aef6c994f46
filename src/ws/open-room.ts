import type { Actor, Departure, RoomRef, User, UserKey } from "../chat/model.ts";
import type { Participant } from "../chat/participants.ts";
import { topics } from "./broadcast.ts";
import type { Connection } from "./connection.ts";

/** A room that a connection follows: the only one of a connection to a room's URL, or one of those open in a session. */
export class OpenRoom implements Participant {
  /** The users whom the client knows to be online, while notices are withheld from it. Otherwise undefined. */
  knownOnline: ReadonlyMap<UserKey, User> | undefined;
  /** Why the user may no longer be in the room. Undefined as long as they may. */
  departure: Departure | undefined;
  #isClosed = false;

  constructor(
    readonly connection: Connection,
    readonly room: RoomRef,
    private readonly expelled: (room: OpenRoom, reason: Departure) => void,
  ) {}

  get user(): Actor {
    return this.connection.user;
  }

  get isOpen(): boolean {
    return !this.#isClosed && this.connection.isOpen;
  }

  /** Whether the connection is subscribed to the room's changes: it has received all that were published before. */
  get isLive(): boolean {
    return this.connection.isSubscribed(topics.v2(this.room.key));
  }

  expel(reason: Departure): void {
    this.departure = reason;
    this.expelled(this, reason);
  }

  /** Ends the subscriptions. Nothing more of the room is sent. */
  close(): void {
    const { connection, room } = this;
    this.#isClosed = true;
    connection.unsubscribe(topics.v2(room.key));
    connection.unsubscribe(topics.notices(room.key));
  }
}
