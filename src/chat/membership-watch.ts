import type { Departure, RoomKey, UserKey } from "./model.ts";
import type { Participant, Participants } from "./participants.ts";
import type { Store } from "./store.ts";

/** Delay before a failed read of a room's members is retried. */
const RETRY_MS = 1000;

/** Expels the connections of users who may no longer be in a room. */
export class MembershipWatch {
  /** Rooms whose members will be read again. */
  readonly #scheduled = new Set<RoomKey>();

  constructor(
    private readonly store: Pick<Store, "memberKeys">,
    private readonly participants: Participants,
    /** Called when the members of a room could not be read. The read is retried. */
    private readonly readFailed: (error: unknown) => void,
  ) {}

  memberRemoved(room: RoomKey, user: UserKey, reason: Departure): void {
    expelRemoved(this.participants.of(room, user), reason);
  }

  roomDeleted(room: RoomKey): void {
    for (const participant of this.participants.in(room)) participant.expel("room_deleted");
  }

  /** Another process has written: any membership may have ended. */
  recheckAll(): void {
    for (const room of this.participants.rooms()) void this.#recheck(room);
  }

  /** Schedules a read of the room's members. Returns false if one is scheduled already. */
  scheduleRecheck(room: RoomKey): boolean {
    if (this.#scheduled.has(room)) return false;
    this.#scheduled.add(room);
    setTimeout(() => {
      this.#scheduled.delete(room);
      void this.#recheck(room);
    }, RETRY_MS).unref();
    return true;
  }

  async #recheck(room: RoomKey): Promise<void> {
    // Only these: participants who join during the read check their membership themselves, perhaps after it.
    const present = this.participants.in(room);
    try {
      const members = await this.store.memberKeys(room);
      if (members) {
        expelRemoved(present.filter(({ user }) => !members.has(user.key)));
      } else {
        this.roomDeleted(room);
      }
    } catch (error) {
      if (this.scheduleRecheck(room)) this.readFailed(error);
    }
  }
}

/** Administrators stay: they need no membership. */
function expelRemoved(participants: readonly Participant[], reason: Departure = "removed"): void {
  for (const participant of participants) if (!participant.user.admin) participant.expel(reason);
}
