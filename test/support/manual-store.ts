import type { Mute } from "../../src/chat/decide-posting.ts";
import { Batch, type Facts } from "../../src/chat/decide.ts";
import { StoreError } from "../../src/chat/errors.ts";
import { defaultSettings } from "../../src/chat/model.ts";
import type {
  Change,
  Draft,
  Membership,
  Message,
  Page,
  Position,
  ReadMark,
  Role,
  Room,
  RoomEntry,
  RoomKey,
  UserKey,
} from "../../src/chat/model.ts";
import type { History, Outcome, Store } from "../../src/chat/store.ts";
import { actor, message, settle } from "./samples.ts";

const unused = () => Promise.reject(new Error("not part of this test"));

const ROOM_ID = "lobby";

/**
 * A store with one room, whose reads wait until the test answers them: with what the store held when it was asked or, if
 * `readsAsOf` says so, with what it holds by then. Writes are done at once, by the rules of the domain.
 */
export class ManualStore implements Store {
  readonly key: RoomKey = 7;
  readonly stored: Message[] = [];
  readonly roles = new Map<UserKey, Role>();
  readonly #marks = new Map<UserKey, number>();
  rev = 0;
  exists = true;
  /** That of every user. */
  mute: Mute | undefined;
  readsAsOf: "call" | "answer" = "call";
  readonly #reads: { name: string; answer(): void; fail(): void }[] = [];

  constructor(messageCount = 0) {
    for (let each = 0; each < messageCount; each++) this.add();
  }

  /** The reads that wait for an answer, oldest first. */
  get waiting(): string[] {
    return this.#reads.map(({ name }) => name);
  }

  get position(): Position {
    return { seq: this.stored.length, rev: this.rev };
  }

  /** Stores a message as another node does, without an event. */
  add(): Change {
    const added = { ...message(this.stored.length + 1, ++this.rev), editedAt: null };
    this.stored.push(added);
    return { kind: "created", message: added };
  }

  /** Edits a message as another node does, without an event. */
  edit(seq: number): Change {
    const edited = message(seq, ++this.rev, `edit ${this.rev}`);
    this.stored[seq - 1] = edited;
    return { kind: "edited", message: edited };
  }

  /** Answers a read that waits, the oldest unless told otherwise. */
  answer(index = 0): void {
    this.#reads.splice(index, 1)[0]?.answer();
  }

  fail(index = 0): void {
    this.#reads.splice(index, 1)[0]?.fail();
  }

  /** Answers every read that waits or comes to wait. */
  async answerAll(): Promise<void> {
    for (await settle(); this.#reads.length > 0; await settle()) this.answer();
  }

  head(room: RoomKey): Promise<Position | undefined> {
    return this.#read("head", () => (this.#has(room) ? this.position : undefined));
  }

  role(room: RoomKey, user: UserKey): Promise<Role | undefined> {
    return this.#read("role", () => (this.#has(room) ? this.roles.get(user) : undefined));
  }

  standing(room: RoomKey, user: UserKey) {
    return this.#read("standing", () =>
      this.#has(room)
        ? { role: this.roles.get(user), mute: this.mute, posting: "members" as const }
        : undefined,
    );
  }

  memberKeys(room: RoomKey): Promise<Set<UserKey> | undefined> {
    return this.#read("memberKeys", () => (this.#has(room) ? new Set(this.roles.keys()) : undefined));
  }

  history(room: RoomKey, limit: number): Promise<History | undefined> {
    return this.#read("history", () =>
      this.#has(room) ? { ...this.position, messages: this.stored.slice(-limit) } : undefined,
    );
  }

  /** A page is `limit` revs long: it may be empty, when its messages were changed again later. */
  changes(room: RoomKey, rev: number, limit: number): Promise<Page> {
    return this.#read(`changes ${rev}`, () => {
      if (!this.#has(room)) return { messages: [], rev };
      const upTo = Math.max(rev, Math.min(rev + limit, this.rev));
      const changed = this.stored.filter((each) => each.rev > rev && each.rev <= upTo);
      return { messages: changed.toSorted((a, b) => a.rev - b.rev), rev: upTo };
    });
  }

  membership(roomId: string, user: UserKey): Promise<Membership | undefined> {
    return this.#read("membership", () => {
      const role = this.roles.get(user) ?? null;
      return this.exists && roomId === ROOM_ID ? { room: this.#room(), role } : undefined;
    });
  }

  roomsOf(user: UserKey): Promise<RoomEntry[]> {
    return this.#read("roomsOf", () => this.#entry(user) ?? []).then((entry) => [entry].flat());
  }

  roomOf(user: UserKey, room: RoomKey): Promise<RoomEntry | undefined> {
    return this.#read("roomOf", () => (this.#has(room) ? this.#entry(user) : undefined));
  }

  lastMessages(rooms: readonly RoomKey[]): Promise<Map<RoomKey, Message | null>> {
    return this.#read("lastMessages", () => {
      const last = this.stored.findLast(({ deletedAt }) => deletedAt === null) ?? null;
      return new Map(rooms.map((room) => [room, this.#has(room) ? last : null]));
    });
  }

  readMark(_: RoomKey, user: UserKey): Promise<number> {
    return this.#read("readMark", () => this.#marks.get(user) ?? 0);
  }

  readMarks(room: RoomKey): Promise<ReadMark[] | undefined> {
    return this.#read("readMarks", () => {
      if (!this.#has(room)) return undefined;
      return [...this.roles.keys()].map((key) => ({ user: actor(key), seq: this.#marks.get(key) ?? 0 }));
    });
  }

  append(drafts: readonly Draft[]): Promise<Outcome[]> {
    const facts: Facts = {
      head: (room) => (this.#has(room) ? { ...this.position, ...defaultSettings } : undefined),
      standing: (_, user) => ({ role: this.roles.get(user), mute: undefined }),
      lastSentAt: () => undefined,
      readMark: (_, user) => this.#marks.get(user) ?? 0,
      sentAs: () => undefined,
      message: (_, seq) => this.stored[seq - 1],
      deletedAfter: (_, seq) => this.stored.slice(seq).filter(({ deletedAt }) => deletedAt !== null).length,
      isBeginningOfName: () => false,
      membersNamed: () => [],
      membersWithEmail: () => [],
      mentionedIn: () => [],
      mentionsAfter: () => 0,
    };
    const batch = new Batch(facts);
    const outcomes = drafts.map((each) => batch.decide(each));
    for (const [, { rev, created, changed, readMarks }] of batch.writes()) {
      this.rev = rev;
      this.stored.push(...created);
      for (const [seq, each] of changed) this.stored[seq - 1] = each;
      for (const [user, mark] of readMarks) this.#marks.set(user, mark);
    }
    return Promise.resolve(outcomes);
  }

  messages = unused;
  signIn = unused;
  createRoom = unused;
  changeRoom = unused;
  openDirect = unused;
  deleteRoom = unused;
  rooms = unused;
  members = unused;
  findMembers = unused;
  setMembers = unused;
  setName = unused;
  memberships = unused;
  removeMember = unused;
  joinRoom = unused;
  openRooms = unused;
  restrict = unused;
  liftRestriction = unused;
  restrictions = unused;
  audit = unused;
  purge = unused;
  probe = unused;
  close = unused;

  #room(): Room {
    return { key: this.key, id: ROOM_ID, name: "Lobby", ...defaultSettings, createdAt: 0, ...this.position };
  }

  #entry(user: UserKey): RoomEntry | undefined {
    const role = this.roles.get(user);
    if (role === undefined || !this.exists) return undefined;
    const read = this.#marks.get(user) ?? 0;
    const unread = this.stored.slice(read).filter(({ deletedAt }) => deletedAt === null).length;
    return { room: this.#room(), role, read, unread, mentions: 0 };
  }

  #has(room: RoomKey): boolean {
    return this.exists && room === this.key;
  }

  #read<T>(name: string, find: () => T): Promise<T> {
    const asCalled = find();
    return new Promise((resolve, reject) => {
      this.#reads.push({
        name,
        answer: () => resolve(this.readsAsOf === "call" ? asCalled : find()),
        fail: () => reject(new StoreError("broken")),
      });
    });
  }
}
