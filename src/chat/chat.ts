import { type ActivityBroadcaster, ActivityFeed } from "./activity.ts";
import { Budgets } from "./budgets.ts";
import type { Bus, BusEvent } from "./bus.ts";
import { CommitQueue } from "./commit-queue.ts";
import { refusePost } from "./decide-posting.ts";
import { refusalError } from "./errors.ts";
import { HistoryReader } from "./history.ts";
import { Joiner, type JoinOptions, type JoinResult } from "./join.ts";
import { MembershipWatch } from "./membership-watch.ts";
import { MAX_READ_MARK_USERS, MessageReader } from "./message-reader.ts";
import type {
  Ack,
  Action,
  Actor,
  Draft,
  Identity,
  Limits,
  MarkMove,
  Membership,
  Notice,
  Page,
  Position,
  Profile,
  RoomKey,
  User,
  UserKey,
} from "./model.ts";
import { Moderation } from "./moderation.ts";
import type { Observer } from "./observer.ts";
import { OpenRooms } from "./open-rooms.ts";
import { type Participant, Participants } from "./participants.ts";
import { Presence } from "./presence.ts";
import { type Broadcaster, RoomSync } from "./room-sync.ts";
import { Rooms } from "./rooms.ts";
import { Sessions } from "./sessions.ts";
import { SignIn } from "./sign-in.ts";
import { readStanding } from "./standing.ts";
import type { Store } from "./store.ts";
import { checkMessageText } from "./validation.ts";

export interface ChatOptions {
  store: Store;
  bus: Bus;
  limits: Limits;
  broadcaster: Broadcaster & ActivityBroadcaster;
  observer: Observer;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Milliseconds on a clock that never goes back. */
  monotonic: () => number;
}

/** The use cases of the chat. HTTP, WebSockets and the command line all go through here. */
export class Chat {
  readonly rooms: Rooms;
  readonly openRooms: OpenRooms;
  readonly moderation: Moderation;
  readonly messages: MessageReader;
  readonly budgets: Budgets;
  readonly sessions: Sessions;
  readonly #options: ChatOptions;
  readonly #sync: RoomSync;
  readonly #history: HistoryReader;
  readonly #commitQueue: CommitQueue;
  readonly #presence: Presence;
  readonly #participants: Participants;
  readonly #activity: ActivityFeed;
  readonly #membershipWatch: MembershipWatch;
  readonly #joiner: Joiner;
  readonly #signIn: SignIn;
  #healthy = true;

  constructor(options: ChatOptions) {
    const { store, bus, limits, broadcaster, observer, now, monotonic } = options;
    this.#options = options;
    const writeFailed = () => void (this.#healthy = false);
    const roomsOptions = { store, bus, limits, now, writeFailed };
    this.rooms = new Rooms(roomsOptions);
    this.openRooms = new OpenRooms(roomsOptions, this.rooms);
    this.moderation = new Moderation(roomsOptions, this.rooms);
    this.messages = new MessageReader(store, this.rooms);
    const removed = (room: RoomKey, user: User) => this.rooms.announceRemoval(room, user, "removed");
    this.#signIn = new SignIn({ store, bus, removed, writeFailed });
    this.budgets = new Budgets(limits, monotonic);
    this.#presence = new Presence((room, notice) => this.#notify(room, notice));
    this.#sync = new RoomSync(store, broadcaster, (error) => observer.syncFailed(error));
    this.#history = new HistoryReader(store, this.#sync, monotonic);
    const arrive = (room: RoomKey, user: User) => this.#presence.arrive(room, user);
    const depart = (room: RoomKey, user: UserKey) => {
      const isOnline = this.#participants.has(room, user) || this.sessions.has(room, user);
      if (!isOnline) this.#presence.depart(room, user);
    };
    this.#participants = new Participants({
      roomOccupied: (room) => {
        this.#sync.follow(room);
        this.#presence.open(room.key, this.sessions.usersIn(room.key));
      },
      userJoined: arrive,
      userLeft: depart,
      roomEmptied: (room) => {
        this.#sync.unfollow(room);
        this.#presence.close(room);
      },
    });
    const recheckFailed = (error: unknown) => observer.recheckFailed(error);
    this.sessions = new Sessions({
      store,
      roomList: this.rooms.list,
      userJoined: arrive,
      userLeft: depart,
      roomChanged: (room) => this.#notify(room.key, { type: "room", room }),
      readFailed: recheckFailed,
    });
    this.#activity = new ActivityFeed({
      store,
      broadcaster,
      idOf: (room) => this.sessions.idOf(room),
      readFailed: (error) => observer.syncFailed(error),
    });
    this.#membershipWatch = new MembershipWatch(store, this.#participants, recheckFailed);
    this.#joiner = new Joiner({
      store,
      participants: this.#participants,
      sync: this.#sync,
      history: this.#history,
      historyFailed: (room, error) => {
        observer.historyFailed(error);
        this.#membershipWatch.scheduleRecheck(room);
      },
      now,
    });
    this.#commitQueue = new CommitQueue({
      store,
      publish: (room, changes) => bus.publish({ kind: "changes", room, changes }),
      readMarkMoved: (draft, mark) => this.#readMarkMoved(draft, mark),
      settled: (error) => {
        this.#healthy = error === undefined;
        if (error !== undefined) observer.commitFailed(error);
      },
    });
    bus.subscribe((event) => this.#receive(event));
  }

  /** Whether the last write succeeded. */
  get healthy(): boolean {
    return this.#healthy;
  }

  /** Tries a write and updates `healthy`. Never rejects. */
  async probe(): Promise<void> {
    await this.#options.store.probe().then(
      () => (this.#healthy = true),
      () => (this.#healthy = false),
    );
  }

  /** Resolves when every accepted command has been stored or refused. */
  idle(): Promise<void> {
    return this.#commitQueue.idle();
  }

  /** Returns the user of a verified token, created if new. Rejects with `StoreError`. */
  signIn(identity: Profile & Pick<Identity, "admin">): Promise<Actor> {
    return this.#signIn.signIn(identity);
  }

  /** Names an administrator whose token has no name, as `SignIn.setName` describes. */
  async setOwnName(identity: Profile & Pick<Identity, "admin">, name: string): Promise<Actor> {
    const actor = await this.#signIn.setName(identity, name);
    this.updateUser(actor, []);
    return actor;
  }

  /** Joins a connection to a room, as `Joiner.join` describes. Call `leave` when the connection ends. */
  join(participant: Participant, membership: Membership, options: JoinOptions): Promise<JoinResult> {
    // The newest token may carry another name or email.
    this.#presence.update(membership.room.key, participant.user);
    return this.#joiner.join(participant, membership, options);
  }

  /** Removes a connection from the room. Does nothing if it was not in it. */
  leave(participant: Participant, room: RoomKey): void {
    this.#participants.remove(room, participant);
  }

  /** The room's connections on this node. */
  participants(room: RoomKey): Participant[] {
    return this.#participants.in(room);
  }

  /** The id of a room that is followed here, or that has a member with a session. */
  roomId(room: RoomKey): string | undefined {
    return this.#participants.idOf(room) ?? this.sessions.idOf(room);
  }

  /** The name of a room that is followed here. */
  roomName(room: RoomKey): string | undefined {
    return this.#participants.nameOf(room);
  }

  /** How far a room has been published on this node; 0 when it is not followed. */
  position(room: RoomKey): Position {
    return this.#sync.position(room) ?? { seq: 0, rev: 0 };
  }

  /** The next page of changes that a joined connection missed after `rev`. More follow until `position` is reached. */
  changesSince(room: RoomKey, rev: number, limit: number): Promise<Page> {
    return this.#history.changesSince(room, rev, limit);
  }

  /** Users who are online, in order of arrival, up to a limit. `viewer` is the user who is about to see the list. */
  listOnline(room: RoomKey, viewer: UserKey): User[] {
    return this.#presence.listOnline(room, viewer);
  }

  /** Whether read marks of the room are broadcast. */
  announcesReads(room: RoomKey): boolean {
    return this.#presence.count(room) <= MAX_READ_MARK_USERS;
  }

  /** Users who are online according to the presence notices sent so far. */
  announcedOnline(room: RoomKey): Map<UserKey, User> {
    return this.#presence.announcedOnline(room);
  }

  /**
   * Executes an action in a room. Resolves when it is on disk and published. Throws or rejects with a `ChatError` when it is
   * refused; then nothing has changed.
   */
  execute(actor: Actor, room: RoomKey, action: Action): Promise<Ack> {
    if ("text" in action) checkMessageText(action.text, this.#options.limits.textBytes);
    return this.#commitQueue.add({ room, actor, at: this.#options.now(), action });
  }

  /** A user has presented a new token, perhaps with another name. `rooms` are those that their connection follows. */
  updateUser(user: Actor, rooms: Iterable<RoomKey>): void {
    this.sessions.update(user);
    for (const room of [...this.sessions.roomsOf(user.key), ...rooms]) this.#presence.update(room, user);
  }

  /** Rejects with `removed` or `room_deleted` when the user may no longer be in the room. */
  async assertMember(actor: Actor, room: RoomKey): Promise<void> {
    await readStanding(this.#options.store, actor, room);
  }

  /** Tells the room that the actor is typing, unless it was told a moment ago. Rejects when they may not post there. */
  async typing(actor: Actor, room: RoomKey): Promise<void> {
    if (!this.budgets.takeTyping(actor, room)) return;
    const standing = await readStanding(this.#options.store, actor, room);
    const refusal = refusePost(actor, standing, standing.posting, this.#options.now());
    if (refusal) throw refusalError(refusal);
    this.#notify(room, { type: "typing", user: actor });
  }

  #receive(event: BusEvent): void {
    switch (event.kind) {
      case "changes":
        this.#sync.receive(event.room, event.changes);
        this.#activity.receive(event.room, event.changes);
        break;
      case "member_removed":
        this.#membershipWatch.memberRemoved(event.room, event.user, event.reason);
        break;
      case "room_deleted":
        this.#membershipWatch.roomDeleted(event.room);
        break;
      case "invalidate":
        this.#history.invalidate();
        void this.#sync.refreshAll();
        this.#membershipWatch.recheckAll();
        break;
      // For sessions and single connections only.
      case "read":
      case "member_added":
      case "rooms_changed":
        break;
      case "mute":
        return;
      case "notice":
        if (event.notice.type === "room") this.#participants.rename(event.room, event.notice.room.name);
        break;
    }
    this.sessions.receive(event);
  }

  #readMarkMoved({ room, actor, action }: Draft, mark: MarkMove): void {
    const sent = action.type === "send";
    // The others learn it from the new message.
    if (sent && !this.sessions.hasUser(actor.key)) return;
    this.#options.bus.publish({ kind: "read", room, user: actor, mark, sent });
  }

  #notify(room: RoomKey, notice: Notice): void {
    this.#options.bus.publish({ kind: "notice", room, notice });
  }
}
