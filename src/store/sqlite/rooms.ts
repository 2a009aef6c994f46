import { and, desc, eq, gt, isNotNull } from "drizzle-orm";

import {
  type ActorFacts,
  decideCreation,
  decideRoomChange,
  decideRoomDeletion,
  type RoomChanges,
} from "../../chat/decide-rooms.ts";
import { isRefused, type Result } from "../../chat/errors.ts";
import {
  type Membership,
  type Message,
  type Role,
  roles,
  type Room,
  type RoomEntry,
  type RoomKey,
  type User,
  type UserKey,
} from "../../chat/model.ts";
import type { NewRoom, RoomPage } from "../../chat/store.ts";
import { MAX_COUNTED_MENTIONS, unreadCount } from "../../chat/unread.ts";
import { addToAudit } from "./audit-list.ts";
import { roomColumns, roomExists } from "./columns.ts";
import { KnownRooms } from "./known-rooms.ts";
import { countCreated } from "./open-direct.ts";
import type { Db } from "./open.ts";
import type { Queries } from "./queries.ts";
import { otherIn, roleIn } from "./role-in.ts";
import { type EntryRow, toLastMessages, toMembership, toUser } from "./rows.ts";
import { audit, members, messages, pendingReactions, reads, restrictions, rooms } from "./schema.ts";
import type { Users } from "./users.ts";

/** Messages of a deleted room that one purge removes, or mentions. */
const PURGE_BATCH_SIZE = 1000;
/** Members of a deleted room that one purge removes. Each costs several statements. */
const PURGE_MEMBER_COUNT = 50;
/** The same for bans and mutes, and for audit entries. Each may have 5 KB. */
const PURGE_MODERATION_COUNT = 25;

/** Rooms. Methods that write must be called within a transaction; `actorFacts` are about the actor who asks. */
export class Rooms {
  readonly #known: KnownRooms;

  constructor(
    private readonly db: Db,
    private readonly queries: Queries,
    private readonly users: Users,
  ) {
    this.#known = new KnownRooms(db, queries);
  }

  create({ owner, roomsPerUser, ...room }: NewRoom): Result<Room> {
    const refusal = decideCreation(owner === null ? 0 : roomsPerUser, {
      idTaken: () => this.#isTaken(room.id),
      roomsCreated: () => (owner === null ? 0 : countCreated(this.db, owner)),
    });
    if (refusal) return refusal;
    const created = this.db
      .insert(rooms)
      .values({ ...room, createdBy: owner })
      .returning(roomColumns)
      .get();
    if (owner !== null) {
      this.db
        .insert(members)
        .values({ room: created.key, user: owner, role: "owner", joinedAt: room.createdAt })
        .run();
    }
    return created;
  }

  change(key: RoomKey, wanted: RoomChanges, at: number, actorFacts: ActorFacts): Result<Room> {
    const room = this.db.select(roomColumns).from(rooms).where(eq(rooms.pk, key)).get();
    const decision = decideRoomChange(actorFacts, { room, wanted, at });
    if (isRefused(decision)) return decision;
    if (decision.audit) {
      this.db.update(rooms).set(decision.changes).where(eq(rooms.pk, key)).run();
      this.#known.forget(key);
      addToAudit(this.queries, key, decision.audit);
    }
    return decision.room;
  }

  delete(key: RoomKey, deletedAt: number, actorFacts: ActorFacts): Result<undefined> {
    const refusal = decideRoomDeletion(actorFacts);
    if (refusal) return refusal;
    this.db.update(rooms).set({ deletedAt }).where(eq(rooms.pk, key)).run();
    return undefined;
  }

  /** The room with this id, and the user's role in it. */
  membership(id: string, user: UserKey): Membership | undefined {
    const row = this.queries.membership.get({ id, user });
    if (!row) return undefined;
    const membership = toMembership(row);
    return { ...membership, directWith: this.#directWith(membership.role, row[10]) };
  }

  /** All rooms, by id. */
  all(): Room[] {
    return this.db.select(roomColumns).from(rooms).where(roomExists).orderBy(rooms.id).all();
  }

  /** Rooms with the user's role in each, by id. */
  memberships(user: UserKey, { after = "", limit }: RoomPage): Membership[] {
    const found = this.db
      .select({ room: roomColumns, role: roleIn(this.db, user), other: otherIn(this.db, user) })
      .from(rooms)
      .where(and(gt(rooms.id, after), roomExists))
      .orderBy(rooms.id)
      .limit(limit)
      .all();
    return found.map(({ room, role, other }) => ({
      room,
      role,
      directWith: this.#directWith(role, other),
    }));
  }

  /** A user's rooms, in no particular order. */
  of(user: UserKey): RoomEntry[] {
    return this.#toEntries(this.queries.entries.all({ user }));
  }

  one(user: UserKey, room: RoomKey): RoomEntry | undefined {
    return this.#toEntries(this.queries.entry.all({ user, room }))[0];
  }

  lastMessages(keys: readonly RoomKey[]): Map<RoomKey, Message | null> {
    const found = toLastMessages(this.queries.lastMessages.all({ rooms: JSON.stringify(keys) }));
    return new Map(keys.map((key) => [key, found.get(key) ?? null]));
  }

  #toEntries(rows: readonly EntryRow[]): RoomEntry[] {
    const found = this.#known.of(rows);
    const others = this.#users(rows.flatMap((row) => row[7] ?? []));
    return found.map((room, index) => {
      const [, seq, , role, read, deletedAfterRead, mentions, other] = rows[index] as EntryRow;
      const unread = unreadCount({ seq, read, deletedAfterRead });
      return {
        room,
        role: roles[role] ?? "member",
        read,
        unread,
        mentions: Math.min(mentions, MAX_COUNTED_MENTIONS),
        directWith: other === null ? undefined : others.get(other),
      };
    });
  }

  /** The other user of a direct conversation, unless this one is not in it. */
  #directWith(role: Role | null, other: UserKey | null): User | undefined {
    return role === null || other === null ? undefined : toUser(this.queries.userByKey.get({ key: other }));
  }

  #users(keys: readonly UserKey[]): ReadonlyMap<UserKey, User> {
    if (keys.length === 0) return new Map();
    const rows = this.queries.usersByKey.all({ keys: JSON.stringify(keys) });
    return new Map(rows.map(([key, id, email, name]) => [key, { key, id, email, name }]));
  }

  #isTaken(id: string): boolean {
    const query = this.db
      .select({ key: rooms.pk })
      .from(rooms)
      .where(and(eq(rooms.id, id), roomExists));
    return query.get() !== undefined;
  }

  /** A deleted room that has not been fully purged. */
  findDeleted(): RoomKey | undefined {
    const query = this.db.select({ key: rooms.pk }).from(rooms).where(isNotNull(rooms.deletedAt)).limit(1);
    return query.get()?.key;
  }

  /** Removes some messages of a deleted room. Once there are none, removes the room. */
  purge(key: RoomKey): void {
    if (this.queries.purgeMentions.run({ room: key, limit: PURGE_BATCH_SIZE }) > 0) return;
    const last = this.db
      .select({ seq: messages.seq })
      .from(messages)
      .where(eq(messages.room, key))
      .orderBy(desc(messages.seq))
      .limit(1)
      .get();
    if (last) {
      const slice = and(eq(messages.room, key), gt(messages.seq, last.seq - PURGE_BATCH_SIZE));
      this.db.delete(messages).where(slice).run();
      return;
    }
    this.db.delete(pendingReactions).where(eq(pendingReactions.room, key)).run();
    const left = this.db.select().from(members).where(eq(members.room, key)).limit(PURGE_MEMBER_COUNT).all();
    for (const { user } of left) {
      this.db
        .delete(members)
        .where(and(eq(members.room, key), eq(members.user, user)))
        .run();
      this.users.release(user);
    }
    if (left.length === PURGE_MEMBER_COUNT || this.#purgeModeration(key)) return;
    this.db.delete(reads).where(eq(reads.room, key)).run();
    this.db.delete(rooms).where(eq(rooms.pk, key)).run();
  }

  /** Removes some bans, mutes and audit entries of a deleted room. Returns whether there may be more. */
  #purgeModeration(key: RoomKey): boolean {
    const left = this.db
      .select({ kind: restrictions.kind, user: restrictions.user })
      .from(restrictions)
      .where(eq(restrictions.room, key))
      .limit(PURGE_MODERATION_COUNT)
      .all();
    for (const { kind, user } of left) {
      this.queries.deleteRestriction.run({ room: key, kind, user });
      this.users.release(user);
    }
    if (left.length > 0) return true;
    const [newest] = this.queries.newestAudit.get({ room: key }) ?? [];
    if (newest === undefined) return false;
    const slice = and(eq(audit.room, key), gt(audit.n, newest - PURGE_MODERATION_COUNT));
    this.db.delete(audit).where(slice).run();
    return true;
  }
}
