import type { Bus } from "./bus.ts";
import { Commit } from "./commit-queue.ts";
import { type Door, Entrance } from "./join.ts";
import { ChatError, refused } from "./errors.ts";
import { Feed, type Outlet } from "./room-sync.ts";
import { History } from "./history.ts";
import {
  type Ack,
  type Action,
  type Actor,
  type Identity,
  isStorable,
  type Limits,
  type Message,
  type Notice,
  type Position,
  type Profile,
  type RoomKey,
  type User,
  type UserKey,
} from "./model.ts";
import { Presence } from "./presence.ts";
import { Rate } from "./rate-limiter.ts";
import { mayEnter } from "./permissions.ts";
import { Rooms } from "./rooms.ts";
import { type Page, type Range, type Store, StoreError } from "./store.ts";

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
  outlet: Outlet;
  observer: Observer;
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** Milliseconds on a clock that nobody sets, where there is one. */
  monotonic?: () => number;
}

/** What something costs its user: of what is charged as a read he has ten times as much. */
export type Price = "command" | "read";

/** Seconds between two notices that somebody is typing. */
const typingPause = 3;

/** In a room with more people than this nobody is told who has read what: that each tells each would be all it does. */
const company = 100;

/** The rules of the chat. Whoever acts, over HTTP, a socket or the command line, does it through here. */
export class Chat {
  readonly rooms: Rooms;
  readonly #store: Store;
  readonly #bus: Bus;
  readonly #limits: Limits;
  readonly #observer: Observer;
  readonly #now: () => number;
  readonly #feed: Feed;
  readonly #commit: Commit;
  readonly #rate: Rate;
  readonly #reads: Rate;
  readonly #typing: Rate;
  readonly #history: History;
  readonly #presence: Presence;
  readonly #entrance: Entrance;
  /** Who has signed in, by the very identity: a token that is verified once is looked up once. */
  readonly #actors = new WeakMap<object, Actor>();
  #healthy = true;

  constructor({ store, bus, limits, outlet, observer, now = Date.now, monotonic = now }: ChatOptions) {
    this.#store = store;
    this.#bus = bus;
    this.#limits = limits;
    this.#observer = observer;
    this.#now = now;
    this.rooms = new Rooms(store, bus, limits, now, (write) => this.#written(write));
    this.#rate = new Rate(limits.messageRate, limits.messageBurst, monotonic);
    this.#reads = new Rate(limits.messageRate * 10, limits.messageBurst * 10, monotonic);
    this.#typing = new Rate(1 / typingPause, 1, monotonic);
    this.#feed = new Feed(store, outlet, (error) => observer.feedFailed(error));
    this.#history = new History(store, this.#feed, monotonic);
    this.#presence = new Presence((room, notice) => this.#tell(room, notice));
    this.#entrance = new Entrance(this.rooms, this.#feed, this.#history, this.#presence, (error) =>
      observer.historyFailed(error),
    );
    this.#commit = new Commit(
      store,
      (room, changes) => bus.publish({ kind: "changes", room, changes }),
      ({ room, actor }, seq) => {
        if (this.#presence.count(room) <= company) this.#tell(room, { type: "read", user: actor, seq });
      },
      (error) => this.#settled(error),
    );
    bus.subscribe((hint) => {
      if (hint.kind === "changes") this.#feed.receive(hint.room, hint.changes);
      if (hint.kind === "roster" || hint.kind === "anything") this.#entrance.rosterChanged();
      if (hint.kind !== "anything") return;
      this.#history.forget();
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
  async signIn(identity: Profile & Pick<Identity, "admin">): Promise<Actor> {
    let actor = this.#actors.get(identity);
    if (!actor) {
      actor = { ...(await this.#written(this.#store.signIn(identity))), admin: identity.admin };
      this.#actors.set(identity, actor);
    }
    return actor;
  }

  /** Charges the user. Throws `rate_limited`. */
  spend(actor: Actor, price: Price): void {
    if (actor.admin) return;
    const retryAfterMs = (price === "read" ? this.#reads : this.#rate).take(actor.key);
    if (retryAfterMs > 0)
      throw new ChatError("rate_limited", "Too much at once; slow down.", { retryAfterMs });
  }

  /** Brings a connection into a room. Each arrival is followed by one `leave`. */
  join(actor: Actor, roomId: string, door: Door): Promise<void> {
    return this.#entrance.join(actor, roomId, door);
  }

  /** A connection that had arrived is gone. */
  leave(room: RoomKey, user: UserKey): void {
    this.#entrance.leave(room, user);
  }

  /** How far a room has been published here. */
  position(room: RoomKey): Position {
    return this.#feed.position(room) ?? { seq: 0, rev: 0 };
  }

  /** The next of what a connection that has arrived missed after `rev`; there is more until that is the `position`'s. */
  missed(room: RoomKey, rev: number, limit: number): Promise<Page> {
    return this.#history.after(room, rev, limit);
  }

  /** Who is in the room now, up to a bound. */
  online(room: RoomKey): User[] {
    return this.#presence.online(room);
  }

  /**
   * Does what a member does in a room that he was let into. Resolves when it is on disk, and on its way to everyone there;
   * throws, or rejects, when it is refused.
   */
  act(actor: Actor, room: RoomKey, action: Action): Promise<Ack> {
    if (action.type === "send" || action.type === "edit") this.#checkText(action.text);
    return this.#commit.add({ room, actor, at: this.#now(), action });
  }

  /** Who is in the room as far as everyone there has been told. */
  told(room: RoomKey): Map<UserKey, User> {
    return this.#presence.told(room);
  }

  /** Throws for somebody who was in the room, and may not be there any more. */
  async stay(actor: Actor, room: RoomKey): Promise<void> {
    if (mayEnter(actor, await this.#store.role(room, actor.key))) return;
    throw refused((await this.#store.head(room)) ? "removed" : "room_deleted");
  }

  /** Somebody in the room has brought a fresh token, with another name perhaps. */
  renew(room: RoomKey, actor: Actor): void {
    this.#presence.rename(room, actor);
  }

  /** Tells the others in the room that the actor writes something. More often than every few seconds, nobody is told. */
  async typing(actor: Actor, room: RoomKey): Promise<void> {
    if (this.#typing.take(actor.key) > 0) return;
    await this.stay(actor, room);
    this.#tell(room, { type: "typing", user: actor });
  }

  #tell(room: RoomKey, notice: Notice): void {
    this.#bus.publish({ kind: "notice", room, notice });
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
    const { room } = await this.rooms.enter(actor, roomId);
    return this.#store.messages(room.key, range);
  }

  /** Moves the actor's read mark in a room forward. Answers where it is now. */
  async markRead(actor: Actor, roomId: string, seq: number): Promise<number> {
    const { room } = await this.rooms.enter(actor, roomId);
    return (await this.act(actor, room.key, { type: "read", seq })).seq;
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
