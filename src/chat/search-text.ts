/**
 * A word of a text, an emoji, or one character of a script that is written without spaces between words. Search compares
 * forms: case, accents, Arabic vowel signs and skin tones make no difference.
 */
export interface Unit {
  form: string;
  /** In UTF-16 units of the text; the end is exclusive. */
  start: number;
  end: number;
  /** One character of Chinese, Japanese, Korean and similar scripts, which are found by any two adjacent characters. */
  isCharacter: boolean;
  /** Whether this and the unit before are adjacent characters. */
  joined: boolean;
}

/** The version of the forms and terms below. An index that was built by another version is built again. */
export const SEARCH_TERMS_VERSION = 1;

/** UTF-16 units of a term in the index. Longer words are found by their first characters, and then compared in full. */
const MAX_TERM_LENGTH = 40;

/** Scripts whose words have no spaces between them, or whose words change at their ends, as in Korean. */
const DENSE = String.raw`[[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Hang}\p{scx=Bopo}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}]&&[\p{L}\p{N}]]`;
/** A Korean syllable that is written as its parts. */
const JAMO = String.raw`[\u1100-\u115f\ua960-\ua97c][\u1160-\u11a7\ud7b0-\ud7c6]+[\u11a8-\u11ff\ud7cb-\ud7fb]*`;
const CHARACTER = String.raw`${JAMO}|${DENSE}[\p{M}\uff9e\uff9f]*`;
const WORD = String.raw`[[\p{L}\p{N}]--${DENSE}][[\p{L}\p{N}\p{M}\xad]--${DENSE}]*`;
const EMOJI = String.raw`\p{RI}\p{RI}|\p{ExtPict}(?:\ufe0f|\p{EMod}|\u200d\p{ExtPict}|[\u{e0020}-\u{e007f}])*`;
const UNITS = new RegExp(`(${CHARACTER})|(${WORD})|(?:${EMOJI})`, "gv");
const PLAIN_WORDS = /[a-z0-9]+/g;
/** Letters without accents only: most texts, and much faster. */
const IS_PLAIN = /^[ -~\s]*$/;

/** Accents, vowel signs and points, which many people leave out, and the Arabic elongation. */
const IGNORED_IN_WORD = /[\p{Script=Inherited}\u0640[[\p{Script=Hebrew}\p{Script=Arabic}]&&\p{M}]]/gv;
/** What a ligature is made of beside letters, such as the spaces in ﷺ, and what is invisible. */
const NO_LETTERS = /[^\p{L}\p{N}\p{M}]|\p{Default_Ignorable_Code_Point}/gu;
const IGNORED_IN_EMOJI = /[\ufe0e\ufe0f\p{Emoji_Modifier}]/gu;

/** The units of a text, in order. */
export function unitsOf(text: string): Unit[] {
  if (IS_PLAIN.test(text)) return plainUnits(text);
  const units: Unit[] = [];
  for (const match of text.matchAll(UNITS)) {
    const [found, character, word] = match;
    const isCharacter = character !== undefined;
    const form = isCharacter ? foldCharacter(found) : word !== undefined ? foldWord(found) : foldEmoji(found);
    if (form === "") continue;
    const start = match.index;
    const before = units.at(-1);
    const joined = isCharacter && before?.isCharacter === true && before.end === start;
    units.push({ form, start, end: start + found.length, isCharacter, joined });
  }
  return units;
}

function plainUnits(text: string): Unit[] {
  return Array.from(text.toLowerCase().matchAll(PLAIN_WORDS), ({ 0: form, index: start }) => ({
    form,
    start,
    end: start + form.length,
    isCharacter: false,
    joined: false,
  }));
}

function foldWord(word: string): string {
  const plain = word.normalize("NFKD").replace(IGNORED_IN_WORD, "").replace(NO_LETTERS, "").toLowerCase();
  return plain.replaceAll("ς", "σ").replaceAll("ß", "ss").replaceAll("ı", "i");
}

const foldCharacter = (text: string) => text.normalize("NFKC").replace(NO_LETTERS, "");

const foldEmoji = (text: string) => text.replace(IGNORED_IN_EMOJI, "");

/** What the index holds of a text: its words, and each two adjacent characters. None of them has a space. */
export function termsOf(text: string): Set<string> {
  if (IS_PLAIN.test(text)) return new Set(text.toLowerCase().match(PLAIN_WORDS)?.map(cutTerm));
  return new Set(termsOfUnits(unitsOf(text)));
}

/** A character without neighbours has no term: too many messages have it. */
export function termsOfUnits(units: readonly Unit[]): string[] {
  return units.flatMap(({ form, isCharacter, joined }, index) => {
    if (!isCharacter) return [cutTerm(form)];
    return joined ? [cutTerm((units[index - 1]?.form ?? "") + form)] : [];
  });
}

function cutTerm(term: string): string {
  return term.length <= MAX_TERM_LENGTH ? term : term.slice(0, MAX_TERM_LENGTH).toWellFormed();
}

/** A term that a message must have. */
export interface Term {
  text: string;
  /** Whether a term that begins like this is enough. */
  isPrefix: boolean;
}
