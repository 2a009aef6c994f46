import type { Bus } from "./bus.ts";
import { ChatError, refused, roomNotFound } from "./errors.ts";
import {
  type Actor,
  isRoomId,
  isStorable,
  type Limits,
  type Member,
  type Membership,
  type Notice,
  operator,
  type Role,
  type Room,
  roomIdRule,
  type RoomKey,
  type RoomSummary,
  type UserKey,
} from "./model.ts";
import { mayEnter } from "./permissions.ts";
import type { Granted, Invitee, Store } from "./store.ts";

/** Rooms and their members: who may make them, change them, and be in them. */
export class Rooms {
  constructor(
    private readonly store: Store,
    private readonly bus: Bus,
    private readonly limits: Limits,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
    /** Takes note of how a write went. */
    private readonly written: <T>(write: Promise<T>) => Promise<T>,
  ) {}

  /** The room, for somebody who may be in it. Throws `room_not_found` in the same words whether it exists or not. */
  async enter(actor: Actor, roomId: string): Promise<Membership> {
    const membership = await this.store.membership(roomId, actor.key);
    if (!membership || !mayEnter(actor, membership.role)) throw roomNotFound();
    return membership;
  }

  /** Makes a room, with the actor as its owner; the operator's rooms have none until he names one. */
  async create(actor: Actor, id: string, name: string): Promise<Room> {
    if (!isRoomId(id)) throw new ChatError("invalid_command", roomIdRule);
    const called = roomName(name);
    const owner = actor === operator ? null : actor.key;
    const limit = actor.admin ? 0 : this.limits.roomsPerUser;
    const made = this.store.createRoom({ id, name: called, owner, createdAt: this.now() }, limit);
    const room = await this.written(made);
    if (room === "taken") throw new ChatError("conflict", "A room with this id exists already.");
    if (room === "too_many") throw new ChatError("forbidden", `You may make up to ${limit} rooms.`);
    return room;
  }

  /** Every room. For the operator. */
  all(): Promise<Room[]> {
    return this.store.rooms();
  }

  /** The rooms that the actor is in. */
  of(actor: Actor): Promise<RoomSummary[]> {
    return this.store.roomsOf(actor.key);
  }

  /** An owner, or an administrator, gives a room another name. */
  async rename(actor: Actor, roomId: string, name: string): Promise<Membership> {
    const { room, role } = await this.enter(actor, roomId);
    const renamed = { ...room, name: roomName(name) };
    const refusal = await this.written(this.store.renameRoom(room.key, renamed.name, actor));
    if (refusal) throw refused(refusal);
    this.#tell(room.key, { type: "room", room: renamed });
    return { room: renamed, role };
  }

  /** An owner, or an administrator, deletes a room with all that is in it; its connections are closed. */
  async delete(actor: Actor, roomId: string): Promise<void> {
    const { room } = await this.enter(actor, roomId);
    const refusal = await this.written(this.store.deleteRoom(room.key, actor));
    if (refusal) throw refused(refusal);
    this.bus.publish({ kind: "roster", room: room.key, out: "everyone" });
  }

  async members(actor: Actor, roomId: string): Promise<Member[]> {
    const { room } = await this.enter(actor, roomId);
    return this.store.members(room.key);
  }

  /** The keys of those who may be in a room now; undefined when it is gone. */
  roster(room: RoomKey): Promise<Set<UserKey> | undefined> {
    return this.store.roster(room);
  }

  /**
   * Makes somebody a member, or changes his role; without one he keeps his, or begins as a member. Owners may do all of
   * it, moderators add members.
   */
  async setMember(actor: Actor, roomId: string, who: Invitee, role?: Role): Promise<Granted> {
    const { room } = await this.enter(actor, roomId);
    const grant = { by: actor, joinedAt: this.now(), membersPerRoom: this.limits.membersPerRoom };
    const granted = await this.written(this.store.setMember(room.key, who, role, grant));
    if (typeof granted === "string") throw refused(granted);
    const { user, role: given } = granted.member;
    this.#tell(room.key, { type: "member", user, role: given });
    return granted;
  }

  /**
   * Ends a membership, and closes its connections. Everyone may leave; owners may remove anyone, moderators members.
   * False when there was none.
   */
  async removeMember(actor: Actor, roomId: string, who: Invitee): Promise<boolean> {
    const { room } = await this.enter(actor, roomId);
    const removed = await this.written(this.store.removeMember(room.key, who, actor));
    if (typeof removed === "string") throw refused(removed);
    if (!removed) return false;
    const { user } = removed;
    // The roster first: he hears of it by his close code.
    this.bus.publish({ kind: "roster", room: room.key, out: user.key });
    this.#tell(room.key, { type: "member", user, role: null });
    return true;
  }

  #tell(room: RoomKey, notice: Notice): void {
    this.bus.publish({ kind: "notice", room, notice });
  }
}

/** Throws `invalid_command`. */
function roomName(wanted: string): string {
  const name = wanted.trim();
  if (name !== "" && name.length <= 200 && isStorable(name)) return name;
  throw new ChatError("invalid_command", "A room's name has 1 to 200 characters.");
}
