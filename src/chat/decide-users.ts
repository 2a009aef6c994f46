import type { Profile, Reaction, User } from "./model.ts";

/** What the store must write when a user signs in. */
export interface SignInDecision {
  /** The user who signs in. Undefined when they must be created. */
  user: User | undefined;
  /** A user who was invited by the email of the profile: what they have moves to the user who signs in. */
  invited: User | undefined;
  email: string | null;
  name: string | null;
}

/**
 * The rules of signing in. A user is a `sub`. A verified email belongs to the user who last presented it, and memberships
 * that wait for it become theirs, and so do messages and reactions that were imported for it; those of another `sub` stay with
 * that one. A token without an email or a name leaves the stored one as it is.
 */
export function decideSignIn(
  { email, name }: Profile,
  facts: { known: User | undefined; emailOwner: User | undefined },
): SignInDecision {
  const { known, emailOwner } = facts;
  // An invited user has no `sub` yet. A `sub` that is new takes over the invited user's record.
  const invited = emailOwner?.id === null ? emailOwner : undefined;
  return {
    user: known ?? invited,
    invited: known ? invited : undefined,
    email: email ?? known?.email ?? null,
    name: name ?? known?.name ?? invited?.name ?? null,
  };
}

/** Whether signing in with this profile changes nothing. `ownsEmail`: the user owns the email that they are shown with. */
export function changesNothing(
  { email, name }: Profile,
  { known, ownsEmail }: { known: User; ownsEmail: boolean },
): boolean {
  if (name !== undefined && name !== known.name) return false;
  return email === undefined || (email === known.email && ownsEmail);
}

/** Reactions after the id of one user has changed. They may have reacted under both ids. */
export function renameReactor(
  reactions: readonly Reaction[],
  { from, to }: { from: string; to: string },
): Reaction[] {
  return reactions.map(({ emoji, by }) => {
    const renamed = by.map((id) => (id === from ? to : id));
    return { emoji, by: [...new Set(renamed)] };
  });
}
