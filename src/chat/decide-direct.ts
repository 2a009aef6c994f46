import type { Result } from "./errors.ts";
import type { Actor, User, UserKey } from "./model.ts";

/** The rules for direct conversations: rooms of two whose members are fixed. Pure, as those in `decide-rooms.ts`. */

/** UTF-16 units of each name in a room's name, which may have 200. */
const MAX_NAME_LENGTH = 99;

export interface DirectFacts {
  actor: Actor;
  /** The user with whom the actor wants to talk. Undefined when they are not known. */
  user: User | undefined;
  /** Whether the two have a conversation already. */
  exists: boolean;
  /** Whether they are members of one room. */
  sharesRoom: () => boolean;
  roomsCreated: () => number;
}

/**
 * Decides whether a user may open a conversation with another one, and returns that one. It must be somebody whom they can see in a
 * room; for an administrator, anybody who is known. A new conversation counts as a room that the actor has created; a
 * `roomsPerUser` of 0 means no limit.
 */
export function decideDirect(
  { roomsPerUser }: { roomsPerUser: number },
  { actor, user, exists, sharesRoom, roomsCreated }: DirectFacts,
): Result<User> {
  if (!user) return { refused: "user_not_found" };
  if (user.key === actor.key) return { refused: "own_direct" };
  if (exists) return user;
  if (!actor.admin && !sharesRoom()) return { refused: "user_not_found" };
  if (roomsPerUser > 0 && roomsCreated() >= roomsPerUser) return { refused: "too_many_rooms" };
  return user;
}

/** What makes the conversation of two users the only one: their keys, the smaller one first. */
export function directKey(a: UserKey, b: UserKey): string {
  return `${Math.min(a, b)}:${Math.max(a, b)}`;
}

/** The room's name, for clients that do not know direct conversations. */
export function directName(...users: readonly [Omit<User, "key">, Omit<User, "key">]): string {
  return users.map(shownName).join(", ");
}

function shownName({ name, email, id }: Omit<User, "key">): string {
  const text = (name ?? email ?? id ?? "")
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim();
  return text.length <= MAX_NAME_LENGTH
    ? text
    : `${text.slice(0, MAX_NAME_LENGTH - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
