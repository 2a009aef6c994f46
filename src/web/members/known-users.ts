import type { Message, Room, User } from "../../client/index.ts";
import { nameOf } from "../ui/names.ts";

/** The users of a room whose names are known: its members, those who are online, and the senders of messages. */
export class KnownUsers {
  readonly #room: Room;
  #users = new Map<string, User>();
  /** What `#users` was made from. */
  #sources: readonly unknown[] = [];

  constructor(room: Room) {
    this.#room = room;
  }

  get(id: string): User | undefined {
    return this.#users.get(id) ?? this.#search(id);
  }

  #search(id: string): User | undefined {
    const { messages, online, members, me } = this.#room;
    const sources = [messages, online, members, me];
    // None of the sources has changed, so the user is still unknown.
    if (sources.every((source, index) => source === this.#sources[index])) return undefined;
    this.#sources = sources;
    for (const user of [...messages.map(({ sender }) => sender), ...online, ...members, ...(me ? [me] : [])])
      if (user.id !== null) this.#users.set(user.id, user);
    return this.#users.get(id);
  }
}

/** Names and emails that a message mentions, in lower case and longest first. */
export function mentionedNames({ mentions }: Message, users: KnownUsers): string[] | undefined {
  if (!mentions) return undefined;
  const names = mentions.users.flatMap((id) => {
    const { name, email } = users.get(id) ?? {};
    return [name, email].flatMap((each) => each?.toLowerCase() ?? []);
  });
  if (mentions.room) names.push("room");
  return names.toSorted((a, b) => b.length - a.length);
}

/** Who has reacted, in a sentence. */
export function listReactors(ids: readonly string[], users: KnownUsers, me?: string): string {
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
