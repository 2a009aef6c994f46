/**
 * Removes far-fetched suggestions from an error message of commander, which offers "room" for "foo". Keeps those that are
 * one typo away.
 */
export function keepCloseSuggestions(error: string): string {
  const [whole, names = ""] = /\n\(Did you mean (?:one of )?(.+)\?\)/.exec(error) ?? [];
  if (whole === undefined) return error;
  const [, typed = ""] = /'([^']*)'/.exec(error) ?? [];
  const close = names.split(", ").filter((name) => isOneTypoApart(typed, name));
  return error.replace(whole, close.length === 0 ? "" : `\n(Did you mean ${close.join(" or ")}?)`);
}

/** Whether one letter is missing, added or different, or two neighbours are swapped. */
function isOneTypoApart(typed: string, name: string): boolean {
  const shorter = Math.min(typed.length, name.length);
  let start = 0;
  while (start < shorter && typed[start] === name[start]) start++;
  let end = 0;
  while (end < shorter - start && typed.at(-1 - end) === name.at(-1 - end)) end++;
  const rest = (word: string) => word.slice(start, word.length - end);
  const [left, right] = [rest(typed), rest(name)];
  const swapped = left.length === 2 && left === right.charAt(1) + right.charAt(0);
  return swapped || Math.max(left.length, right.length) <= 1;
}
