import { and, eq } from "drizzle-orm";

import { higherRole } from "../../chat/decide-rooms.ts";
import { changesNothing, decideSignIn } from "../../chat/decide-users.ts";
import type { Invitee, Profile, User, UserKey } from "../../chat/model.ts";
import { ImportedWork } from "./imported-work.ts";
import type { Db } from "./open.ts";
import type { Queries } from "./queries.ts";
import { toUser } from "./rows.ts";
import { emails, members, reads, users } from "./schema.ts";

/** Users and the owners of emails. Methods that write must be called within a transaction. */
export class Users {
  readonly #imported: ImportedWork;

  constructor(
    private readonly db: Db,
    private readonly queries: Pick<
      Queries,
      "userBySub" | "signedInUser" | "emailOwner" | "freeUser" | "insertUser" | "reuseUser" | "setEmailOwner"
    >,
  ) {
    this.#imported = new ImportedWork(db.$client);
  }

  /** The user whom an invitation names. An email means its present owner. */
  find(who: Invitee): User | undefined {
    const { userBySub, emailOwner } = this.queries;
    return toUser("sub" in who ? userBySub.get({ sub: who.sub }) : emailOwner.get({ email: who.email }));
  }

  /** Creates a user who has never signed in. */
  invite(who: Invitee): User {
    const invited = this.#create("sub" in who ? { sub: who.sub } : { email: who.email });
    if ("email" in who) this.#setEmailOwner(who.email, invited.key);
    return invited;
  }

  /** The user, if signing in with this profile would change nothing. */
  findUnchanged(profile: Profile): User | undefined {
    const row = this.queries.signedInUser.get({ sub: profile.sub });
    if (!row) return undefined;
    const [key, id, email, name, emailOwner] = row;
    const known = { key, id, email, name };
    return changesNothing(profile, { known, ownsEmail: emailOwner === key }) ? known : undefined;
  }

  signIn(profile: Profile): User {
    const { sub, email } = profile;
    const facts = { known: this.find({ sub }), emailOwner: this.#ownerOf(profile) };
    const { user: existing, invited, ...shown } = decideSignIn(profile, facts);
    const { key } = existing ?? this.#create({ sub });
    const earlier = invited ?? existing;
    if (earlier)
      this.#imported.claimReactions(earlier.key, { from: earlier.id ?? earlier.email ?? sub, to: sub });
    if (invited) this.#takeOver(invited.key, key);
    if (email !== undefined) this.#setEmailOwner(email, key);
    this.db
      .update(users)
      .set({ sub, signedIn: true, ...shown })
      .where(eq(users.pk, key))
      .run();
    return { key, id: sub, ...shown };
  }

  setName(key: UserKey, name: string): void {
    this.db.update(users).set({ name }).where(eq(users.pk, key)).run();
  }

  /** Frees the row of a user who has never signed in, once they are not a member of any room and have sent nothing. */
  release(key: UserKey): void {
    const invited = this.db
      .select({ key: users.pk })
      .from(users)
      .where(and(eq(users.pk, key), eq(users.signedIn, false)));
    if (!invited.get() || this.db.select().from(members).where(eq(members.user, key)).limit(1).get()) return;
    if (this.#imported.exists(key)) return;
    this.db.delete(emails).where(eq(emails.user, key)).run();
    // The row is kept for reuse. To delete it, SQLite would search all messages for their sender.
    this.db.update(users).set({ sub: null, email: null, name: null }).where(eq(users.pk, key)).run();
  }

  #ownerOf({ email }: Profile): User | undefined {
    return email === undefined ? undefined : this.find({ email });
  }

  #create(values: { sub: string } | { email: string }): User {
    const { freeUser, insertUser, reuseUser } = this.queries;
    const columns = { sub: null, email: null, ...values };
    const [free] = freeUser.get({}) ?? [];
    const row = free === undefined ? insertUser.get(columns) : reuseUser.get({ key: free, ...columns });
    return toUser(row) as User;
  }

  #setEmailOwner(email: string, key: UserKey): void {
    this.queries.setEmailOwner.run({ email, user: key });
  }

  /** Moves what a user who was only invited has to the user who signs in with their email. */
  #takeOver(from: UserKey, to: UserKey): void {
    this.#imported.move(from, to);
    this.#moveMemberships(from, to);
    this.release(from);
  }

  #moveMemberships(from: UserKey, to: UserKey): void {
    for (const membership of this.db.select().from(members).where(eq(members.user, from)).all()) {
      const { room } = membership;
      const own = and(eq(members.room, room), eq(members.user, to));
      const before = this.db.select({ role: members.role }).from(members).where(own).get();
      if (before) {
        const role = higherRole(before.role, membership.role);
        this.db.update(members).set({ role }).where(own).run();
        this.db
          .delete(reads)
          .where(and(eq(reads.room, room), eq(reads.user, from)))
          .run();
      } else {
        this.db
          .insert(members)
          .values({ ...membership, user: to })
          .run();
        this.#moveReadMark(room, from, to);
      }
    }
    this.db.delete(members).where(eq(members.user, from)).run();
  }

  #moveReadMark(room: number, from: UserKey, to: UserKey): void {
    // The user may have a mark of their own, from when they read the room as an administrator.
    const [own, invited] = [to, from].map((key) => and(eq(reads.room, room), eq(reads.user, key)));
    this.db.delete(reads).where(own).run();
    this.db.update(reads).set({ user: to }).where(invited).run();
  }
}
