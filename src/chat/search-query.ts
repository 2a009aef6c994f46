import { ChatError } from "./errors.ts";
import { type Term, termsOfUnits, type Unit, unitsOf } from "./search-text.ts";
import { isStorable } from "./validation.ts";

/** A word or a phrase that a message must contain: these units, one after another. */
export interface Phrase {
  units: readonly Unit[];
  /** Whether the last unit may go on. */
  isPrefix: boolean;
}

/** What a query asks for: all of its phrases, in any order. */
export interface SearchQuery {
  phrases: readonly Phrase[];
  terms: readonly Term[];
  /** The sender's email, id, or name, as it was written. */
  from: string | undefined;
}

/** UTF-16 units of a query. */
const MAX_QUERY_LENGTH = 500;
/** Words, emoji and characters of a query. */
const MAX_UNITS = 40;
/** A shorter beginning has too many continuations. */
const MIN_PREFIX_CHARACTERS = 3;

/** One part of a query: `from:` with its value, a phrase in quotation marks, or a word. A mark may follow what it marks. */
const PART = /\s*(?:(from:)?(?:"([^"]*)"|([^\s"]+))(\*?))/iy;

/**
 * Parses a query: words, "phrases", beginnings of words (`deplo*`) and `from:` with a sender. Throws `invalid_command` with
 * the reason.
 */
export function parseQuery(text: string): SearchQuery {
  if (text.length > MAX_QUERY_LENGTH) throw invalid(`A query may have up to ${MAX_QUERY_LENGTH} characters.`);
  if (!isStorable(text)) throw invalid("A query may contain neither lone surrogates nor NUL.");
  const phrases: Phrase[] = [];
  let from: string | undefined;
  for (const { isFrom, content, isPrefix } of partsOf(text.trim())) {
    if (isFrom) {
      if (from !== undefined) throw invalid("A query may have one from: only.");
      from = parseSender(content);
    } else {
      const phrase = parsePhrase(content, isPrefix);
      if (phrase) phrases.push(phrase);
    }
  }
  const units = phrases.reduce((sum, phrase) => sum + phrase.units.length, 0);
  if (units === 0) throw invalid("A query needs a word with letters or digits, or an emoji.");
  if (units > MAX_UNITS) throw invalid(`A query may have up to ${MAX_UNITS} words.`);
  const terms = phrases.flatMap(termsOfPhrase);
  if (terms.length === 0)
    throw invalid("A query needs two adjacent characters of Chinese, Japanese and the like.");
  return { phrases, terms, from };
}

/** The value of `from:`, or of the parameter `from`. */
export function parseSender(text: string): string {
  const sender = text.trim();
  if (sender === "") throw invalid("from: needs an email, a user id or a name.");
  if (sender.length > MAX_QUERY_LENGTH || !isStorable(sender))
    throw invalid("from: needs an email, a user id or a name that a user can have.");
  return sender;
}

interface Part {
  isFrom: boolean;
  content: string;
  isPrefix: boolean;
}

function* partsOf(text: string): Iterable<Part> {
  PART.lastIndex = 0;
  let end = 0;
  while (end < text.length) {
    PART.lastIndex = end;
    const match = PART.exec(text);
    if (!match) throw invalid("A quotation mark is not closed.");
    end = PART.lastIndex;
    const [, from, quoted, word = "", mark] = match;
    const isFrom = from !== undefined || (quoted === undefined && /^from:/i.test(word));
    if (isFrom) {
      yield { isFrom, content: quoted ?? word.replace(/^from:/i, ""), isPrefix: false };
      continue;
    }
    const stars = quoted === undefined ? (/\**$/.exec(word)?.[0].length ?? 0) : Number(mark === "*");
    const content = quoted ?? word.slice(0, word.length - stars);
    if (quoted === undefined && (stars > 1 || content.includes("*")))
      throw invalid("A * may only stand at the end of a word. Put it into quotation marks to ignore it.");
    yield { isFrom, content, isPrefix: stars === 1 };
  }
}

/** Undefined when there is nothing in it to search for, as in a dash between two words. */
function parsePhrase(text: string, isPrefix: boolean): Phrase | undefined {
  const units = unitsOf(text);
  const last = units.at(-1);
  if (!last) {
    if (isPrefix) throw invalid("A * needs the beginning of a word in front of it.");
    return undefined;
  }
  if (isPrefix && !last.isCharacter && Array.from(last.form).length < MIN_PREFIX_CHARACTERS)
    throw invalid(`A * needs at least ${MIN_PREFIX_CHARACTERS} characters of a word in front of it.`);
  return { units, isPrefix };
}

/** The terms that every text has which contains the phrase. */
function termsOfPhrase({ units, isPrefix }: Phrase): Term[] {
  const endsInWord = units.at(-1)?.isCharacter === false;
  return termsOfUnits(units).map((text, index, { length }) => ({
    text,
    isPrefix: isPrefix && endsInWord && index === length - 1,
  }));
}

const invalid = (message: string) => new ChatError("invalid_command", message);
