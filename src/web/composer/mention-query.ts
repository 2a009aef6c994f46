import type { Member } from "../../client/index.ts";
import { nameOf } from "../ui/names.ts";

/** A mention that is being written: what follows the @, and where the @ is. */
export interface MentionQuery {
  text: string;
  at: number;
}

const MAX_QUERY_LENGTH = 40;
const MAX_COMPLETIONS = 8;

/** The mention before the caret, if one is being written there. */
export function mentionQuery(text: string, caret: number): MentionQuery | undefined {
  const before = text.slice(0, caret);
  const at = before.lastIndexOf("@");
  const query = before.slice(at + 1);
  if (at < 0 || query.length > MAX_QUERY_LENGTH || /^\s|\n|\s\s/.test(query)) return undefined;
  return at > 0 && /[\p{L}\p{N}_.@-]/u.test(before[at - 1] ?? "") ? undefined : { text: query, at };
}

/** What an @ can be completed to. */
export interface Completion {
  /** What is written after the @. */
  insert: string;
  /** The member; undefined for everyone. */
  member?: Member;
}

/** The completions of a query, the best first: names that begin with it, then words of names, then emails. */
export function completionsOf(
  query: string,
  members: readonly Member[],
  me: string | undefined,
): Completion[] {
  const wanted = query.toLowerCase();
  const rankOf = (member: Member): number => {
    const name = nameOf(member).toLowerCase();
    if (name.startsWith(wanted)) return 0;
    if (name.split(/\s+/).some((word) => word.startsWith(wanted))) return 1;
    return member.email?.toLowerCase().startsWith(wanted) ? 2 : 3;
  };
  const found = members
    .filter(({ id, name, email }) => (id === null || id !== me) && (name ?? email) !== null)
    .map((member) => ({ member, rank: rankOf(member) }))
    .filter(({ rank }) => rank < 3)
    .toSorted((a, b) => a.rank - b.rank || nameOf(a.member).localeCompare(nameOf(b.member)))
    .map(({ member }) => ({ member, insert: nameOf(member) }));
  const everyone = "room".startsWith(wanted) ? [{ insert: "room" }] : [];
  return [...found.slice(0, MAX_COMPLETIONS - everyone.length), ...everyone];
}

/** The text with the query replaced by a completion, and where the caret is then. */
export function complete(text: string, { at, text: query }: MentionQuery, insert: string): [string, number] {
  const rest = text.slice(at + 1 + query.length).replace(/^ /, "");
  const before = `${text.slice(0, at)}@${insert} `;
  return [before + rest, before.length];
}
