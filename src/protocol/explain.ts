import * as v from "valibot";

/** Parts of an error message, which may quote the input, are cut to this many UTF-16 units. */
const MAX_QUOTED_LENGTH = 200;

/** Says in one line why a schema refused its input. `name` stands for the input as a whole. */
export function explain(
  [issue]: readonly [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]],
  name: string,
): string {
  return `${cut(v.getDotPath(issue) ?? name)}: ${cut(messageOf(issue))}`;
}

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  boolean: "true or false",
  Object: "an object",
  Array: "an array",
};

function messageOf({ expected, received, message }: v.BaseIssue<unknown>): string {
  // An unknown key of a strict object.
  if (expected === "never") return "is not a known key";
  if (received === "undefined") return "is missing";
  // All but Valibot's own messages, which are not for clients.
  if (!message.startsWith("Invalid ") || expected === null) return message;
  const allowed = expected.replace(/^\((.*)\)$/, "$1").split(" | ");
  return `must be ${allowed.map((each) => TYPES[each] ?? each).join(" or ")}`;
}

function cut(text: string): string {
  return text.length <= MAX_QUOTED_LENGTH ? text : `${text.slice(0, MAX_QUOTED_LENGTH).toWellFormed()}…`;
}
