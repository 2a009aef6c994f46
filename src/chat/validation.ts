import { isStorable } from "./model.ts";
import type { Invitee } from "./store.ts";

/** Emails are compared without regard to case, of A to Z alone: other letters fold into them, and are not the same. */
export function normalEmail(email: string): string {
  return email.trim().replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** What counts as an email, in an invitation and in a token alike. A domain on a network of one's own may have no dot. */
export const emailPattern = /^[^\s@]+@[^\s@]+$/;

/**
 * Whom a membership is granted to: an email, or else a `sub`. `sub:` in front makes a `sub` of anything, of what looks
 * like an email above all. Undefined when it is neither.
 */
export function parseInvitee(text: string): Invitee | undefined {
  if (text.length > 255 || !isStorable(text)) return undefined;
  if (text.startsWith("sub:")) return text.length > 4 ? { sub: text.slice(4) } : undefined;
  if (emailPattern.test(text.trim())) return { email: normalEmail(text) };
  // A mistyped email is nobody's id.
  return text === "" || /[\s@]/.test(text) ? undefined : { sub: text };
}
