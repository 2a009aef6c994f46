import type { Message, Room, User } from "../client/index.ts";
import { nameOf } from "./names.ts";

/** The users of a room whose names are known, by id: its members, those who are online, and the senders of messages. */
export function knownUsers(room: Room): Map<string, User> {
  const users = new Map<string, User>();
  const add = (user: User) => void (user.id !== null && users.set(user.id, user));
  for (const { sender } of room.messages) add(sender);
  room.online.forEach(add);
  room.members.forEach(add);
  if (room.me) users.set(room.me.id, users.get(room.me.id) ?? room.me);
  return users;
}

/** Names and emails that a message mentions, in lower case and longest first. */
export function mentionedNames(
  { mentions }: Message,
  users: ReadonlyMap<string, User>,
): string[] | undefined {
  if (!mentions) return undefined;
  const names = mentions.users.flatMap((id) => {
    const { name, email } = users.get(id) ?? {};
    return [name, email].flatMap((each) => each?.toLowerCase() ?? []);
  });
  if (mentions.room) names.push("room");
  return names.toSorted((a, b) => b.length - a.length);
}

/** Who has reacted, in a sentence. */
export function listReactors(ids: readonly string[], users: ReadonlyMap<string, User>, me?: string): string {
  const known = ids.flatMap((id) =>
    id === me ? "you" : nameOf(users.get(id) ?? { id: null, name: null, email: null }),
  );
  const shown = known.slice(0, 10);
  if (known.length > shown.length) shown.push(`${known.length - shown.length} more`);
  return shown.join(", ");
}

/** Whether a message mentions a user, or everyone. */
export function isMentioned({ mentions }: Message, user: string | undefined): boolean {
  return mentions?.room ?? (user !== undefined && (mentions?.users.includes(user) ?? false));
}
