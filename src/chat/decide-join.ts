import type { ActorFacts } from "./decide-rooms.ts";
import type { Result } from "./errors.ts";
import type { Access } from "./model.ts";

export interface JoinFacts extends ActorFacts {
  access: Access;
  /** Whether the actor is banned from the room. */
  isBanned: () => boolean;
  memberCount: () => number;
}

/**
 * Decides whether the actor may become a member on their own: in an open room, and anywhere for an administrator. Returns whether
 * they are added; they may be a member already.
 */
export function decideJoin(
  { membersPerRoom }: { membersPerRoom: number },
  { actor, role, head, isDirect, access, isBanned, memberCount }: JoinFacts,
): Result<boolean> {
  if (!head) return { refused: "room_deleted" };
  if (role !== undefined) return false;
  if (access !== "open" && !actor.admin) return { refused: "room_not_found" };
  if (isDirect) return { refused: "direct_room" };
  if (isBanned()) return { refused: "banned" };
  if (membersPerRoom > 0 && memberCount() >= membersPerRoom) return { refused: "too_many_members" };
  return true;
}
