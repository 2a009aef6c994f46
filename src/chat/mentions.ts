import { normalizeEmail } from "./validation.ts";

/** Places in one text that are looked at: the first ones. Also the users whom a message may mention. */
export const MAX_MENTIONS = 50;
/** Ends that a name may have after one `@`: the first ones. A name of more words cannot be mentioned. */
const MAX_NAME_ENDS = 10;
/** UTF-16 units. A longer name cannot be mentioned. */
const MAX_NAME_LENGTH = 128;
/** UTF-16 units. Longer than any email. */
const MAX_EMAIL_LENGTH = 255;

/** Whom an `@` may mention. `ROOM_KEY` among the names stands for everyone in the room. */
export interface Place {
  /** The member with this email comes first. */
  email: string | undefined;
  /** Names in the form of `nameKey`: the shortest first, and each begins with the one before. The longest that exists is meant. */
  names: Iterable<string>;
}

/** The name that means everyone in a room, in the form of `nameKey`. */
export const ROOM_KEY = "room";

/** Scripts that are written without spaces. What comes before an `@` in them is no email. */
const DENSE = String.raw`\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Hang}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}`;
/** Characters before an `@` that make it a part of a word or an email. Variation selectors and keycaps belong to emoji. */
const PART_OF_WORD = new RegExp(String.raw`^[[\p{L}\p{M}\p{N}]--[${DENSE}\ufe00-\ufe0f\u20e3]]`, "v");
const PART_OF_EMAIL = /[\w.%+-]/;
/** Where a name may end: before no letter or digit, and not within a hyphenated word or a domain. */
const NAME_ENDS = /(?<=\S)(?![.-]?[\p{L}\p{M}\p{N}_@])/gu;
const EMAIL = /^[^\s@]{1,64}@[\p{L}\p{M}\p{N}._-]+/u;
const LINE = /^[^\n\r\u2028\u2029]+/;
/** Text that is compared by its lower case alone: most names, and much faster. */
const IS_PLAIN = /^[!-~]+(?: [!-~]+)*$/;
const NOT_IN_NAME = /\p{Default_Ignorable_Code_Point}/gu;

/** The form in which names are compared: case, width, and the amount of white space make no difference. */
export function nameKey(name: string): string {
  if (IS_PLAIN.test(name)) return name.toLowerCase();
  const folded = name.normalize("NFKC").replace(NOT_IN_NAME, "").toUpperCase().toLowerCase();
  // The form of a sigma depends on what follows, which in a text is more than the name.
  return folded.replaceAll("ς", "σ").replace(/\s+/g, " ").trim();
}

/** Finds the places where a text may mention somebody. Takes linear time, apart from the names that are asked for. */
export function parseMentions(text: string): Place[] {
  const places: Place[] = [];
  for (let at = text.indexOf("@"); at >= 0; at = text.indexOf("@", at + 1)) {
    if (isWithinWord(text, at)) continue;
    const place = parsePlace(text.slice(at + 1, at + 1 + MAX_EMAIL_LENGTH));
    if (place && places.push(place) === MAX_MENTIONS) break;
  }
  return places;
}

/** The place whose `@` is before this text. Undefined when it can mention nobody. */
function parsePlace(text: string): Place | undefined {
  if (!/^\S/.test(text)) return undefined;
  const [found] = EMAIL.exec(text) ?? [];
  if (found !== undefined) {
    const address = found.replace(/[._-]+$/, "");
    // Some users have their email as their name.
    const names = address.length > MAX_NAME_LENGTH ? [] : [nameKey(address)];
    return { email: normalizeEmail(address), names };
  }
  // What follows the longest name tells whether it may end there.
  const [line = ""] = LINE.exec(text.slice(0, MAX_NAME_LENGTH + 3)) ?? [];
  const ends: number[] = [];
  for (const { index } of line.matchAll(NAME_ENDS)) {
    if (index > MAX_NAME_LENGTH || ends.length === MAX_NAME_ENDS) break;
    ends.push(index);
  }
  return ends.length > 0 ? { email: undefined, names: namesUpTo(line, ends) } : undefined;
}

/** Compares names only as far as they are asked for: their forms may be much longer than they are. */
function* namesUpTo(line: string, ends: readonly number[]): Iterable<string> {
  for (const end of ends) {
    const key = nameKey(line.slice(0, end));
    if (key !== "") yield key;
  }
}

/** Whether what is before an `@` makes it a part of a word, of an email, or of a row of them. */
function isWithinWord(text: string, at: number): boolean {
  const before = text[at - 1];
  if (before === undefined) return false;
  if (before === "@" || PART_OF_EMAIL.test(before)) return true;
  if (before < "\x80") return false;
  const isPair = /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(Math.max(0, at - 2), at));
  return PART_OF_WORD.test(isPair ? text.slice(at - 2, at) : before);
}
