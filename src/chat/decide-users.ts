import type { Profile, User } from "./model.ts";

/** What signing in with a profile makes of the users that the store knows. */
export interface SignInDecision {
  /** The user who signs in. Undefined when they must be created. */
  user: User | undefined;
  /** A user who was invited by the email of the profile: their memberships move to the user who signs in. */
  invited: User | undefined;
  email: string | null;
  name: string | null;
}

/**
 * The rules of signing in. A user is a `sub`. A verified email belongs to the user who last presented it, and memberships
 * that wait for it become theirs; memberships of another `sub` stay with that one. A token without an email or a name takes
 * nothing away.
 */
export function decideSignIn(
  { email, name }: Profile,
  facts: { known: User | undefined; emailOwner: User | undefined },
): SignInDecision {
  const { known, emailOwner } = facts;
  // Somebody who was invited has no `sub` yet. A user whom nobody knows takes over the invited user as they are.
  const invited = emailOwner?.id === null ? emailOwner : undefined;
  return {
    user: known ?? invited,
    invited: known ? invited : undefined,
    email: email ?? known?.email ?? null,
    name: name ?? known?.name ?? null,
  };
}

/** Whether signing in with this profile would change nothing. `ownsEmail`: the email that the user is shown with is theirs. */
export function isSignedIn(
  { email, name }: Profile,
  { known, ownsEmail }: { known: User; ownsEmail: boolean },
): boolean {
  if (name !== undefined && name !== known.name) return false;
  return email === undefined || (email === known.email && ownsEmail);
}
