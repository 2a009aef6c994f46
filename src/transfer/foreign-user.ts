import type { Invitee } from "../chat/model.ts";
import type { UserRecord } from "../chat/transfer.ts";

/** A user of another product: nobody has verified their address to Parley yet, and they have not signed in. */
export function foreignUser(
  user: Invitee,
  name: string | null,
  email: string | null = "email" in user ? user.email : null,
): UserRecord {
  return { type: "user", user, name, email, emails: [], signedIn: false };
}
