import { and, count, desc, eq, inArray, isNotNull } from "drizzle-orm";

import { grantAudit, removalAudit } from "../../chat/audit.ts";
import { decideJoin } from "../../chat/decide-join.ts";
import { type ActorFacts, decideGrant, decideRemoval } from "../../chat/decide-rooms.ts";
import { isRefused, type Result } from "../../chat/errors.ts";
import type { Access, Invitee, Member, ReadMark, Role, RoomKey, User, UserKey } from "../../chat/model.ts";
import type { Grant, Granted } from "../../chat/store.ts";
import { addToAudit } from "./audit-list.ts";
import { userColumns } from "./columns.ts";
import type { Db } from "./open.ts";
import type { Queries } from "./queries.ts";
import { members, reads, rooms, users as userTable } from "./schema.ts";
import { isBanned } from "./take-over-rooms.ts";
import type { Users } from "./users.ts";

/** Memberships. Methods that write must be called within a transaction; `actorFacts` are about the actor who asks. */
export class Members {
  constructor(
    private readonly db: Db,
    private readonly queries: Queries,
    private readonly users: Users,
  ) {}

  /** Owners first, then by email. */
  list(room: RoomKey): Member[] {
    return this.#select(eq(members.room, room))
      .orderBy(desc(eq(members.role, "owner")), userTable.email, userTable.sub)
      .all();
  }

  /** Resolves an email to the members who are shown with it. */
  find(room: RoomKey, who: Invitee): Member[] {
    // A subquery, and "is not null", so that SQLite looks the users up in their indexes, and not every member.
    const matches =
      "sub" in who
        ? eq(userTable.sub, who.sub)
        : and(eq(userTable.email, who.email), isNotNull(userTable.email));
    const meant = this.db.select({ key: userTable.pk }).from(userTable).where(matches);
    return this.#select(and(eq(members.room, room), inArray(members.user, meant))).all();
  }

  /** Undefined when the room has more than `limit` members, or has been deleted. */
  readMarks(room: RoomKey, limit: number): ReadMark[] | undefined {
    const [counted] = this.queries.memberCount.get({ room, limit: limit + 1 }) ?? [];
    if (counted === undefined || counted > limit) return undefined;
    return this.queries.readMarks.all({ room }).map(([key, id, email, name, seq]) => {
      return { user: { key, id, email, name }, seq };
    });
  }

  set(
    room: RoomKey,
    who: Invitee,
    wanted: Role | undefined,
    { joinedAt, membersPerRoom }: Grant,
    actorFacts: ActorFacts,
  ): Result<Granted> {
    const known = this.users.find(who);
    const member = known && this.#select(membership(room, known.key)).get();
    const decision = decideGrant(
      wanted,
      { membersPerRoom },
      {
        ...actorFacts,
        member,
        isBanned: () => known !== undefined && isBanned(this.db, room, known.key, joinedAt),
        memberCount: () => this.#count(eq(members.room, room)),
        ownerCount: () => this.ownerCount(room),
      },
    );
    if (isRefused(decision)) return decision;
    const { role, readMark } = decision;
    const audit = (user: User) => {
      const record = grantAudit(actorFacts.actor, joinedAt, { user, role, before: member?.role ?? null });
      if (record) addToAudit(this.queries, room, record);
    };
    if (member) {
      this.db.update(members).set({ role }).where(membership(room, member.user.key)).run();
      audit(member.user);
      return { member: { ...member, role }, added: false };
    }
    const user = known ?? this.users.invite(who);
    audit(user);
    return { member: this.#add(room, { user, role, joinedAt }, readMark ?? 0), added: true };
  }

  /** Makes the actor a member of an open room. */
  join(room: RoomKey, { joinedAt, membersPerRoom }: Grant, actorFacts: ActorFacts): Result<Granted> {
    const { actor, head } = actorFacts;
    const { key, id, email, name } = actor;
    const decision = decideJoin(
      { membersPerRoom },
      {
        ...actorFacts,
        access: this.#access(room),
        isBanned: () => isBanned(this.db, room, key, joinedAt),
        memberCount: () => this.#count(eq(members.room, room)),
      },
    );
    if (isRefused(decision)) return decision;
    const present = this.#select(membership(room, key)).get();
    if (present) return { member: present, added: false };
    const member = { user: { key, id, email, name }, role: "member", joinedAt } as const;
    return { member: this.#add(room, member, head?.seq ?? 0), added: true };
  }

  remove(room: RoomKey, who: Invitee, at: number, actorFacts: ActorFacts): Result<Member | undefined> {
    const member = decideRemoval({
      ...actorFacts,
      candidates: this.find(room, who),
      ownerCount: () => this.ownerCount(room),
    });
    if (member === undefined || isRefused(member)) return member;
    const record = removalAudit(actorFacts.actor, at, member.user);
    if (record) addToAudit(this.queries, room, record);
    this.end(room, member.user.key);
    this.users.release(member.user.key);
    return member;
  }

  /** Ends a membership that somebody has decided to end. */
  end(room: RoomKey, key: UserKey): void {
    this.db.delete(members).where(membership(room, key)).run();
    this.db
      .delete(reads)
      .where(and(eq(reads.room, room), eq(reads.user, key)))
      .run();
  }

  ownerCount(room: RoomKey): number {
    return this.#count(and(eq(members.room, room), eq(members.role, "owner")));
  }

  #add(room: RoomKey, member: Member, readMark: number): Member {
    const { user, role, joinedAt } = member;
    // Leaving and joining again does not get around the slow mode.
    const [sentAt = null] = this.queries.recentlySentAt.get({ room, user: user.key }) ?? [];
    this.db.insert(members).values({ room, user: user.key, role, joinedAt, sentAt }).run();
    this.#setReadMark(room, user.key, readMark);
    return member;
  }

  #access(room: RoomKey): Access {
    return (
      this.db.select({ access: rooms.access }).from(rooms).where(eq(rooms.pk, room)).get()?.access ??
      "members"
    );
  }

  /** Replaces a mark that may be left from when the user read the room as an administrator. */
  #setReadMark(room: RoomKey, key: UserKey, seq: number): void {
    this.db
      .insert(reads)
      .values({ room, user: key, seq })
      .onConflictDoUpdate({ target: [reads.room, reads.user], set: { seq } })
      .run();
  }

  #select(condition: ReturnType<typeof and>) {
    return this.db
      .select({ user: userColumns, role: members.role, joinedAt: members.joinedAt })
      .from(members)
      .innerJoin(userTable, eq(userTable.pk, members.user))
      .where(condition);
  }

  #count(condition: ReturnType<typeof and>): number {
    return this.db.select({ n: count() }).from(members).where(condition).get()?.n ?? 0;
  }
}

const membership = (room: RoomKey, key: UserKey) => and(eq(members.room, room), eq(members.user, key));
