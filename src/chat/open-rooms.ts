import { completeWrite } from "./complete-write.ts";
import { roomNotFound } from "./errors.ts";
import type { Actor, Membership } from "./model.ts";
import { can } from "./permissions.ts";
import type { Rooms, RoomsOptions } from "./rooms.ts";
import type { RoomPage } from "./store.ts";

/** Rooms that anyone who is signed in may see and join. */
export class OpenRooms {
  constructor(
    private readonly options: Pick<RoomsOptions, "store" | "limits" | "now" | "writeFailed">,
    private readonly rooms: Rooms,
  ) {}

  /** The room and the actor's role in it. Rejects with `room_not_found` unless they may be in it, or it is open. */
  async see(actor: Actor, roomId: string): Promise<Membership> {
    const membership = await this.options.store.membership(roomId, actor.key);
    const isSeen =
      membership && (membership.room.access === "open" || can(actor, membership.role, "participate"));
    if (!isSeen) throw roomNotFound();
    return membership;
  }

  /** Open rooms by id, those after one of them, with the actor's role in each. */
  list(actor: Actor, page: RoomPage): Promise<Membership[]> {
    return this.options.store.openRooms(actor.key, page);
  }

  /** Makes the actor a member. `added` is false if they were one already. */
  async join(actor: Actor, roomId: string): Promise<{ membership: Membership; added: boolean }> {
    const { room } = await this.see(actor, roomId);
    const { store, limits, now, writeFailed } = this.options;
    const grant = { by: actor, joinedAt: now(), membersPerRoom: limits.membersPerRoom };
    const granted = await completeWrite(store.joinRoom(room.key, grant), writeFailed);
    this.rooms.announceMember(room.key, granted);
    return { membership: { room, role: granted.member.role }, added: granted.added };
  }
}
