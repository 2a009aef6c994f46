/**
 * Characters that a reader cannot see or that change how the text around them is shown: control characters (C0, C1),
 * format characters (the bidirectional ones among them), line separators, surrogates, and unassigned code points.
 * Newlines are not among them: they separate Parley's own lines.
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

/** The text with every invisible character replaced by `?`, so that names cannot control the terminal. */
export function maskInvisible(text: string): string {
  return text.replace(INVISIBLE, "?");
}

const unicodeEscape = (unit: number) => `\\u${unit.toString(16).padStart(4, "0")}`;
