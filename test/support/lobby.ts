import type { Bus, Hint } from "../../src/chat/bus.ts";
import { Chat } from "../../src/chat/chat.ts";
import { ChatError } from "../../src/chat/errors.ts";
import type { Arrival, Door } from "../../src/chat/join.ts";
import type { Change, Limits, Message, Notice, RoomKey, User } from "../../src/chat/model.ts";
import type { Outlet } from "../../src/chat/room-sync.ts";
import type { Page, Store } from "../../src/chat/store.ts";
import { actor, room as roomOf } from "./people.ts";
import { SlowRoom } from "./slow-room.ts";

const alice = actor(1);
const none = () => Promise.reject(new Error("not in this test"));
const unlimited = { textBytes: 0, messageRate: 0, messageBurst: 0, roomsPerUser: 0, membersPerRoom: 0 };

/** Says of everything that it was done. */
const append: Store["append"] = (drafts) =>
  Promise.resolve(
    drafts.map(({ action }) => ({ ack: { seq: "seq" in action ? action.seq : 1, rev: 1 }, marked: true })),
  );

/** A connection to the lobby, and what it was sent. */
export interface Visit {
  /** What it began with. */
  arrival: Arrival | undefined;
  /** Who was online by then. */
  online: readonly User[] | undefined;
  /** What came after it, as it came. */
  live: Message[];
  /** How far it knows the room, which it knows as `known`. */
  rev: number;
  known: Map<number, Message>;
  /** Where what came was not the next of what it knew. */
  gaps: string[];
  ended: Promise<string>;
}

interface Visitor extends Partial<Omit<Door, "arrive">> {
  who?: typeof alice;
  /** Whether the socket is still there when it may come in. */
  stays?: boolean;
}

/** A chat on a store that answers when the test says so. In it is one room, number 7 to begin with. */
export function openLobby({ stored = 0, limits = {} }: { stored?: number; limits?: Partial<Limits> } = {}) {
  const room = new SlowRoom();
  for (let each = 0; each < stored; each++) room.add();
  /** What stands at the id "lobby" now: the room's key, and who is in it. */
  const lobby: { key: RoomKey | undefined; members: Set<number> } = { key: 7, members: new Set([alice.key]) };
  const membership: Store["membership"] = (_, user) =>
    room.later("membership", () => {
      if (lobby.key === undefined) return undefined;
      const found = { ...roomOf(lobby.key, "lobby"), ...room.position };
      return { room: found, role: lobby.members.has(user) ? "member" : null };
    });
  const role: Store["role"] = (key, user) =>
    Promise.resolve(key === lobby.key && lobby.members.has(user) ? "member" : undefined);
  const methods = { head: room.head, changes: room.changes, messages: room.range, membership, role, append };
  const store = new Proxy(methods, {
    get: (target, name) => Reflect.get(target, name) ?? none,
  }) as unknown as Store;
  const listeners: ((hint: Hint) => void)[] = [];
  const notices: Notice[] = [];
  const bus: Bus = {
    publish(hint) {
      if (hint.kind === "notice") notices.push(hint.notice);
      for (const listener of listeners) listener(hint);
    },
    subscribe: (listener) => void listeners.push(listener),
    close: () => undefined,
  };
  const failures: unknown[] = [];
  const note = (error: unknown) => void failures.push(error);
  const observer = { historyFailed: note, commitFailed: note, feedFailed: note };
  const subscribers = new Map<RoomKey, Set<Visit>>();
  const deliver = (key: RoomKey, messages: readonly Message[], rev: number, next?: number) => {
    for (const visit of subscribers.get(key) ?? []) {
      if (next !== undefined && next !== visit.rev + 1) visit.gaps.push(`${next} after ${visit.rev}`);
      if (messages.some((message) => message.rev <= visit.rev)) visit.gaps.push(`again after ${visit.rev}`);
      visit.live.push(...messages);
      apply(visit, { messages, rev });
    }
  };
  const outlet: Outlet = {
    live: (key, changes) => {
      for (const { message } of changes) deliver(key, [message], message.rev, message.rev);
    },
    missed: (key, { messages, rev }) => deliver(key, messages, rev),
  };
  const clock = { now: 0 };
  const chat = new Chat({
    store,
    bus,
    limits: { ...unlimited, ...limits },
    outlet,
    observer,
    now: () => clock.now,
  });

  const subscribe = (visit: Visit, key: RoomKey) =>
    subscribers.set(key, (subscribers.get(key) ?? new Set()).add(visit));

  /** Goes on with pages of two messages until the visit is where the room is, and subscribes in that very turn. */
  async function follow(visit: Visit, key: RoomKey): Promise<void> {
    while (visit.rev !== chat.position(key).rev) apply(visit, await chat.missed(key, visit.rev, 2));
    subscribe(visit, key);
  }

  function join({
    who = alice,
    stays = true,
    admit = () => undefined,
    blindly = true,
    ...since
  }: Visitor = {}): Visit {
    const visit: Visit = {
      arrival: undefined,
      online: undefined,
      live: [],
      rev: 0,
      known: new Map(),
      gaps: [],
      ended: Promise.resolve(""),
    };
    const arrive = (arrival: Arrival) => {
      if (!stays) return false;
      const { key } = arrival.room;
      visit.arrival = arrival;
      visit.online = chat.online(key);
      apply(visit, arrival);
      if (blindly) subscribe(visit, key);
      else void follow(visit, key);
      return true;
    };
    visit.ended = chat.join(who, "lobby", { ...since, admit, blindly, arrive }).then(
      () => "joined",
      (error: unknown) => (error instanceof ChatError ? error.code : String(error)),
    );
    return visit;
  }
  const publish = (...changes: Change[]) => bus.publish({ kind: "changes", room: 7, changes });
  return { room, lobby, bus, chat, clock, notices, failures, join, publish };
}

function apply(visit: Visit, { messages, rev }: Page): void {
  for (const message of messages) visit.known.set(message.seq, message);
  visit.rev = rev;
}
