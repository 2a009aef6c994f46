import { eq } from "drizzle-orm";

import type {
  Actor,
  Draft,
  Member,
  Membership,
  Message,
  Position,
  Profile,
  Role,
  Room,
  RoomKey,
  RoomSummary,
  User,
  UserKey,
} from "../../chat/model.ts";
import { mayEnter } from "../../chat/permissions.ts";
import {
  type Grant,
  type Granted,
  type Invitee,
  type NewRoom,
  type Outcome,
  type Page,
  type Range,
  type Refusal,
  type Store,
  StoreError,
} from "../../chat/store.ts";
import { Batch } from "./append.ts";
import { Members } from "./members.ts";
import { Messages } from "./messages.ts";
import { type Db, sqliteError } from "./open.ts";
import { Rooms } from "./rooms.ts";
import { probes, users } from "./schema.ts";
import { prepare, type Statements } from "./queries.ts";
import { Users } from "./users.ts";

/** How long a write waits, in milliseconds and without holding the event loop, for another process to let go. */
const patience = 5000;
const pause = 20;

/** The `Store` on one SQLite file. Synchronous underneath: a read is answered before the turn ends. */
export class SqliteStore implements Store {
  readonly #statements: Statements;
  readonly #transact: ReturnType<typeof transaction>;
  /** Settles when the writer that waits for another process is done; undefined while none waits. */
  #asking: Promise<void> | undefined;
  readonly #messages: Messages;
  readonly #users: Users;
  readonly #members: Members;
  readonly #rooms: Rooms;

  constructor(
    private readonly db: Db,
    private readonly now: () => number = Date.now,
  ) {
    this.#statements = prepare(db);
    this.#transact = transaction(db);
    this.#messages = new Messages(this.#statements);
    this.#users = new Users(db, this.#statements);
    this.#members = new Members(db, this.#users);
    this.#rooms = new Rooms(db, this.#messages, this.#users);
  }

  append(drafts: readonly Draft[]): Promise<Outcome[]> {
    return this.#write(() => {
      const batch = new Batch(this.#statements);
      const outcomes = drafts.map((draft) => batch.append(draft));
      batch.finish();
      return outcomes;
    });
  }

  async signIn(profile: Profile): Promise<User> {
    const known = this.#read(() => this.#users.find(profile));
    const { email = known?.email ?? null, name = known?.name ?? null } = profile;
    if (known && known.email === email && known.name === name) return known;
    const write = this.#write(() => {
      const key = this.#users.claim(profile);
      this.db.update(users).set({ email, name }).where(eq(users.pk, key)).run();
      return { key, id: profile.sub, email, name };
    });
    // Nobody is kept out by a disk that can't take his new name.
    return known?.email === email ? write.catch(() => known) : write;
  }

  async membership(roomId: string, key: UserKey): Promise<Membership | undefined> {
    const row = this.#read(() => this.#statements.membership.get({ id: roomId, user: key }));
    if (!row) return undefined;
    const [pk, id, name, seq, rev, createdAt, role] = row;
    return { room: { key: pk, id, name, seq, rev, createdAt }, role };
  }

  async head(key: RoomKey): Promise<Position | undefined> {
    return this.#read(() => this.#head(key));
  }

  #head(key: RoomKey): Position | undefined {
    const row = this.#statements.head.get({ room: key });
    return row && { seq: row[0], rev: row[1] };
  }

  async messages(key: RoomKey, range: Range): Promise<Message[]> {
    return this.#read(() => this.#messages.range(key, range));
  }

  async changes(key: RoomKey, rev: number, limit: number): Promise<Page> {
    return this.#read(() => this.#messages.changes(key, rev, limit));
  }

  async createRoom(wanted: NewRoom, roomsPerUser: number): Promise<Room | "taken" | "too_many"> {
    return this.#write(() => this.#rooms.create(wanted, roomsPerUser));
  }

  async renameRoom(key: RoomKey, name: string, by: Actor): Promise<Refusal | undefined> {
    return this.#writeIn(key, by, (own) => this.#rooms.change(key, { name }, by, own));
  }

  async deleteRoom(key: RoomKey, by: Actor): Promise<Refusal | undefined> {
    return this.#writeIn(key, by, (own) => this.#rooms.change(key, { deletedAt: this.now() }, by, own));
  }

  async rooms(): Promise<Room[]> {
    return this.#read(() => this.#rooms.all());
  }

  async roomsOf(key: UserKey): Promise<RoomSummary[]> {
    return this.#read(() => this.#rooms.of(key));
  }

  async members(key: RoomKey): Promise<Member[]> {
    return this.#read(() => this.#members.list(key));
  }

  async roster(key: RoomKey): Promise<Set<UserKey> | undefined> {
    return this.#read(() => {
      if (!this.#head(key)) return undefined;
      return new Set(this.#statements.roster.all({ room: key }).map(([member]) => member));
    });
  }

  async role(key: RoomKey, userKey: UserKey): Promise<Role | undefined> {
    return this.#read(() => (this.#head(key) ? this.#role(key, userKey) : undefined));
  }

  #role(key: RoomKey, userKey: UserKey): Role | undefined {
    return this.#statements.role.get({ room: key, user: userKey })?.[0];
  }

  async setMember(
    key: RoomKey,
    who: Invitee,
    wanted: Role | undefined,
    grant: Grant,
  ): Promise<Granted | Refusal> {
    return this.#writeIn(key, grant.by, (own) => this.#members.set(key, who, wanted, { ...grant, own }));
  }

  async removeMember(key: RoomKey, who: Invitee, by: Actor): Promise<Member | Refusal | undefined> {
    return this.#writeIn(key, by, (own) => this.#members.remove(key, who, { by, own }));
  }

  async purge(): Promise<boolean> {
    // Most of the time there is nothing to do, and no need for the lock.
    const gone = this.#read(() => this.#rooms.deleted());
    if (gone === undefined) return false;
    await this.#write(() => this.#rooms.purge(gone));
    return true;
  }

  async probe(): Promise<void> {
    // As much as a batch of messages: a disk with room for a page only is still full.
    const bytes = "x".repeat(65_536);
    await this.#write(() => {
      this.db
        .insert(probes)
        .values({ pk: 1, bytes })
        .onConflictDoUpdate({ target: probes.pk, set: { bytes } })
        .run();
      this.db.delete(probes).run();
    });
  }

  /** Rises when another process, or another connection of this one, has written. */
  version(): number {
    const row = this.db.$client.query<{ data_version: number }, []>("PRAGMA data_version").get();
    return row?.data_version ?? 0;
  }

  async close(): Promise<void> {
    try {
      this.#read(() => this.db.$client.run("PRAGMA wal_checkpoint(TRUNCATE)"));
    } finally {
      this.db.$client.close();
    }
  }

  #read<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw failure(error);
    }
  }

  /** A write in a room, for somebody who may be there just then; what else he may do, `work` looks at. */
  #writeIn<T>(key: RoomKey, by: Actor, work: (own: Role | undefined) => T): Promise<T | Refusal> {
    return this.#write(() => {
      if (!this.#head(key)) return "room_deleted";
      const own = this.#role(key, by.key);
      return mayEnter(by, own) ? work(own) : "removed";
    });
  }

  /** One IMMEDIATE transaction. While another process writes, it waits with the event loop free. */
  async #write<T>(work: () => T): Promise<T> {
    const deadline = performance.now() + patience;
    // To ask holds the event loop for a moment: of those who wait, one asks.
    while (this.#asking) await this.#asking;
    const { promise, resolve } = Promise.withResolvers<void>();
    try {
      for (;;) {
        try {
          return this.#transact.immediate(work) as T;
        } catch (error) {
          const busy = sqliteError(error)?.code?.startsWith("SQLITE_BUSY");
          if (!busy || performance.now() > deadline) throw failure(error);
          this.#asking ??= promise;
          await Bun.sleep(pause);
        }
      }
    } finally {
      if (this.#asking === promise) this.#asking = undefined;
      resolve();
    }
  }
}

/** Made once: Drizzle's own makes five functions for each. */
const transaction = (db: Db) => db.$client.transaction((work: () => unknown) => work());

function failure(error: unknown): StoreError {
  const cause = sqliteError(error);
  // Not Drizzle's own error around it, which repeats the parameters.
  return new StoreError(cause ? `${cause.code}: ${cause.message}` : String(error), { cause: cause ?? error });
}
