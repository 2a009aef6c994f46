import { completeWrite } from "./complete-write.ts";
import type { Mute } from "./decide-posting.ts";
import { ChatError, refusalError } from "./errors.ts";
import type { Actor, AuditEntry, Invitee, Restriction, RestrictionKind, Room, User } from "./model.ts";
import { can, type Permission } from "./permissions.ts";
import type { Rooms, RoomsOptions } from "./rooms.ts";
import type { RestrictionRange } from "./store.ts";
import { parseReason } from "./validation.ts";

/** Bans, mutes, and the list of what was done. Permissions for writes are checked by `decide-restrictions.ts`. */
export class Moderation {
  constructor(
    private readonly options: Pick<RoomsOptions, "store" | "bus" | "now" | "writeFailed">,
    private readonly rooms: Rooms,
  ) {}

  /**
   * Bans or mutes a user, or replaces that. A ban ends their membership and closes their connections. `until` is null, or in the
   * future. Rejects with a `ChatError`.
   */
  async restrict(
    actor: Actor,
    roomId: string,
    who: Invitee,
    { kind, until, reason }: { kind: RestrictionKind; until: number | null; reason: string | null },
  ): Promise<{ restriction: Restriction; replaced: boolean }> {
    const { store, now, writeFailed } = this.options;
    const { room } = await this.rooms.enter(actor, roomId);
    const at = now();
    if (until !== null && until <= at) throw new ChatError("invalid_command", "until: must be in the future");
    const wanted = { kind, until, reason: reason === null ? null : parseReason(reason), at };
    const restricted = await completeWrite(store.restrict(room.key, who, wanted, actor), writeFailed);
    const { restriction, replaced, ended } = restricted;
    if (ended) this.rooms.announceRemoval(room.key, ended.user, "removed");
    if (kind === "mute") this.#announceMute(room, restriction.user, { until });
    return { restriction, replaced };
  }

  /** Ends a ban or a mute. Does nothing if there is none. */
  async lift(actor: Actor, roomId: string, who: Invitee, kind: RestrictionKind): Promise<void> {
    const { store, now, writeFailed } = this.options;
    const { room } = await this.rooms.enter(actor, roomId);
    const lifting = store.liftRestriction(room.key, who, { kind, at: now() }, actor);
    const user = await completeWrite(lifting, writeFailed);
    if (user && kind === "mute") this.#announceMute(room, user, undefined);
  }

  /** Bans or mutes that are not over, newest first. */
  async restrictions(
    actor: Actor,
    roomId: string,
    range: Omit<RestrictionRange, "now">,
  ): Promise<Restriction[]> {
    const { store, now } = this.options;
    const { key } = await this.#enterAs(actor, roomId, "manage_members");
    return store.restrictions(key, { ...range, now: now() });
  }

  /** Entries of the audit list with a smaller number than `before`, newest first. */
  async audit(
    actor: Actor,
    roomId: string,
    range: { before: number | undefined; limit: number },
  ): Promise<AuditEntry[]> {
    const { key } = await this.#enterAs(actor, roomId, "read_audit");
    return this.options.store.audit(key, range);
  }

  #announceMute(room: Room, user: User, mute: Mute | undefined): void {
    this.options.bus.publish({ kind: "mute", room: room.key, user: user.key, mute });
  }

  async #enterAs(actor: Actor, roomId: string, permission: Permission): Promise<Room> {
    const { room, role } = await this.rooms.enter(actor, roomId);
    if (!can(actor, role, permission)) throw refusalError({ refused: "not_allowed" });
    return room;
  }
}
