import { isEmail, isVisible, normalizeEmail, parseRoomName } from "../chat/validation.ts";

/** In UTF-16 units, as in a token. */
const MAX_USER_NAME_LENGTH = 255;
const MAX_ROOM_NAME_LENGTH = 200;

type Candidate = string | null | undefined;

/** The first text that may be a user's name: on one line, visible, and not too long. Null if there is none. */
export function userName(...candidates: readonly Candidate[]): string | null {
  const names = candidates.map((candidate) => cut(oneLine(candidate ?? ""), MAX_USER_NAME_LENGTH));
  return names.find(isVisible) ?? null;
}

/** The first text that may be a room's name. `fallback` must be valid: a room's id is. */
export function roomName(fallback: string, ...candidates: readonly Candidate[]): string {
  for (const candidate of candidates) {
    try {
      return parseRoomName(cut(oneLine(candidate ?? ""), MAX_ROOM_NAME_LENGTH));
    } catch {
      // The next candidate may be valid.
    }
  }
  return fallback;
}

/** A direct conversation's name: those of its members. */
export function conversationName(members: readonly string[]): string {
  return members.toSorted((a, b) => (a < b ? -1 : 1)).join(", ");
}

/**
 * The normalized address, if an identity provider could have verified it. Bots have addresses such as `bot@localhost`,
 * which nobody can verify.
 */
export function verifiableEmail(text: Candidate): string | undefined {
  const email = normalizeEmail(text ?? "");
  return isEmail(email) && /\.[^.@]+$/.test(email) ? email : undefined;
}

const oneLine = (text: string) =>
  text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim();

function cut(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  return `${text.slice(0, maxLength - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
