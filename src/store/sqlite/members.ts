import { and, asc, count, eq, gt, inArray, isNotNull } from "drizzle-orm";

import { grantAudit, removalAudit } from "../../chat/audit.ts";
import { decideJoin } from "../../chat/decide-join.ts";
import { type ActorFacts, decideGrant, decideRemoval, type MemberFacts } from "../../chat/decide-rooms.ts";
import { isRefused, type Result } from "../../chat/errors.ts";
import {
  type Access,
  type Invitation,
  type Invitee,
  type Member,
  type ReadMark,
  roles,
  type RoomKey,
  type User,
  type UserKey,
} from "../../chat/model.ts";
import type { Grant, Granted, MemberPage } from "../../chat/store.ts";
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

  list(room: RoomKey, { after, limit = Infinity }: MemberPage = {}): Member[] {
    const listed: Member[] = [];
    // One query for each role reads an index in its order.
    for (const role of after ? roles.slice(roles.indexOf(after.role)) : roles) {
      if (listed.length === limit) break;
      const previous = after?.role === role ? gt(members.user, after.user) : undefined;
      const query = this.#select(and(eq(members.room, room), eq(members.role, role), previous))
        .orderBy(asc(members.user))
        .limit(Number.isFinite(limit) ? limit - listed.length : -1);
      listed.push(...query.all());
    }
    return listed;
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

  /** Stops at the first that is refused. The writer then rolls the others back. */
  setAll(
    room: RoomKey,
    invitations: readonly Invitation[],
    grant: Grant,
    actorFacts: ActorFacts,
  ): Result<Granted[]> {
    const all: Granted[] = [];
    let counted: number | undefined;
    const memberCount = () => (counted ??= this.#count(eq(members.room, room)));
    for (const [index, invitation] of invitations.entries()) {
      const granted = this.#set(room, invitation, grant, { ...actorFacts, memberCount });
      if (isRefused(granted))
        return invitations.length === 1 ? granted : { ...granted, details: { ...granted.details, index } };
      if (granted.added && counted !== undefined) counted++;
      all.push(granted);
    }
    return all;
  }

  #set(
    room: RoomKey,
    { who, role: wanted }: Invitation,
    { joinedAt, membersPerRoom }: Grant,
    facts: ActorFacts & Pick<MemberFacts, "memberCount">,
  ): Result<Granted> {
    const known = this.users.find(who);
    const member = known && this.#memberOf(room, known);
    const decision = decideGrant(
      wanted,
      { membersPerRoom },
      {
        ...facts,
        member,
        isBanned: () => known !== undefined && isBanned(this.queries, room, known.key, joinedAt),
        ownerCount: () => this.ownerCount(room),
      },
    );
    if (isRefused(decision)) return decision;
    const { role, readMark } = decision;
    const user = known ?? this.users.invite(who);
    const audit = grantAudit(facts.actor, joinedAt, { user, role, before: member?.role ?? null });
    if (audit) addToAudit(this.queries, room, audit);
    if (!member) return this.#add(room, { user, role, joinedAt }, readMark ?? 0);
    if (role !== member.role) this.db.update(members).set({ role }).where(membership(room, user.key)).run();
    return { member: { ...member, role }, added: false, changed: role !== member.role };
  }

  /** Makes the actor a member of an open room. */
  join(room: RoomKey, { joinedAt, membersPerRoom }: Grant, actorFacts: ActorFacts): Result<Granted> {
    const { key, id, email, name } = actorFacts.actor;
    const isAdded = decideJoin(
      { membersPerRoom },
      {
        ...actorFacts,
        access: this.#access(room),
        isBanned: () => isBanned(this.queries, room, key, joinedAt),
        memberCount: () => this.#count(eq(members.room, room)),
      },
    );
    if (isRefused(isAdded)) return isAdded;
    const user = { key, id, email, name };
    const present = isAdded ? undefined : this.#memberOf(room, user);
    if (present) return { member: present, added: false, changed: false };
    const granted = this.#add(room, { user, role: "member", joinedAt }, actorFacts.head?.seq ?? 0);
    // Leaving and joining again does not get around the slow mode.
    const [sentAt] = this.queries.recentlySentAt.get({ room, user: key }) ?? [];
    if (sentAt !== undefined) this.queries.setLastSentAt.run({ room, user: key, sentAt });
    return granted;
  }

  #add(room: RoomKey, member: Member, readMark: number): Granted {
    const { user, role, joinedAt } = member;
    this.queries.addMember.run({ room, user: user.key, role, joinedAt });
    // A mark may be left from when the user read the room as an administrator.
    this.queries.resetReadMark.run({ room, user: user.key, seq: readMark });
    return { member, added: true, changed: true };
  }

  remove(room: RoomKey, who: Invitee, at: number, actorFacts: ActorFacts): Result<Member | undefined> {
    const member = decideRemoval({
      ...actorFacts,
      candidates: this.find(room, who),
      ownerCount: () => this.ownerCount(room),
    });
    if (member === undefined || isRefused(member)) return member;
    const audit = removalAudit(actorFacts.actor, at, member.user);
    if (audit) addToAudit(this.queries, room, audit);
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

  #access(room: RoomKey): Access {
    const row = this.db.select({ access: rooms.access }).from(rooms).where(eq(rooms.pk, room)).get();
    return row?.access ?? "members";
  }

  #memberOf(room: RoomKey, user: User): Member | undefined {
    const row = this.queries.memberOf.get({ room, user: user.key });
    return row && { user, role: row[0], joinedAt: row[1] };
  }

  #select(condition: ReturnType<typeof and>) {
    return this.db
      .select({ user: userColumns, role: members.role, joinedAt: members.joinedAt })
      .from(members)
      .innerJoin(userTable, eq(userTable.pk, members.user))
      .where(condition);
  }

  ownerCount(room: RoomKey): number {
    return this.queries.ownerCount.get({ room })?.[0] ?? 0;
  }

  #count(condition: ReturnType<typeof and>): number {
    return this.db.select({ n: count() }).from(members).where(condition).get()?.n ?? 0;
  }
}

const membership = (room: RoomKey, key: UserKey) => and(eq(members.room, room), eq(members.user, key));
