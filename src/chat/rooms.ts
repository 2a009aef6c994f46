import type { Bus } from "./bus.ts";
import { completeWrite } from "./complete-write.ts";
import { applyChanges, type RoomChanges } from "./decide-rooms.ts";
import { ChatError, refusalError, type Result, roomNotFound } from "./errors.ts";
import {
  type Actor,
  defaultSettings,
  type Departure,
  type Invitation,
  type Invitee,
  type Limits,
  type Member,
  type Membership,
  type Notice,
  operator,
  type Role,
  type Room,
  type RoomKey,
  type RoomSummary,
  type User,
} from "./model.ts";
import { can } from "./permissions.ts";
import { RoomList, type RoomListCursor } from "./room-list.ts";
import type { Granted, MemberPage, RoomPage, Store } from "./store.ts";
import { isRoomId, parseRoomName, ROOM_ID_RULE } from "./validation.ts";

export interface RoomsOptions {
  store: Store;
  bus: Bus;
  limits: Limits;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Called when a write failed. */
  writeFailed: () => void;
}

/** The settings of a new room beside its name. Default: `defaultSettings`. */
export type RoomOptions = Omit<RoomChanges, "name">;

/** Rooms and their members. Permissions are checked by `decide-rooms.ts`, within the store's transaction. */
export class Rooms {
  /** The rooms of each user, with their last messages. */
  readonly list: RoomList;

  constructor(private readonly options: RoomsOptions) {
    this.list = new RoomList(options);
  }

  /** The room and the actor's role in it. Rejects with `room_not_found`, also when the actor may not be in the room. */
  async enter(actor: Actor, roomId: string): Promise<Membership> {
    const membership = await this.options.store.membership(roomId, actor.key);
    if (!membership || !can(actor, membership.role, "participate")) throw roomNotFound();
    return membership;
  }

  /** Creates a room with the actor as its owner, or without an owner for the operator. Rejects with a `ChatError`. */
  async create(actor: Actor, id: string, name: string, options: RoomOptions = {}): Promise<Room> {
    if (!isRoomId(id)) throw new ChatError("invalid_command", ROOM_ID_RULE);
    const { store, limits, now } = this.options;
    const owner = actor === operator ? null : actor.key;
    const room = await this.#write(
      store.createRoom({
        ...applyChanges({ ...defaultSettings, name: parseRoomName(name) }, options),
        id,
        owner,
        createdAt: now(),
        roomsPerUser: actor.admin ? 0 : limits.roomsPerUser,
      }),
    );
    if (owner !== null) this.options.bus.publish({ kind: "member_added", room: room.key, user: owner });
    return room;
  }

  /** Every room, by id. For the operator only: it checks no permission. */
  all(): Promise<Room[]> {
    return this.options.store.rooms();
  }

  /** A page of every room, by id, with the actor's role. For administrators: others are refused with `forbidden`. */
  async page(actor: Actor, page: RoomPage): Promise<Membership[]> {
    if (!actor.admin) throw refusalError({ refused: "not_administrator" });
    return this.options.store.memberships(actor.key, page);
  }

  /** The rooms that the actor is a member of, most recent activity first, or those after a place in that list. */
  of(actor: Actor, after?: RoomListCursor): Promise<RoomSummary[]> {
    return this.list.of(actor.key, after);
  }

  /** Creates a room without an owner, unless it exists. For administrators: others are refused with `forbidden`. */
  async ensure(
    actor: Actor,
    id: string,
    name: string,
    options: RoomOptions = {},
  ): Promise<{ membership: Membership; created: boolean }> {
    if (!actor.admin) throw refusalError({ refused: "not_administrator" });
    let created = true;
    await this.create(operator, id, name, options).catch((error: unknown) => {
      if (!(error instanceof ChatError && error.code === "conflict")) throw error;
      created = false;
    });
    return { membership: await this.enter(actor, id), created };
  }

  /**
   * Opens the direct conversation with another user, or creates it as a room with this id: both are its members. Rejects with
   * `member_not_found` for a user who is not known, or in none of the actor's rooms.
   */
  async openDirect(
    actor: Actor,
    who: Invitee,
    id: string,
  ): Promise<{ summary: RoomSummary; created: boolean }> {
    const { store, bus, limits, now } = this.options;
    const { room, other, created } = await this.#write(
      store.openDirect({
        by: actor,
        who,
        id,
        createdAt: now(),
        roomsPerUser: actor.admin ? 0 : limits.roomsPerUser,
      }),
    );
    if (created) for (const user of [actor.key, other]) bus.publish({ kind: "member_added", room, user });
    const summary = await this.list.one(actor.key, room);
    if (!summary) throw refusalError({ refused: "room_deleted" });
    return { summary, created };
  }

  /** Changes some of a room's settings. Resolves with the room as it is then. */
  async change(actor: Actor, roomId: string, wanted: RoomChanges): Promise<Membership> {
    const { room, role } = await this.enter(actor, roomId);
    const name = wanted.name === undefined ? undefined : parseRoomName(wanted.name);
    const changes = { ...wanted, name };
    const changed = await this.#write(this.options.store.changeRoom(room.key, changes, actor));
    this.#notify(room.key, { type: "room", room: changed });
    return { room: changed, role };
  }

  /** Deletes a room with everything in it. Its connections are closed. */
  async delete(actor: Actor, roomId: string): Promise<void> {
    const { room } = await this.enter(actor, roomId);
    await this.#write(this.options.store.deleteRoom(room.key, actor));
    this.options.bus.publish({ kind: "room_deleted", room: room.key });
  }

  /** Members, as `Store.members` orders them. */
  async members(actor: Actor, roomId: string, page?: MemberPage): Promise<Member[]> {
    const { room } = await this.enter(actor, roomId);
    return this.options.store.members(room.key, page);
  }

  /** One member: by id, or by the email that they are shown with. Rejects with `member_not_found` or `conflict`. */
  async member(actor: Actor, roomId: string, who: Invitee): Promise<Member> {
    const { room } = await this.enter(actor, roomId);
    const found = await this.options.store.findMembers(room.key, who);
    const [member] = found;
    if (!member) throw refusalError({ refused: "member_not_found" });
    const users = found.flatMap(({ user }) => user.id ?? []);
    if (found.length > 1) throw refusalError({ refused: "ambiguous_email", details: { users } });
    return member;
  }

  /** Adds a member or changes their role. Without `role`, a member keeps theirs and a new one becomes a `member`. */
  async setMember(actor: Actor, roomId: string, who: Invitee, role?: Role): Promise<Granted> {
    const [granted] = await this.setMembers(actor, roomId, [{ who, role }]);
    if (!granted) throw new Error("the store has granted nothing");
    return granted;
  }

  /** Adds members or changes their roles: all of them, or none if one is refused. */
  async setMembers(actor: Actor, roomId: string, invitations: readonly Invitation[]): Promise<Granted[]> {
    const { store, limits, now } = this.options;
    const { room } = await this.enter(actor, roomId);
    const grant = { by: actor, joinedAt: now(), membersPerRoom: limits.membersPerRoom };
    const all = await this.#write(store.setMembers(room.key, invitations, grant));
    for (const granted of all) this.announceMember(room.key, granted);
    return all;
  }

  /** Ends a membership and closes its connections. Resolves with the member; undefined when there was none. */
  async removeMember(actor: Actor, roomId: string, who: Invitee): Promise<Member | undefined> {
    const { room } = await this.enter(actor, roomId);
    const removed = await this.#write(this.options.store.removeMember(room.key, who, actor));
    if (!removed) return undefined;
    this.announceRemoval(room.key, removed.user, removed.user.key === actor.key ? "left" : "removed");
    return removed;
  }

  /** Tells the room, and the user's connections, of a new member or a new role. */
  announceMember(room: RoomKey, { member: { user, role }, added, changed }: Granted): void {
    if (added) this.options.bus.publish({ kind: "member_added", room, user: user.key });
    if (changed) this.#notify(room, { type: "member", user, role });
  }

  /** Closes the user's connections to the room, and tells the room that they are no longer a member. */
  announceRemoval(room: RoomKey, user: User, reason: Departure): void {
    // Before the notice, so that the removed user learns it in another way.
    this.options.bus.publish({ kind: "member_removed", room, user: user.key, reason });
    this.#notify(room, { type: "member", user, role: null });
  }

  #notify(room: RoomKey, notice: Notice): void {
    this.options.bus.publish({ kind: "notice", room, notice });
  }

  #write<T>(write: Promise<Result<T>>): Promise<T> {
    return completeWrite(write, this.options.writeFailed);
  }
}
