import * as v from "valibot";

const MAX_REASON_LENGTH = 200;

/** One line for the log that says what went wrong. Cut to length, since it may quote a token or an issuer. */
export function reasonOf(error: unknown): string {
  return describe(error).slice(0, MAX_REASON_LENGTH);
}

function describe(error: unknown): string {
  if (v.isValiError(error)) {
    const [issue] = error.issues;
    const path = v.getDotPath(issue);
    return path === null ? issue.message : `${path}: ${issue.message}`;
  }
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}
