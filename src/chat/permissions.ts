import type { Actor, Role } from "./model.ts";

/**
 * Who may do what, by the role that they have in the room. An administrator (`chat:admin`) may do all of it in every room.
 * Two rules in `decide.ts` do not depend on roles: only the sender may edit a message, and every sender may delete their own.
 */
const permissions = {
  /** Read, send, react, mark as read, and see who is in the room. */
  participate: ["owner", "moderator", "member"],
  delete_any_message: ["owner", "moderator"],
  /** Add and remove users with the role `member`. */
  manage_members: ["owner", "moderator"],
  /** Make users owners or moderators, change the roles of those, and remove them. */
  manage_roles: ["owner"],
  rename_room: ["owner"],
  delete_room: ["owner"],
} as const satisfies Record<string, readonly Role[]>;

export type Permission = keyof typeof permissions;

/** Whether the actor has a permission. `role` is null or undefined for a user who is not a member. */
export function can(actor: Actor, role: Role | null | undefined, permission: Permission): boolean {
  if (actor.admin) return true;
  const allowed: readonly Role[] = permissions[permission];
  return role !== null && role !== undefined && allowed.includes(role);
}
