import type { Standing } from "../../chat/decide-posting.ts";
import type { WantedRestriction } from "../../chat/decide-restrictions.ts";
import type { ActorFacts, RoomChanges } from "../../chat/decide-rooms.ts";
import type { Facts } from "../../chat/decide.ts";
import type { Result } from "../../chat/errors.ts";
import type {
  Actor,
  AuditEntry,
  Draft,
  Invitation,
  Invitee,
  Member,
  Membership,
  Message,
  Page,
  Position,
  Profile,
  ReadMark,
  Restriction,
  Role,
  Room,
  RoomEntry,
  RoomKey,
  User,
  UserKey,
} from "../../chat/model.ts";
import type {
  Grant,
  Granted,
  History,
  MemberPage,
  NewRoom,
  OpenedDirect,
  Outcome,
  Range,
  Restricted,
  RestrictionRange,
  RoomPage,
  SignedIn,
  Store,
  WantedDirect,
} from "../../chat/store.ts";
import { appendDrafts, factsOf } from "./append.ts";
import { readAudit } from "./audit-list.ts";
import { Members } from "./members.ts";
import { Messages } from "./messages.ts";
import { openDirect } from "./open-direct.ts";
import { closeDatabase, type Db } from "./open.ts";
import { SqlitePushStore } from "./push-store.ts";
import { prepareQueries, type Queries } from "./queries.ts";
import { Restrictions } from "./restrictions.ts";
import { Rooms } from "./rooms.ts";
import { toMembership } from "./rows.ts";
import { probes } from "./schema.ts";
import { SqliteSearchIndex } from "./search-index.ts";
import { Users } from "./users.ts";
import { createTransaction, toStoreError, Writer } from "./writer.ts";

/** About as much as a batch of messages: a disk with space for a single page counts as full. */
const PROBE_BYTES = 65_536;

/** The `Store` on one SQLite file. Synchronous underneath: a read is answered before the turn ends. */
export class SqliteStore implements Store {
  readonly search: SqliteSearchIndex;
  readonly push: SqlitePushStore;
  readonly #queries: Queries;
  readonly #facts: Facts;
  readonly #writer: Writer;
  readonly #snapshot: ReturnType<typeof createTransaction>;
  readonly #messages: Messages;
  readonly #users: Users;
  readonly #members: Members;
  readonly #restrictions: Restrictions;
  readonly #rooms: Rooms;

  constructor(
    private readonly db: Db,
    private readonly now: () => number = Date.now,
  ) {
    this.#queries = prepareQueries(db);
    this.#facts = factsOf(this.#queries);
    this.#writer = new Writer(db.$client);
    this.#snapshot = createTransaction(db.$client);
    this.#messages = new Messages(this.#queries);
    this.#users = new Users(db, this.#queries, now);
    this.#members = new Members(db, this.#queries, this.#users);
    this.#restrictions = new Restrictions(db, this.#queries, this.#users, this.#members);
    this.#rooms = new Rooms(db, this.#queries, this.#users);
    this.search = new SqliteSearchIndex(db, this.#writer);
    this.push = new SqlitePushStore(db, this.#writer);
  }

  append(drafts: readonly Draft[]): Promise<Outcome[]> {
    return this.#writer.write(() => appendDrafts(this.#queries, this.#facts, drafts));
  }

  async signIn(profile: Profile): Promise<SignedIn> {
    const unchanged = read(() => this.#users.findUnchanged(profile));
    if (unchanged) return unchanged;
    // Only somebody who has signed in before: the row of an invitation may become another user's.
    const known = read(() => this.#users.findUnchanged({ sub: profile.sub }));
    const write = this.#writer.write(() => this.#users.signIn(profile));
    // A full disk must not keep a user out just because their name has changed.
    const { email } = profile;
    const onlyNameChanged = known !== undefined && (email === undefined || email === known.email);
    return onlyNameChanged ? write.catch(() => known) : write;
  }

  setName(user: UserKey, name: string): Promise<void> {
    return this.#writer.write(() => this.#users.setName(user, name));
  }

  async membership(roomId: string, user: UserKey): Promise<Membership | undefined> {
    return read(() => this.#rooms.membership(roomId, user));
  }

  async head(room: RoomKey): Promise<Position | undefined> {
    return read(() => this.#messages.head(room));
  }

  async history(room: RoomKey, limit: number): Promise<History | undefined> {
    return this.#readAll(() => this.#messages.history(room, limit));
  }

  async messages(room: RoomKey, range: Range): Promise<Message[]> {
    return read(() => this.#messages.range(room, range));
  }

  async changes(room: RoomKey, rev: number, limit: number): Promise<Page> {
    return this.#readAll(() => this.#messages.changes(room, rev, limit));
  }

  createRoom(room: NewRoom): Promise<Result<Room>> {
    return this.#writer.write(() => this.#rooms.create(room));
  }

  changeRoom(room: RoomKey, changes: RoomChanges, by: Actor): Promise<Result<Room>> {
    return this.#writer.write(() =>
      this.#rooms.change(room, changes, this.now(), this.#actorFacts(room, by)),
    );
  }

  deleteRoom(room: RoomKey, by: Actor): Promise<Result<undefined>> {
    return this.#writer.write(() => this.#rooms.delete(room, this.now(), this.#actorFacts(room, by)));
  }

  openDirect(wanted: WantedDirect): Promise<Result<OpenedDirect>> {
    return this.#writer.write(() => openDirect(this.db, this.#users.find(wanted.who), wanted));
  }

  async rooms(): Promise<Room[]> {
    return read(() => this.#rooms.all());
  }

  async memberships(user: UserKey, page: RoomPage): Promise<Membership[]> {
    return read(() => this.#rooms.memberships(user, page));
  }

  async roomsOf(user: UserKey): Promise<RoomEntry[]> {
    return read(() => this.#rooms.of(user));
  }

  async roomOf(user: UserKey, room: RoomKey): Promise<RoomEntry | undefined> {
    return read(() => this.#rooms.one(user, room));
  }

  async lastMessages(rooms: readonly RoomKey[]): Promise<Map<RoomKey, Message | null>> {
    return read(() => this.#rooms.lastMessages(rooms));
  }

  async members(room: RoomKey, page?: MemberPage): Promise<Member[]> {
    return this.#readAll(() => this.#members.list(room, page));
  }

  async findMembers(room: RoomKey, who: Invitee): Promise<Member[]> {
    return read(() => this.#members.find(room, who));
  }

  async memberKeys(room: RoomKey): Promise<Set<UserKey> | undefined> {
    return read(() => {
      if (!this.#messages.head(room)) return undefined;
      return new Set(this.#queries.memberKeys.all({ room }).map(([key]) => key));
    });
  }

  async role(room: RoomKey, user: UserKey): Promise<Role | undefined> {
    return read(() => this.#role(room, user));
  }

  async readMark(room: RoomKey, user: UserKey): Promise<number> {
    return read(() => this.#facts.readMark(room, user));
  }

  async readMarks(room: RoomKey, limit: number): Promise<ReadMark[] | undefined> {
    return this.#readAll(() => this.#members.readMarks(room, limit));
  }

  setMembers(room: RoomKey, invitations: readonly Invitation[], grant: Grant): Promise<Result<Granted[]>> {
    return this.#writer.write(() =>
      this.#members.setAll(room, invitations, grant, this.#actorFacts(room, grant.by)),
    );
  }

  removeMember(room: RoomKey, who: Invitee, by: Actor): Promise<Result<Member | undefined>> {
    return this.#writer.write(() => this.#members.remove(room, who, this.now(), this.#actorFacts(room, by)));
  }

  joinRoom(room: RoomKey, grant: Grant): Promise<Result<Granted>> {
    return this.#writer.write(() => this.#members.join(room, grant, this.#actorFacts(room, grant.by)));
  }

  async openRooms(user: UserKey, { after = "", limit }: RoomPage): Promise<Membership[]> {
    return read(() => this.#queries.openRooms.all({ user, after, limit })).map(toMembership);
  }

  async standing(room: RoomKey, user: UserKey): Promise<(Standing & Pick<Room, "posting">) | undefined> {
    return this.#readAll(() => {
      const head = this.#facts.head(room);
      return head && { ...this.#facts.standing(room, user), posting: head.posting };
    });
  }

  restrict(room: RoomKey, who: Invitee, wanted: WantedRestriction, by: Actor): Promise<Result<Restricted>> {
    return this.#writer.write(() => this.#restrictions.add(room, who, wanted, this.#actorFacts(room, by)));
  }

  liftRestriction(
    room: RoomKey,
    who: Invitee,
    lifted: Pick<WantedRestriction, "kind" | "at">,
    by: Actor,
  ): Promise<Result<User | undefined>> {
    return this.#writer.write(() => this.#restrictions.lift(room, who, lifted, this.#actorFacts(room, by)));
  }

  async restrictions(room: RoomKey, range: RestrictionRange): Promise<Restriction[]> {
    return read(() => this.#restrictions.list(room, range));
  }

  async audit(room: RoomKey, range: { before: number | undefined; limit: number }): Promise<AuditEntry[]> {
    return read(() => readAudit(this.#queries, room, range));
  }

  async purge(): Promise<boolean> {
    // Usually there is nothing to purge: no need for the write lock.
    const room = read(() => this.#rooms.findDeleted());
    if (room === undefined) return false;
    await this.#writer.write(() => this.#rooms.purge(room));
    return true;
  }

  probe(): Promise<void> {
    const bytes = "x".repeat(PROBE_BYTES);
    return this.#writer.write(() => {
      this.db
        .insert(probes)
        .values({ pk: 1, bytes })
        .onConflictDoUpdate({ target: probes.pk, set: { bytes } })
        .run();
      this.db.delete(probes).run();
    });
  }

  /** Changes when another process, or another connection of this process, has written. */
  dataVersion(): number {
    const row = this.db.$client.query<{ data_version: number }, []>("PRAGMA data_version").get();
    return row?.data_version ?? 0;
  }

  async close(): Promise<void> {
    read(() => closeDatabase(this.db));
  }

  /** Runs several statements as one read. Each by itself would lock the file, which costs more than a small statement. */
  #readAll<T>(work: () => T): T {
    return read(() => this.#snapshot(work) as T);
  }

  #role(room: RoomKey, user: UserKey): Role | undefined {
    return this.#queries.role.get({ room, user })?.[0] ?? undefined;
  }

  #actorFacts(room: RoomKey, actor: Actor): ActorFacts {
    const isDirect = this.#queries.isDirect.get({ room })?.[0] === 1;
    return { actor, isDirect, role: this.#role(room, actor.key), head: this.#messages.head(room) };
  }
}

/** Runs a read. Throws `StoreError`. */
function read<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toStoreError(error);
  }
}
