import * as v from "valibot";

/** Input is quoted in an error up to this many characters. */
const MAX_QUOTED_LENGTH = 100;

/** Why a schema refused its input, in one line. `name` is what the whole input is called. */
export function explain(
  [issue]: readonly [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]],
  name: string,
): string {
  return `${cut(v.getDotPath(issue) ?? name)}: ${cut(reasonOf(issue))}`;
}

function reasonOf({ expected, received, message }: v.BaseIssue<unknown>): string {
  // An unknown key of a strict object.
  if (expected === "never") return "is not a known key";
  return received === "undefined" ? "is missing" : message;
}

function cut(text: string): string {
  return text.length <= MAX_QUOTED_LENGTH ? text : `${text.slice(0, MAX_QUOTED_LENGTH).toWellFormed()}…`;
}
