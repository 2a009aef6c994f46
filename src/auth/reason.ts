import * as v from "valibot";

const MAX_REASON_LENGTH = 200;

/** One line for the log that says what went wrong. It is cut, because it may repeat what a token or an issuer says. */
export function reasonOf(error: unknown): string {
  return explain(error).slice(0, MAX_REASON_LENGTH);
}

function explain(error: unknown): string {
  if (v.isValiError(error)) {
    const [issue] = error.issues;
    const path = v.getDotPath(issue);
    return path === null ? issue.message : `${path}: ${issue.message}`;
  }
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${explain(error.cause)}`;
}
