import { eq } from "drizzle-orm";

import { changesNothing, decideSignIn } from "../../chat/decide-users.ts";
import { nameKey } from "../../chat/mentions.ts";
import type { Invitee, Profile, RoomKey, User, UserKey } from "../../chat/model.ts";
import type { SignedIn } from "../../chat/store.ts";
import { ImportedWork } from "./imported-work.ts";
import { MentionRows } from "./mention-rows.ts";
import type { Db } from "./open.ts";
import type { Queries } from "./queries.ts";
import { toUser } from "./rows.ts";
import { emails, users } from "./schema.ts";
import { takeOverRooms } from "./take-over-rooms.ts";

/** Users and the owners of emails. Methods that write must be called within a transaction. */
export class Users {
  readonly #imported: ImportedWork;
  readonly #mentions: MentionRows;

  constructor(
    private readonly db: Db,
    private readonly queries: Pick<
      Queries,
      | "userBySub"
      | "signedInUser"
      | "emailOwner"
      | "freeUser"
      | "insertUser"
      | "reuseUser"
      | "setEmailOwner"
      | "bannedUntil"
      | "ownerCount"
      | "withdrawnUser"
    >,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {
    this.#imported = new ImportedWork(db.$client);
    this.#mentions = new MentionRows(db.$client);
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

  signIn(profile: Profile): SignedIn {
    const { sub, email } = profile;
    const facts = { known: this.find({ sub }), emailOwner: this.#ownerOf(profile) };
    const { user: existing, invited, ...shown } = decideSignIn(profile, facts);
    const { key } = existing ?? this.#create({ sub });
    const earlier = invited ?? existing;
    if (earlier)
      this.#imported.claimReactions(earlier.key, { from: earlier.id ?? earlier.email ?? sub, to: sub });
    const removedFrom = invited ? this.#takeOver(invited.key, key, sub) : [];
    if (!invited && existing?.id === null) this.#mentions.claim(key, sub);
    if (email !== undefined) this.#setEmailOwner(email, key);
    this.db
      .update(users)
      .set({ sub, signedIn: true, ...shown, nameKey: shown.name === null ? null : nameKey(shown.name) })
      .where(eq(users.pk, key))
      .run();
    return { key, id: sub, ...shown, ...(removedFrom.length > 0 && { removedFrom }) };
  }

  setName(key: UserKey, name: string): void {
    this.db
      .update(users)
      .set({ name, nameKey: nameKey(name) })
      .where(eq(users.pk, key))
      .run();
  }

  /**
   * Frees the row of a user who has never signed in, once they are not a member of any room, are not banned or
   * muted in any, and have sent nothing.
   */
  release(key: UserKey): void {
    if (!this.queries.withdrawnUser.get({ user: key }) || this.#imported.exists(key)) return;
    this.db.delete(emails).where(eq(emails.user, key)).run();
    this.#mentions.delete(key);
    // The row is kept for reuse. To delete it, SQLite would search all messages for their sender.
    this.db
      .update(users)
      .set({ sub: null, email: null, name: null, nameKey: null })
      .where(eq(users.pk, key))
      .run();
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

  /** Moves what a user who was only invited has to the user who signs in with their email. Returns rooms that this one loses. */
  #takeOver(from: UserKey, to: UserKey, sub: string): RoomKey[] {
    this.#imported.move(from, to);
    this.#mentions.move(from, to, sub);
    const removedFrom = takeOverRooms(this.db, this.queries, { from, to, now: this.now() });
    this.release(from);
    return removedFrom;
  }
}
