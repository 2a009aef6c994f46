import * as v from "valibot";

/** Parts of an error message, which may quote the input, are cut to this many UTF-16 units. */
const MAX_QUOTED_LENGTH = 100;

/** Says in one line why a schema refused its input. `name` stands for the input as a whole. */
export function explain(
  [issue]: readonly [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]],
  name: string,
): string {
  return `${cut(v.getDotPath(issue) ?? name)}: ${cut(messageOf(issue))}`;
}

function messageOf({ expected, received, message }: v.BaseIssue<unknown>): string {
  // An unknown key of a strict object.
  if (expected === "never") return "is not a known key";
  return received === "undefined" ? "is missing" : message;
}

function cut(text: string): string {
  return text.length <= MAX_QUOTED_LENGTH ? text : `${text.slice(0, MAX_QUOTED_LENGTH).toWellFormed()}…`;
}
