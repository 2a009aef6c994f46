import type { User } from "./model.ts";
import type { Phrase } from "./search-query.ts";
import { type Unit, unitsOf } from "./search-text.ts";
import { normalizeEmail } from "./validation.ts";

/** A range in a text, in UTF-16 units; the end is exclusive. */
export type Span = readonly [start: number, end: number];

export interface Match {
  /** How well the text fits the query: a whole number. */
  score: number;
  /** The places that match, in order, without overlaps. */
  hits: readonly Span[];
}

/** A part of a message's text, around the first hits. */
export interface Snippet {
  text: string;
  /** Places in `text`. */
  hits: readonly Span[];
}

// BM25 with its usual parameters. Its weights of words are left out: every result has every word.
const SATURATION = 1.2;
const LENGTH_WEIGHT = 0.75;
/** Units of an ordinary message. */
const USUAL_LENGTH = 15;
/** Scores are rounded to so many steps for each word, so that small differences do not outweigh time. */
const SCORE_STEPS = 4;

/** UTF-16 units of a snippet, without the ellipses. */
const SNIPPET_LENGTH = 200;
/** UTF-16 units of a snippet before its first hit. */
const SNIPPET_LEAD = 60;
const MAX_SNIPPET_HITS = 50;
/** Where a phrase occurs more often, that adds nothing to the score or to the snippet. */
const MAX_PHRASE_HITS = MAX_SNIPPET_HITS;

/** Whether a text has all phrases, and where. Undefined when it lacks one. */
export function matchText(phrases: readonly Phrase[], text: string): Match | undefined {
  const units = unitsOf(text);
  const length = 1 - LENGTH_WEIGHT + (LENGTH_WEIGHT * units.length) / USUAL_LENGTH;
  const spans: Span[] = [];
  let score = 0;
  for (const phrase of phrases) {
    const found = findPhrase(phrase, units);
    if (found.length === 0) return undefined;
    score += (found.length * (SATURATION + 1)) / (found.length + SATURATION * length);
    spans.push(...found);
  }
  return { score: Math.round(score * SCORE_STEPS), hits: merge(spans) };
}

function findPhrase({ units: wanted, isPrefix }: Phrase, units: readonly Unit[]): Span[] {
  const found: Span[] = [];
  for (let at = 0; at + wanted.length <= units.length && found.length < MAX_PHRASE_HITS; at++) {
    const fits = wanted.every(({ form, joined, isCharacter }, index) => {
      const unit = units[at + index];
      if (!unit || (joined && !unit.joined)) return false;
      const mayGoOn = isPrefix && !isCharacter && index === wanted.length - 1;
      return mayGoOn ? unit.form.startsWith(form) : unit.form === form;
    });
    const [first, last] = [units[at], units[at + wanted.length - 1]];
    if (fits && first && last) found.push([first.start, last.end]);
  }
  return found;
}

/** In order, overlapping spans as one. */
function merge(spans: Span[]): Span[] {
  const merged: [start: number, end: number][] = [];
  for (const [start, end] of spans.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && start < last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
}

/** Cuts a text to what is shown of it. */
export function snippetOf(text: string, hits: readonly Span[]): Snippet {
  if (text.length <= SNIPPET_LENGTH) return { text, hits: hits.slice(0, MAX_SNIPPET_HITS) };
  const [first] = hits;
  const latest = text.length - SNIPPET_LENGTH;
  const start = wordStart(text, Math.max(0, Math.min((first?.[0] ?? 0) - SNIPPET_LEAD, latest)));
  const end = wordEnd(text, start, Math.min(text.length, start + SNIPPET_LENGTH));
  const [before, after] = [start > 0 ? "…" : "", end < text.length ? "…" : ""];
  const shift = before.length - start;
  const shown = hits
    .filter((hit) => hit[0] >= start && hit[0] < end)
    .slice(0, MAX_SNIPPET_HITS)
    .map(([from, to]): Span => [from + shift, Math.min(to, end) + shift]);
  return { text: before + text.slice(start, end) + after, hits: shown };
}

/** How far a cut may move to the next space. */
const MAX_CUT_SHIFT = 20;

/** The beginning of a word at or soon after this place; otherwise a place that parts no surrogates. */
function wordStart(text: string, at: number): number {
  if (at === 0) return 0;
  const space = text.slice(at, at + MAX_CUT_SHIFT).search(/\s/);
  return space >= 0 ? at + space + 1 : between(text, at);
}

function wordEnd(text: string, start: number, at: number): number {
  if (at === text.length) return at;
  const space = text.slice(Math.max(start, at - MAX_CUT_SHIFT), at).search(/\s\S*$/);
  return space >= 0 ? at - MAX_CUT_SHIFT + space : between(text, at);
}

/** Moves a cut that would part a surrogate pair. */
function between(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at;
}

/** Whether `from:` means this user: by their email, their id, or words of their name. */
export function isSender(from: string, { id, email, name }: User): boolean {
  if (id === from || (email !== null && email === normalizeEmail(from))) return true;
  if (name === null) return false;
  const units = unitsOf(from);
  return units.length > 0 && findPhrase({ units, isPrefix: false }, unitsOf(name)).length > 0;
}
