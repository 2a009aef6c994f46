import { expect } from "bun:test";

import { StoreError } from "../../src/chat/errors.ts";
import { defaultSettings } from "../../src/chat/model.ts";
import type { Actor, Departure, Role, RoomKey, RoomRef, RoomSummary, UserKey } from "../../src/chat/model.ts";
import type { Session } from "../../src/chat/session-registry.ts";
import { Sessions } from "../../src/chat/sessions.ts";
import { actor, settle } from "./samples.ts";

interface StoredRoom {
  id: string;
  name: string;
  rev: number;
  members: Map<UserKey, Role>;
}

/** Rooms whose reads wait until the test answers them, with what was stored when they were asked for. */
export class ManualRooms {
  readonly stored = new Map<RoomKey, StoredRoom>();
  readonly #reads: { name: string; answer: () => void; fail: () => void }[] = [];

  /** The reads that wait for an answer, oldest first. */
  get waiting(): string[] {
    return this.#reads.map(({ name }) => name);
  }

  set(key: RoomKey, members: readonly UserKey[], more: Partial<StoredRoom> = {}): void {
    const roles = new Map(members.map((user): [UserKey, Role] => [user, "member"]));
    this.stored.set(key, { id: `room-${key}`, name: `name-${key}`, rev: 0, members: roles, ...more });
  }

  room(key: RoomKey): StoredRoom {
    const room = this.stored.get(key);
    if (!room) throw new Error(`no room ${key}`);
    return room;
  }

  /** Answers a read that waits, the oldest unless told otherwise. */
  async answer(index = 0): Promise<void> {
    this.#reads.splice(index, 1)[0]?.answer();
    await settle();
  }

  async fail(index = 0): Promise<void> {
    this.#reads.splice(index, 1)[0]?.fail();
    await settle();
  }

  /** Answers every read that waits or comes to wait, but for the first ones. */
  async answerAll({ except = 0 } = {}): Promise<void> {
    for (await settle(); this.#reads.length > except; await settle()) await this.answer(except);
  }

  readonly of = (user: UserKey) =>
    this.#read(`of ${user}`, () => [...this.stored.keys()].flatMap((key) => this.#summary(user, key) ?? []));
  readonly one = (user: UserKey, key: RoomKey) =>
    this.#read(`one ${user} ${key}`, () => this.#summary(user, key));
  readonly role = (key: RoomKey, user: UserKey) =>
    this.#read(`role ${key} ${user}`, () => this.stored.get(key)?.members.get(user));
  readonly head = (key: RoomKey) =>
    this.#read(`head ${key}`, () => (this.stored.has(key) ? { seq: 0, rev: this.room(key).rev } : undefined));
  readonly invalidate = () => undefined;

  #summary(user: UserKey, key: RoomKey): RoomSummary | undefined {
    const room = this.stored.get(key);
    const role = room?.members.get(user);
    if (!room || !role) return undefined;
    const { id, name, rev } = room;
    return {
      room: { key, id, name, ...defaultSettings, seq: 0, rev, createdAt: 0 },
      role,
      read: 0,
      unread: 0,
      mentions: 0,
      lastMessage: null,
    };
  }

  #read<T>(name: string, find: () => T): Promise<T> {
    const found = find();
    return new Promise((resolve, reject) => {
      this.#reads.push({
        name,
        answer: () => resolve(found),
        fail: () => reject(new StoreError("broken")),
      });
    });
  }
}

/** A session that applies what it is told as a client does, and notes what is out of order. */
export class FakeSession implements Session {
  isOpen = true;
  /** What the client knows of each room: its name, role and `rev`. */
  readonly known = new Map<string, string>();
  readonly told: string[] = [];
  readonly faults: string[] = [];
  /** Whether the reader is slow: the list goes on when it is resumed. */
  isSlow = false;
  #resume: () => void = () => undefined;

  constructor(
    readonly user: Actor,
    private readonly sessions: () => Sessions,
  ) {}

  async start(rooms: readonly RoomSummary[]): Promise<void> {
    this.told.push(`start ${rooms.map(({ room }) => room.id).join(" ")}`.trim());
    await this.#list(rooms);
  }

  joined(summary: RoomSummary): void {
    this.#expectStarted("joined");
    this.told.push(`joined ${summary.room.id}`);
    this.#know(summary);
  }

  async restart(rooms: readonly RoomSummary[]): Promise<void> {
    this.#expectStarted("restart");
    this.told.push(`restart ${rooms.map(({ room }) => room.id).join(" ")}`);
    await this.#list(rooms);
  }

  refreshed(summary: RoomSummary): void {
    this.#expectStarted("refreshed");
    this.told.push(`refreshed ${summary.room.id}`);
    this.#know(summary);
  }

  left({ id }: RoomRef, reason: Departure): void {
    this.#expectStarted("left");
    this.told.push(`left ${id} ${reason}`);
    this.known.delete(id);
  }

  renamed(id: string, name: string): void {
    const known = this.known.get(id);
    if (known !== undefined) this.known.set(id, known.replace(/^\S+/, name));
  }

  resume(): void {
    this.isSlow = false;
    this.#resume();
  }

  async #list(rooms: readonly RoomSummary[]): Promise<void> {
    if (this.isSlow) await new Promise<void>((resolve) => (this.#resume = resolve));
    if (!this.isOpen) return;
    for (const each of rooms) if (this.sessions().has(each.room.key, this.user.key)) this.#know(each);
  }

  #know({ room: { id, name, rev }, role }: RoomSummary): void {
    this.known.set(id, `${name} ${role} ${rev}`);
  }

  #expectStarted(what: string): void {
    if (!this.told[0]?.startsWith("start")) this.faults.push(`${what} before the start`);
    if (!this.isOpen) this.faults.push(`${what} after the end`);
  }
}

/** The sessions of a chat whose reads the test answers. */
export function createSessions() {
  const rooms = new ManualRooms();
  const online: string[] = [];
  /** The new names that were told of, and those among them that were not the room's any more. */
  const [renamed, outdated]: [string[], string[]] = [[], []];
  const failures: unknown[] = [];
  const sessions: Sessions = new Sessions({
    store: rooms,
    roomList: rooms,
    userJoined: (room, user) => void online.push(`${user.key} in ${room}`),
    userLeft: (room, user) => void online.splice(online.indexOf(`${user} in ${room}`), 1),
    roomChanged: (room) => {
      const { key, id, name } = room;
      for (const session of opened) if (session.isOpen) session.renamed(id, name);
      renamed.push(name);
      if (name !== rooms.stored.get(key)?.name) outdated.push(name);
      sessions.receive({ kind: "notice", room: key, notice: { type: "room", room } });
    },
    readFailed: (error) => void failures.push(error),
  });
  const receive: Sessions["receive"] = (event) => sessions.receive(event);
  const opened: FakeSession[] = [];

  /** Begins a session. Its list waits for its answer. */
  function open(user = actor(1), { isSlow = false } = {}) {
    const session = new FakeSession(user, () => sessions);
    session.isSlow = isSlow;
    opened.push(session);
    const started = sessions.open(session);
    // Its connection is closed.
    started.catch(() => close(session));
    return { session, started };
  }

  /** A session that has started. */
  async function start(user = actor(1)): Promise<FakeSession> {
    const { session, started } = open(user);
    await rooms.answerAll();
    await started;
    return session;
  }

  async function close(session: FakeSession): Promise<void> {
    session.isOpen = false;
    sessions.close(session);
    session.resume();
    await settle();
  }

  /** What the sessions that are open should know by now. */
  const expected = (user: UserKey) =>
    new Map(
      [...rooms.stored.values()].flatMap(({ id, name, rev, members }) => {
        const role = members.get(user);
        return role ? [[id, `${name} ${role} ${rev}`] as const] : [];
      }),
    );

  // The store, and the event that tells of it.
  const add = (key: RoomKey, user: UserKey, role: Role = "member") => {
    rooms.room(key).members.set(user, role);
    receive({ kind: "member_added", room: key, user });
  };
  const remove = (key: RoomKey, user: UserKey, reason: Departure = "removed") => {
    rooms.room(key).members.delete(user);
    receive({ kind: "member_removed", room: key, user, reason });
  };
  const deleteRoom = (key: RoomKey) => {
    rooms.stored.delete(key);
    receive({ kind: "room_deleted", room: key });
  };
  const rename = (key: RoomKey, name: string) => {
    const room = rooms.room(key);
    room.name = name;
    // A topic tells the sessions that know the room.
    for (const session of opened) if (session.isOpen) session.renamed(room.id, name);
    receive({ kind: "notice", room: key, notice: { type: "room", room: { ...room, ...defaultSettings } } });
  };
  const change = (key: RoomKey) => {
    rooms.room(key).rev++;
    receive({ kind: "changes", room: key, changes: [] });
  };
  return {
    rooms,
    sessions,
    online,
    renamed,
    outdated,
    failures,
    opened,
    receive,
    open,
    start,
    close,
    expected,
    add,
    remove,
    deleteRoom,
    rename,
    change,
  };
}

/** Checks that a session of user 1 knows what is stored. */
export function expectKnown(
  { known, faults }: FakeSession,
  { expected }: Pick<ReturnType<typeof createSessions>, "expected">,
): void {
  expect(faults).toEqual([]);
  expect(Object.fromEntries(known)).toEqual(Object.fromEntries(expected(1)));
}
