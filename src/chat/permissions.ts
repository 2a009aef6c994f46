import type { Actor, Role } from "./model.ts";

/**
 * Who may do what, by the role that they have in the room. An administrator (`chat:admin`) may do all of it in every room.
 * Two rules are not about roles: only the sender edits a message, and every sender may delete their own.
 */
const permissions = {
  /** Read, send, react, mark as read, and see who is in the room. */
  participate: ["owner", "moderator", "member"],
  delete_any_message: ["owner", "moderator"],
  /** Add and remove users with the role `member`. */
  manage_members: ["owner", "moderator"],
  /** Make somebody an owner or a moderator, change their role, and remove them. */
  manage_roles: ["owner"],
  rename_room: ["owner"],
  delete_room: ["owner"],
} as const satisfies Record<string, readonly Role[]>;

export type Permission = keyof typeof permissions;

/** `role` is null or undefined for somebody who is not a member. */
export function can(actor: Actor, role: Role | null | undefined, permission: Permission): boolean {
  if (actor.admin) return true;
  const allowed: readonly Role[] = permissions[permission];
  return role !== null && role !== undefined && allowed.includes(role);
}
