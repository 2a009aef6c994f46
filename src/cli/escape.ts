/**
 * Characters that a reader cannot see or that change how the text around them is shown: control characters (C0, C1),
 * format characters (the bidirectional ones among them), line separators, surrogates, and unassigned code points.
 * Newlines are left alone: they separate lines of ours.
 */
const INVISIBLE = /(?!\n)[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** The same JSON with every invisible character written as `\uXXXX`. It parses to the same value. */
export function escapeInvisible(json: string): string {
  return json.replace(INVISIBLE, (character) =>
    Array.from({ length: character.length }, (_, index) => unicodeEscape(character.charCodeAt(index))).join(
      "",
    ),
  );
}

/** Text for a terminal: every invisible character becomes `?`, so that names cannot steer it. */
export function maskInvisible(text: string): string {
  return text.replace(INVISIBLE, "?");
}

const unicodeEscape = (unit: number) => `\\u${unit.toString(16).padStart(4, "0")}`;
