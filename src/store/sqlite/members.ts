import { and, count, desc, eq, ne } from "drizzle-orm";

import type { Actor, Member, Role, RoomKey, User, UserKey } from "../../chat/model.ts";
import { mayGrant, mayRemove } from "../../chat/permissions.ts";
import type { Grant, Granted, Invitee, Refusal } from "../../chat/store.ts";
import type { Db } from "./open.ts";
import { members, users } from "./schema.ts";
import { user } from "./queries.ts";
import type { Users } from "./users.ts";

/** Who is in a room. What writes is called within a transaction of the store's; `own` is the role of who asks for it. */
export class Members {
  constructor(
    private readonly db: Db,
    private readonly people: Users,
  ) {}

  /** Owners first, then by email. */
  list(room: RoomKey): Member[] {
    return this.#select(eq(members.room, room))
      .orderBy(desc(eq(members.role, "owner")), users.email, users.sub)
      .all();
  }

  set(
    room: RoomKey,
    who: Invitee,
    wanted: Role | undefined,
    { by, own, joinedAt, membersPerRoom }: Grant & { own: Role | undefined },
  ): Granted | Refusal {
    const known = this.people.find(who);
    const before = known && this.#find(room, known);
    if (!mayGrant(by, own, before?.role, wanted)) return "not_owner";
    const role = wanted ?? before?.role ?? "member";
    if (before) {
      if (role !== "owner" && this.#isLastOwner(room, before)) return "last_owner";
      this.db.update(members).set({ role }).where(place(room, before.user.key)).run();
      return { member: { ...before, role }, added: false };
    }
    if (membersPerRoom > 0 && this.#count(eq(members.room, room)) >= membersPerRoom)
      return "too_many_members";
    const invited = known ?? this.people.invite(who);
    this.db.insert(members).values({ room, user: invited.key, role, joinedAt }).run();
    return { member: { user: invited, role, joinedAt }, added: true };
  }

  remove(
    room: RoomKey,
    who: Invitee,
    { by, own }: { by: Actor; own: Role | undefined },
  ): Member | Refusal | undefined {
    const known = this.people.find(who);
    const member = known && this.#find(room, known);
    if (!mayRemove(by, own, member)) return "not_owner";
    if (!member) return undefined;
    if (this.#isLastOwner(room, member)) return "last_owner";
    this.db.delete(members).where(place(room, member.user.key)).run();
    this.people.release(member.user.key);
    return member;
  }

  #find(room: RoomKey, { key }: User): Member | undefined {
    return this.#select(place(room, key)).get();
  }

  #select(which: ReturnType<typeof and>) {
    return this.db
      .select({ user, role: members.role, joinedAt: members.joinedAt })
      .from(members)
      .innerJoin(users, eq(users.pk, members.user))
      .where(which);
  }

  #isLastOwner(room: RoomKey, { role, user: { key } }: Member): boolean {
    const others = and(eq(members.room, room), eq(members.role, "owner"), ne(members.user, key));
    return role === "owner" && this.#count(others) === 0;
  }

  #count(which: ReturnType<typeof and>): number {
    return this.db.select({ n: count() }).from(members).where(which).get()?.n ?? 0;
  }
}

const place = (room: RoomKey, userKey: UserKey) => and(eq(members.room, room), eq(members.user, userKey));
