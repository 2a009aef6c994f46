import { and, eq, isNull } from "drizzle-orm";

import { type Profile, type Role, roles, type User, type UserKey } from "../../chat/model.ts";
import type { Invitee } from "../../chat/store.ts";
import type { Db } from "./open.ts";
import { emails, members, users } from "./schema.ts";
import { type Statements, toUser, user } from "./queries.ts";

/** Who is who. What writes is called within a transaction of the store's. */
export class Users {
  constructor(
    private readonly db: Db,
    private readonly statements: Pick<Statements, "userBySub" | "userByEmail">,
  ) {}

  find(who: Invitee): User | undefined {
    const { userByEmail, userBySub } = this.statements;
    return toUser("sub" in who ? userBySub.get({ sub: who.sub }) : userByEmail.get({ email: who.email }));
  }

  /** Makes a user for somebody who has never connected. */
  invite(who: Invitee): User {
    if ("sub" in who) return this.#insert({ sub: who.sub });
    const invited = this.#reuse(who.email) ?? this.#insert({ email: who.email });
    this.db.insert(emails).values({ email: who.email, user: invited.key }).run();
    return invited;
  }

  /** The key of the user with this `sub`, who gets what was granted to his email if he is the first to bring it. */
  claim({ sub, email }: Profile): UserKey {
    const known = this.find({ sub });
    const invited = email === undefined ? undefined : this.find({ email });
    const claims = email !== undefined && (!invited || invited.id === null);
    if (!known && invited && claims) {
      this.db.update(users).set({ sub }).where(eq(users.pk, invited.key)).run();
      return invited.key;
    }
    const key = known?.key ?? this.#insert({ sub }).key;
    if (claims) {
      this.db
        .insert(emails)
        .values({ email, user: key })
        .onConflictDoUpdate({ target: emails.email, set: { user: key } })
        .run();
      if (invited) this.#moveMemberships(invited.key, key);
    }
    return key;
  }

  /** Forgets somebody who was invited by email, has never connected, and is in no room any more. */
  release(key: UserKey): void {
    const waiting = this.db
      .select({ key: users.pk })
      .from(users)
      .where(and(eq(users.pk, key), isNull(users.sub)));
    if (!waiting.get() || this.db.select().from(members).where(eq(members.user, key)).limit(1).get()) return;
    this.db.delete(emails).where(eq(emails.user, key)).run();
    // Not deleted: to look for messages that he can't have sent, SQLite would read all of them.
    this.db.update(users).set({ email: null }).where(eq(users.pk, key)).run();
  }

  /** The place of somebody who was forgotten. */
  #reuse(email: string): User | undefined {
    const free = this.db
      .select(user)
      .from(users)
      .where(and(isNull(users.sub), isNull(users.email)))
      .limit(1)
      .get();
    return free && this.db.update(users).set({ email }).where(eq(users.pk, free.key)).returning(user).get();
  }

  #insert(values: { sub: string } | { email: string }): User {
    return this.db.insert(users).values(values).returning(user).get();
  }

  /** Where both are members, the higher role stands. */
  #moveMemberships(from: UserKey, to: UserKey): void {
    for (const grant of this.db.select().from(members).where(eq(members.user, from)).all()) {
      const mine = and(eq(members.room, grant.room), eq(members.user, to));
      const before = this.db.select({ role: members.role }).from(members).where(mine).get();
      if (!before) {
        this.db
          .insert(members)
          .values({ ...grant, user: to })
          .run();
      } else if (rank(grant.role) < rank(before.role)) {
        this.db.update(members).set({ role: grant.role }).where(mine).run();
      }
    }
    this.db.delete(members).where(eq(members.user, from)).run();
    this.release(from);
  }
}

const rank = (role: Role) => roles.indexOf(role);
