const MAX_LENGTH = 120;

/** A block of code, or a text that is bold, struck or code. */
const FORMATTED = /```(?:\w*\n)?([^]+?)```|(\*\*|~~|`)(?=\S)([^]*?\S)\2/g;

/** The beginning of a text in one line, without marks of Markdown. */
export function excerpt(text: string): string {
  const line = text
    .slice(0, 4 * MAX_LENGTH)
    .replace(FORMATTED, "$1$3")
    .replace(/\s+/g, " ")
    .trim();
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH).replace(/[\ud800-\udbff]$/, "")} …` : line;
}
