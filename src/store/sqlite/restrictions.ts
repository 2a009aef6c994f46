import { and, count, desc, eq, gt, isNotNull, isNull, lte, or, sql } from "drizzle-orm";

import { snapshotOfActor } from "../../chat/audit.ts";
import {
  decideLift,
  decideRestriction,
  liftAudit,
  restrictionAudit,
  type RestrictionTarget,
  type WantedRestriction,
} from "../../chat/decide-restrictions.ts";
import type { ActorFacts } from "../../chat/decide-rooms.ts";
import { isRefused, type Result } from "../../chat/errors.ts";
import type {
  Invitee,
  Restriction,
  RestrictionKind,
  RoomKey,
  User,
  UserKey,
  UserSnapshot,
} from "../../chat/model.ts";
import type { Restricted, RestrictionRange } from "../../chat/store.ts";
import { addToAudit } from "./audit-list.ts";
import { userColumns } from "./columns.ts";
import type { Members } from "./members.ts";
import type { Db } from "./open.ts";
import type { Queries } from "./queries.ts";
import { members, restrictions, users as userTable } from "./schema.ts";
import type { Users } from "./users.ts";

/** Restrictions that are over and that are deleted with one write. */
const MAX_DELETED_AT_ONCE = 4;

/** Bans and mutes. Methods that write must be called within a transaction; `actorFacts` are about the actor who asks. */
export class Restrictions {
  constructor(
    private readonly db: Db,
    private readonly queries: Queries,
    private readonly users: Users,
    private readonly memberships: Members,
  ) {}

  add(room: RoomKey, who: Invitee, wanted: WantedRestriction, actorFacts: ActorFacts): Result<Restricted> {
    const { kind, until, reason, at } = wanted;
    const decision = decideRestriction(wanted, {
      ...actorFacts,
      targets: this.#find(room, who, kind, at),
      ownerCount: () => this.memberships.ownerCount(room),
      restrictionCount: () => this.#count(room, at),
    });
    if (isRefused(decision)) return decision;
    const { ends, replaces } = decision;
    const user = decision.user ?? this.users.invite(who);
    const by = snapshotOfActor(actorFacts.actor);
    const values = { at, until, reason, by: by && JSON.stringify(by) };
    this.db
      .insert(restrictions)
      .values({ room, user: user.key, kind, ...values })
      .onConflictDoUpdate({
        target: [restrictions.room, restrictions.kind, restrictions.user],
        set: values,
      })
      .run();
    if (ends) this.memberships.end(room, user.key);
    addToAudit(this.queries, room, restrictionAudit(actorFacts.actor, user, wanted));
    this.#deleteOver(room, at);
    return { restriction: { user, by, at, until, reason }, replaced: replaces, ended: ends };
  }

  lift(
    room: RoomKey,
    who: Invitee,
    { kind, at }: Pick<WantedRestriction, "kind" | "at">,
    actorFacts: ActorFacts,
  ): Result<User | undefined> {
    const targets = this.#find(room, who, kind, at).filter(({ present }) => present !== undefined);
    const user = decideLift(kind, { ...actorFacts, targets });
    if (user === undefined || isRefused(user)) return user;
    this.#delete(room, kind, user.key);
    addToAudit(this.queries, room, liftAudit(actorFacts.actor, user, kind, at));
    return user;
  }

  list(room: RoomKey, { kind, after, limit, now }: RestrictionRange): Restriction[] {
    const { at, user, until, reason, by } = restrictions;
    const ofKind = and(eq(restrictions.room, room), eq(restrictions.kind, kind));
    const start = after && sql`(${at}, ${user}) < (${after.at}, ${after.user})`;
    // Those of the page are found in the index alone.
    const page = this.db
      .select({ at, user })
      .from(restrictions)
      .where(and(ofKind, isInForce(now), start))
      .orderBy(desc(at), desc(user))
      .limit(limit)
      .as("page");
    return this.db
      .select({ user: userColumns, at, until, reason, by })
      .from(page)
      .innerJoin(restrictions, and(ofKind, eq(user, page.user)))
      .innerJoin(userTable, eq(userTable.pk, user))
      .orderBy(desc(page.at), desc(page.user))
      .all()
      .map((row) => {
        const imposedBy = row.by === null ? null : (JSON.parse(row.by) as UserSnapshot);
        return { user: row.user, by: imposedBy, at: row.at, until: row.until, reason: row.reason };
      });
  }

  /**
   * Members and restricted users with an id, or who are shown with an email. If there are none, the user with the id, or the
   * owner of the email.
   */
  #find(room: RoomKey, who: Invitee, kind: RestrictionKind, now: number): RestrictionTarget[] {
    const matches =
      "sub" in who
        ? eq(userTable.sub, who.sub)
        : and(eq(userTable.email, who.email), isNotNull(userTable.email));
    const concerned = this.#select(room, kind, now)
      .where(and(matches, or(isNotNull(members.role), isNotNull(restrictions.kind))))
      .all();
    const owner = concerned.length === 0 ? this.users.find(who) : undefined;
    // The owner of an email is not always shown with it.
    const ofOwner = owner ? this.#select(room, kind, now).where(eq(userTable.pk, owner.key)).all() : [];
    return [...concerned, ...ofOwner].map(({ user, role, joinedAt, at, until }) => ({
      user,
      member: role === null || joinedAt === null ? undefined : { user, role, joinedAt },
      present: at === null ? undefined : { until },
    }));
  }

  #select(room: RoomKey, kind: RestrictionKind, now: number) {
    const { role, joinedAt } = members;
    const { at, until } = restrictions;
    return this.db
      .select({ user: userColumns, role, joinedAt, at, until })
      .from(userTable)
      .leftJoin(members, and(eq(members.room, room), eq(members.user, userTable.pk)))
      .leftJoin(
        restrictions,
        and(
          eq(restrictions.room, room),
          eq(restrictions.kind, kind),
          eq(restrictions.user, userTable.pk),
          isInForce(now),
        ),
      );
  }

  #count(room: RoomKey, now: number): number {
    const condition = and(eq(restrictions.room, room), isInForce(now));
    return this.db.select({ n: count() }).from(restrictions).where(condition).get()?.n ?? 0;
  }

  #deleteOver(room: RoomKey, now: number): void {
    const over = this.db
      .select({ kind: restrictions.kind, user: restrictions.user })
      .from(restrictions)
      .where(and(eq(restrictions.room, room), isNotNull(restrictions.until), lte(restrictions.until, now)))
      .limit(MAX_DELETED_AT_ONCE)
      .all();
    for (const { kind, user } of over) this.#delete(room, kind, user);
  }

  #delete(room: RoomKey, kind: RestrictionKind, user: UserKey): void {
    this.queries.deleteRestriction.run({ room, kind, user });
    this.users.release(user);
  }
}

/** Leaves out restrictions that are over, as `isOver` does. */
const isInForce = (now: number) => or(isNull(restrictions.until), gt(restrictions.until, now));
