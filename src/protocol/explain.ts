import * as v from "valibot";

/** What was sent is repeated in a refusal up to this many characters. */
const longest = 100;

/** Why input was refused by its schema, in a line; `name` stands for the whole of it. */
export function explain(
  [issue]: readonly [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]],
  name: string,
): string {
  return `${cut(v.getDotPath(issue) ?? name)}: ${cut(reasonOf(issue))}`;
}

function reasonOf({ expected, received, message }: v.BaseIssue<unknown>): string {
  // Of a strict object.
  if (expected === "never") return "is not known here";
  return received === "undefined" ? "is missing" : message;
}

function cut(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, longest).toWellFormed()}…`;
}
