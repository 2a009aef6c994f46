import type { Bus } from "./bus.ts";
import { Commit } from "./commit.ts";
import { ChatError, roomNotFound } from "./errors.ts";
import { Feed } from "./feed.ts";
import {
  type Ack,
  type Actor,
  type Change,
  historyLength,
  type Identity,
  isRoomId,
  isStorable,
  type Limits,
  type Member,
  type Membership,
  type Message,
  operator,
  type Position,
  type Role,
  type Room,
  roomIdRule,
  type RoomKey,
  type RoomSummary,
  type UserKey,
} from "./model.ts";
import { Rate } from "./rate.ts";
import { Recent } from "./recent.ts";
import { type Granted, type Invitee, type Range, type Store, StoreError } from "./store.ts";

/** What goes on inside, for the log and the counters. */
export interface Observer {
  /** A newcomer was sent an empty history, since it could not be read. */
  historyFailed(error: unknown): void;
  /** A batch of messages could not be stored. */
  commitFailed(error: unknown): void;
  /** A room could not be read to find out what was missed. */
  feedFailed(error: unknown): void;
}

export interface ChatOptions {
  store: Store;
  bus: Bus;
  limits: Limits;
  /** Sends changes to the room's connections on this node. */
  deliver: (room: RoomKey, changes: readonly Change[], after: Position) => void;
  observer: Observer;
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** Milliseconds on a clock that nobody sets, where there is one. */
  monotonic?: () => number;
}

/** How a connection comes into a room. */
export interface Door {
  /** Once it is known that the user may come in, and before any work is done for him; throws to refuse. */
  admit(): void;
  /** Level with what was published: must subscribe before it returns. False when the connection is gone. */
  arrive(room: Room, history: readonly Message[]): boolean;
}

/** The rules of the chat. Whoever acts, over HTTP, a socket or the command line, does it through here. */
export class Chat {
  readonly #store: Store;
  readonly #bus: Bus;
  readonly #limits: Limits;
  readonly #observer: Observer;
  readonly #now: () => number;
  readonly #feed: Feed;
  readonly #commit: Commit;
  readonly #rate: Rate;
  readonly #reads: Rate;
  readonly #recent: Recent;
  /** Who has signed in, by the very identity: a token that is verified once is looked up once. */
  readonly #actors = new WeakMap<Identity, Actor>();
  #healthy = true;
  /** Counts what was heard of memberships. */
  #rosterEpoch = 0;

  constructor({ store, bus, limits, deliver, observer, now = Date.now, monotonic = now }: ChatOptions) {
    this.#store = store;
    this.#bus = bus;
    this.#limits = limits;
    this.#observer = observer;
    this.#now = now;
    this.#rate = new Rate(limits.messageRate, limits.messageBurst, monotonic);
    this.#reads = new Rate(limits.messageRate * 10, limits.messageBurst * 10, monotonic);
    this.#recent = new Recent(monotonic);
    this.#feed = new Feed(store, deliver, (error) => observer.feedFailed(error));
    this.#commit = new Commit(
      store,
      (room, changes) => bus.publish({ kind: "changes", room, changes }),
      (error) => this.#settled(error),
    );
    bus.subscribe((hint) => {
      if (hint.kind === "changes") this.#feed.receive(hint.room, hint.changes);
      else this.#rosterEpoch++;
      if (hint.kind !== "anything") return;
      this.#recent.clear();
      void this.#feed.level();
    });
  }

  /** Whether the last write succeeded. */
  get healthy(): boolean {
    return this.#healthy;
  }

  /** Tries a write. Never rejects; `healthy` says how it went. */
  async probe(): Promise<void> {
    await this.#store.probe().then(
      () => this.#settled(undefined),
      () => (this.#healthy = false),
    );
  }

  /** Resolves when every message that was taken is stored or refused. */
  idle(): Promise<void> {
    return this.#commit.idle();
  }

  /** The user of a verified token. */
  async signIn(identity: Identity): Promise<Actor> {
    let actor = this.#actors.get(identity);
    if (!actor) {
      actor = { ...(await this.#written(this.#store.signIn(identity))), admin: identity.admin };
      this.#actors.set(identity, actor);
    }
    return actor;
  }

  /** Charges a command to the user, or a read, of which he has ten times as many. Throws `rate_limited`. */
  spend(actor: Actor, what: "command" | "read"): void {
    if (actor.admin) return;
    const retryAfterMs = (what === "read" ? this.#reads : this.#rate).take(actor.key);
    if (retryAfterMs > 0)
      throw new ChatError("rate_limited", "Too much at once; slow down.", { retryAfterMs });
  }

  /** The room, for somebody who may be in it. Throws `room_not_found` in the same words whether it exists or not. */
  async enter(actor: Actor, roomId: string): Promise<Membership> {
    const membership = await this.#store.membership(roomId, actor.key);
    if (!membership || (membership.role === null && !actor.admin)) throw roomNotFound();
    return membership;
  }

  /**
   * Brings a connection into a room, level with what has been published there. Its history is the last messages, or
   * none when they can't be read. Each arrival is followed by one `leave`.
   */
  async join(actor: Actor, roomId: string, door: Door): Promise<void> {
    let epoch = this.#rosterEpoch;
    let { room } = await this.enter(actor, roomId);
    door.admit();
    for (;;) {
      const { history, upTo } = await this.#follow(room.key);
      // No await from here to `arrive`, which subscribes: nothing can be published in between.
      const level = upTo === undefined || upTo === this.#published(room.key);
      if (level && epoch === this.#rosterEpoch) {
        let arrived = false;
        try {
          arrived = door.arrive(room, history);
        } finally {
          if (!arrived) this.leave(room.key);
        }
        return;
      }
      // Meanwhile something was said, or somebody was removed or a room deleted: perhaps this one.
      this.leave(room.key);
      epoch = this.#rosterEpoch;
      ({ room } = await this.enter(actor, roomId));
    }
  }

  /** A connection that had arrived is gone. */
  leave(room: RoomKey): void {
    this.#feed.close(room);
  }

  /** The `seq` up to which the room has been published here. */
  #published(room: RoomKey): number {
    return this.#feed.position(room)?.seq ?? 0;
  }

  /** Follows the room, and reads its history up to where it was published; undefined when it can't be read. */
  async #follow(room: RoomKey): Promise<{ history: readonly Message[]; upTo: number | undefined }> {
    try {
      await this.#feed.open(room);
      let history: readonly Message[] = [];
      let upTo = 0;
      while (upTo !== this.#published(room)) {
        const { seq, rev } = this.#feed.position(room) ?? { seq: 0, rev: 0 };
        const range = { after: upTo, before: seq + 1, limit: historyLength };
        const known = this.#recent.get(room, rev);
        history = known ?? [...history, ...(await this.#store.messages(room, range))].slice(-historyLength);
        if (!known) this.#recent.set(room, rev, history);
        upTo = seq;
      }
      return { history, upTo };
    } catch (error) {
      this.#observer.historyFailed(error);
      return { history: [], upTo: undefined };
    }
  }

  /** Resolves when the message is on disk and on its way to everyone in the room. */
  post(actor: Actor, room: RoomKey, text: string, clientId: string | null = null): Promise<Ack> {
    this.#checkText(text);
    return this.#commit.add({ room, sender: actor, text, sentAt: this.#now(), clientId });
  }

  #checkText(text: string): void {
    const limit = this.#limits.textBytes;
    // UTF-8 takes at most three bytes for each unit of UTF-16, so that most texts need no counting.
    if (limit > 0 && text.length * 3 > limit && new TextEncoder().encode(text).length > limit) {
      throw new ChatError("message_too_long", `A message may have up to ${limit} bytes of UTF-8.`);
    }
    if (text.trim() === "") throw new ChatError("invalid_message", "A message needs some text.");
    if (!isStorable(text)) {
      throw new ChatError("invalid_message", "A message may hold neither lone surrogates nor NUL.");
    }
  }

  /** Messages of a room, oldest first. */
  async history(actor: Actor, roomId: string, range: Range): Promise<Message[]> {
    const { room } = await this.enter(actor, roomId);
    return this.#store.messages(room.key, range);
  }

  /** Moves the actor's read mark in a room forward. Answers where it is now. */
  async markRead(actor: Actor, roomId: string, seq: number): Promise<number> {
    const { room } = await this.enter(actor, roomId);
    return this.#written(this.#store.markRead(room.key, actor.key, seq));
  }

  /** Makes a room, with the actor as its owner; the operator's rooms have none until he names one. */
  async createRoom(actor: Actor, id: string, name: string): Promise<Room> {
    if (!isRoomId(id)) throw new ChatError("invalid_command", roomIdRule);
    const called = name.trim();
    if (called === "" || called.length > 200 || !isStorable(called)) {
      throw new ChatError("invalid_command", "A room's name has 1 to 200 characters.");
    }
    const owner = actor === operator ? null : actor.key;
    const limit = actor.admin ? 0 : this.#limits.roomsPerUser;
    const made = this.#store.createRoom({ id, name: called, owner, createdAt: this.#now() }, limit);
    const room = await this.#written(made);
    if (room === "taken") throw new ChatError("conflict", "A room with this id exists already.");
    if (room === "too_many") throw new ChatError("forbidden", `You may make up to ${limit} rooms.`);
    return room;
  }

  /** Every room. For the operator. */
  rooms(): Promise<Room[]> {
    return this.#store.rooms();
  }

  /** The rooms that the actor is in. */
  roomsOf(actor: Actor): Promise<RoomSummary[]> {
    return this.#store.roomsOf(actor.key);
  }

  /** An owner, or an administrator, deletes a room with all that is in it; its connections are closed. */
  async deleteRoom(actor: Actor, roomId: string): Promise<void> {
    const { room, role } = await this.enter(actor, roomId);
    if (!actor.admin && role !== "owner")
      throw new ChatError("forbidden", "Only an owner may delete a room.");
    if (!(await this.#written(this.#store.deleteRoom(room.key)))) throw roomNotFound();
    this.#bus.publish({ kind: "roster", room: room.key });
  }

  async members(actor: Actor, roomId: string): Promise<Member[]> {
    const { room } = await this.enter(actor, roomId);
    return this.#store.members(room.key);
  }

  /** The keys of those who may be in a room now; undefined when it is gone. */
  roster(room: RoomKey): Promise<Set<UserKey> | undefined> {
    return this.#store.roster(room);
  }

  /**
   * Makes somebody a member, or changes his role; without one he keeps his, or begins as a member. Owners may do all of
   * it, moderators add members.
   */
  async setMember(actor: Actor, roomId: string, who: Invitee, role?: Role): Promise<Granted> {
    const membership = await this.enter(actor, roomId);
    const { room } = membership;
    if (!owns(actor, membership)) {
      const before = await this.#store.member(room.key, who);
      if (
        membership.role !== "moderator" ||
        (role ?? "member") !== "member" ||
        (before && before.role !== "member")
      ) {
        throw new ChatError("forbidden", "Only an owner may do this.");
      }
    }
    const grant = { joinedAt: this.#now(), membersPerRoom: this.#limits.membersPerRoom };
    const granted = await this.#written(this.#store.setMember(room.key, who, role, grant));
    if (granted === "room_gone") throw roomNotFound();
    if (granted === "last_owner") throw lastOwner();
    if (granted === "too_many") {
      throw new ChatError("forbidden", `A room may have up to ${grant.membersPerRoom} members.`);
    }
    return granted;
  }

  /**
   * Ends a membership, and closes its connections. Everyone may leave; owners may remove anyone, moderators members.
   * False when there was none.
   */
  async removeMember(actor: Actor, roomId: string, who: Invitee): Promise<boolean> {
    const membership = await this.enter(actor, roomId);
    const { room } = membership;
    const member = await this.#store.member(room.key, who);
    const may =
      owns(actor, membership) ||
      member?.user.key === actor.key ||
      (membership.role === "moderator" && (!member || member.role === "member"));
    if (!may) throw new ChatError("forbidden", "Only an owner may do this.");
    if (!member) return false;
    const removed = await this.#written(this.#store.removeMember(room.key, member.user.key));
    if (removed === "last_owner") throw lastOwner();
    if (removed) this.#bus.publish({ kind: "roster", room: room.key });
    return removed;
  }

  /** Removes some of what deleted rooms left behind; true while more is left. */
  purge(): Promise<boolean> {
    return this.#store.purge();
  }

  /** A write; when it fails, `healthy` says so. */
  async #written<T>(write: Promise<T>): Promise<T> {
    try {
      return await write;
    } catch (error) {
      if (error instanceof StoreError) this.#healthy = false;
      throw error;
    }
  }

  #settled(error: unknown): void {
    this.#healthy = error === undefined;
    if (error !== undefined) this.#observer.commitFailed(error);
  }
}

function owns(actor: Actor, { role }: Membership): boolean {
  return actor.admin || role === "owner";
}

const lastOwner = () => new ChatError("conflict", "A room keeps at least one owner; name another one first.");
