import type { Actor, Role } from "./model.ts";

/**
 * Who may do what, by the role that they have in the room. An administrator (`chat:admin`) may do all of it in every room.
 * Two rules in `decide.ts` do not depend on roles: only the sender may edit a message, and every sender may delete their own.
 * Bans and mutes take permissions away; they do not bind administrators.
 */
export const permissions = {
  /** Read, react, mark as read, delete their own messages, and see who is in the room. */
  participate: ["owner", "moderator", "member"],
  /** Send messages and edit their own. */
  post: ["owner", "moderator", "member"],
  /** The same in a room where `posting` is `moderators`. */
  post_in_read_only_room: ["owner", "moderator"],
  /** Send without waiting for the room's slow mode. */
  skip_slow_mode: ["owner", "moderator"],
  delete_any_message: ["owner", "moderator"],
  /** Add, remove, ban and mute users whose role is or would be `member`. List bans and mutes. */
  manage_members: ["owner", "moderator"],
  /** Make users owners or moderators, and change the roles of those. Remove, ban and mute them. */
  manage_roles: ["owner"],
  /** Lift a ban, or make it end earlier. */
  lift_bans: ["owner"],
  /** Change the room's name and its other settings. */
  change_room: ["owner"],
  delete_room: ["owner"],
  /** Read what moderators, owners and administrators did. */
  read_audit: ["owner"],
} as const satisfies Record<string, readonly Role[]>;

export type Permission = keyof typeof permissions;

/** Whether the actor has a permission. `role` is null or undefined for a user who is not a member. */
export function can(actor: Actor, role: Role | null | undefined, permission: Permission): boolean {
  if (actor.admin) return true;
  const allowed: readonly Role[] = permissions[permission];
  return role !== null && role !== undefined && allowed.includes(role);
}
