import type { ActivityBroadcaster } from "../../src/chat/activity.ts";
import type { Bus, BusEvent } from "../../src/chat/bus.ts";
import { Chat } from "../../src/chat/chat.ts";
import { asChatError } from "../../src/chat/errors.ts";
import type { JoinOptions, JoinResult } from "../../src/chat/join.ts";
import { defaultSettings } from "../../src/chat/model.ts";
import type {
  Actor,
  Change,
  Departure,
  Limits,
  Membership,
  Message,
  Notice,
  Page,
} from "../../src/chat/model.ts";
import type { Participant } from "../../src/chat/participants.ts";
import type { Broadcaster } from "../../src/chat/room-sync.ts";
import { ManualStore } from "./manual-store.ts";
import { actor } from "./samples.ts";

/** Every limit lifted. */
export const noLimits: Limits = {
  textBytes: 0,
  messageRate: 0,
  messageBurst: 0,
  roomsPerUser: 0,
  membersPerRoom: 0,
};

/** A user's connection: it applies what it is sent as a client does, and notes what is out of order. */
export class FakeConnection implements Participant {
  joined: JoinResult | undefined;
  readonly known = new Map<number, Message>();
  /** Messages that were sent after the first frame. */
  readonly live: Message[] = [];
  /** How far the connection knows the room. Undefined when its history could not be read. */
  cursor: number | undefined;
  readonly faults: string[] = [];
  expelled: Departure | undefined;
  isOpen = true;
  /** Resolves with "joined", or with the code of the refusal. */
  outcome: Promise<string> = Promise.resolve("");

  constructor(
    readonly user: Actor,
    private readonly onClose: (connection: FakeConnection) => void,
  ) {}

  /** As a socket does, it leaves the room when it is closed. */
  close(): void {
    this.isOpen = false;
    this.onClose(this);
  }

  expel(reason: Departure): void {
    this.expelled = reason;
    this.close();
  }

  apply({ messages, rev }: Page): void {
    const cursor = this.cursor ?? 0;
    if (rev < cursor || messages.some((each) => each.rev <= cursor))
      this.faults.push(`again after ${cursor}`);
    for (const each of messages) this.known.set(each.seq, each);
    this.cursor = rev;
  }

  receive(page: Page, isNext: boolean): void {
    if (!this.isOpen) this.faults.push("sent to a closed connection");
    const [first] = page.messages;
    if (isNext && this.cursor !== undefined && first?.rev !== this.cursor + 1)
      this.faults.push(`${first?.rev} after ${this.cursor}`);
    this.live.push(...page.messages);
    this.apply(page);
  }

  /** All messages that it knows, by `seq`. */
  get messages(): Message[] {
    return [...this.known.values()].toSorted((a, b) => a.seq - b.seq);
  }
}

export interface ConnectOptions extends Partial<JoinOptions> {
  user?: Actor;
}

export interface ChatHarnessOptions {
  /** Messages in the room. */
  messages?: number;
  limits?: Partial<Limits>;
  /** In place of one that sends to the harness's own connections. */
  broadcaster?: Broadcaster & ActivityBroadcaster;
}

/** A chat whose store's reads the test answers. User 1 is a member of its one room. */
export function createChat({ messages = 0, limits = {}, broadcaster }: ChatHarnessOptions = {}) {
  const store = new ManualStore(messages);
  const room = store.key;
  const alice = actor(1);
  store.roles.set(alice.key, "member");
  const listeners: ((event: BusEvent) => void)[] = [];
  const notices: Notice[] = [];
  const bus: Bus = {
    publish(event) {
      if (event.kind === "notice") notices.push(event.notice);
      for (const listener of listeners) listener(event);
    },
    subscribe: (listener) => void listeners.push(listener),
    close: () => undefined,
  };
  const failures: unknown[] = [];
  const note = (error: unknown) => void failures.push(error);
  const subscribers = new Set<FakeConnection>();
  const sendToConnections: Broadcaster & ActivityBroadcaster = {
    publish(_, changes) {
      for (const { message } of changes)
        for (const each of subscribers) each.receive({ messages: [message], rev: message.rev }, true);
    },
    publishMissed(_, page) {
      for (const each of subscribers) each.receive(page, false);
    },
    followers: () => 0,
    publishActivity: () => undefined,
  };
  const clock = { now: 0 };
  const chat = new Chat({
    store,
    bus,
    limits: { ...noLimits, ...limits },
    broadcaster: broadcaster ?? sendToConnections,
    observer: { historyFailed: note, commitFailed: note, syncFailed: note, recheckFailed: note },
    now: () => clock.now,
    monotonic: () => clock.now,
  });

  /** Goes on with pages of two changes until the connection is level, and subscribes in that same turn. */
  async function start(connection: FakeConnection, joined: JoinResult): Promise<void> {
    connection.joined = joined;
    const { messages: first, position } = joined;
    if (position) connection.apply({ messages: first, rev: position.rev });
    while (
      connection.isOpen &&
      connection.cursor !== undefined &&
      connection.cursor < chat.position(room).rev
    )
      connection.apply(await chat.changesSince(room, connection.cursor, 2));
    if (connection.isOpen) subscribers.add(connection);
  }

  /** What a member is admitted with now. */
  const admit = (): Membership => ({
    room: { key: room, id: "lobby", name: "Lobby", ...defaultSettings, createdAt: 0, ...store.position },
    role: "member",
  });

  /** Connects a user who was admitted just now. */
  function connect({ user = alice, historyOptional = false, since }: ConnectOptions = {}): FakeConnection {
    const connection = new FakeConnection(user, (closed) => {
      subscribers.delete(closed);
      chat.leave(closed, room);
    });
    connection.outcome = chat
      .join(connection, admit(), { since, historyOptional })
      .then(async (joined) => {
        if (!connection.isOpen) return connection.expelled ?? "closed";
        await start(connection, joined);
        return "joined";
      })
      .catch((error: unknown) => asChatError(error).code);
    return connection;
  }

  const publish = (...changes: Change[]) => bus.publish({ kind: "changes", room, changes });
  return { store, room, bus, chat, alice, clock, notices, failures, admit, connect, publish };
}
