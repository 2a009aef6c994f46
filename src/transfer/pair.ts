import type { Invitee } from "../chat/model.ts";

/** The two users of a direct conversation. Undefined for one of more people, and for somebody's notes to themselves. */
export function pairOf(users: readonly Invitee[]): readonly [Invitee, Invitee] | undefined {
  const [one, other, ...more] = new Map(users.map((user) => [JSON.stringify(user), user])).values();
  return one && other && more.length === 0 ? [one, other] : undefined;
}
