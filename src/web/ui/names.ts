import type { Room, User } from "../../client/index.ts";

/** What a user is called. */
export function nameOf({ name, email, id }: User): string {
  return name ?? email ?? id ?? "Unknown user";
}

/** What a room is called: a direct conversation as the other user is. */
export function titleOf({
  direct,
  name,
  id,
}: Pick<Room, "id"> & Partial<Pick<Room, "name" | "direct">>): string {
  return direct ? nameOf(direct) : (name ?? id);
}

/** Whether the name or the email of a user contains a text, in any case. */
export function matchesUser({ name, email }: User, text: string): boolean {
  const wanted = text.toLowerCase().trim();
  return [name ?? "", email ?? ""].some((each) => each.toLowerCase().includes(wanted));
}

/** Whether a user is one of those who are online. */
export const isOnline = (user: User | undefined, online: readonly User[]) =>
  user !== undefined && online.some(({ id }) => id !== null && id === user.id);

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const firstOf = (word: string) => graphemes.segment(word)[Symbol.iterator]().next().value?.segment ?? "";

/** Up to two letters that stand for a name. */
export function initialsOf(name: string): string {
  const words = name
    .replace(/@.*/, "")
    .split(/[\s._-]+/)
    .filter(Boolean);
  const [first = "?"] = words;
  const last = words.length > 1 ? words.at(-1) : undefined;
  return (firstOf(first) + firstOf(last ?? "")).toUpperCase();
}

/** Colors that avatars have; see base.css. */
export const HUES = 8;

/** The number of a color, which is always the same for one key. */
export function hueOf(key: string): number {
  // FNV-1a. Its upper bits are spread well, also for keys that are alike.
  let hash = 0x811c9dc5;
  for (const character of key) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return (hash >>> 16) % HUES;
}

const lists = new Intl.ListFormat("en-GB", { type: "conjunction" });

/** Names as they are listed in a sentence: "Alice, Bob and 3 others". */
export function listNames(users: readonly User[], limit = 3): string {
  const names = users.slice(0, limit).map(nameOf);
  const rest = users.length - names.length;
  if (rest > 0) names.push(rest === 1 ? "1 other" : `${rest} others`);
  return lists.format(names);
}

/** The order of names: "Room 9" is before "Room 10". */
export const nameOrder = new Intl.Collator(undefined, { numeric: true });

export const compareNames = (a: User, b: User) => nameOrder.compare(nameOf(a), nameOf(b));

/** The `who` of the HTTP API for a user. */
export function whoOf({ id, email }: User): string {
  if (id !== null) return id.includes("@") ? `sub:${id}` : id;
  return email ?? "";
}

/** "1 message", "2 messages". */
export const count = (number: number, noun: string) =>
  `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
