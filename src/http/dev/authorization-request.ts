import * as v from "valibot";

import { isLoopbackUrl } from "../../url.ts";
import type { Form } from "./form.ts";

const MISSING = "must be given";

/** Without these, the user can't be sent back to the client. */
const clientSchema = v.object(
  {
    client_id: v.pipe(v.string(), v.nonEmpty(MISSING)),
    redirect_uri: v.pipe(
      v.string(),
      v.check(isLoopbackUrl, "must be on this machine: localhost, 127.0.0.1 or [::1]"),
      v.check((text) => !text.includes("#"), "must have no fragment"),
    ),
  },
  MISSING,
);

/** An authorization request (OpenID Connect Core 1.0, section 3.1.2.1; RFC 7636, section 4.3). */
const requestSchema = v.object(
  {
    ...clientSchema.entries,
    response_type: v.literal("code", "must be code"),
    scope: v.pipe(
      v.string(),
      v.check((scope) => scope.split(" ").includes("openid"), "must have openid"),
    ),
    code_challenge: v.pipe(v.string(), v.regex(/^[\w-]{43}$/, "must have 43 characters")),
    code_challenge_method: v.literal("S256", "must be S256"),
    state: v.optional(v.string()),
    nonce: v.optional(v.string()),
    prompt: v.optional(v.string()),
    login_hint: v.optional(v.string()),
  },
  MISSING,
);
export type AuthorizationRequest = v.InferOutput<typeof requestSchema>;

/** A request that is wrong, in words for the developer of the client. */
export class InvalidRequest extends Error {
  override readonly name = "InvalidRequest";
  constructor(
    message: string,
    /** The URL that tells the client. Undefined if its redirect URI is wrong, too. */
    readonly redirectTo: URL | undefined,
  ) {
    super(message);
  }
}

/** Throws `InvalidRequest`. */
export function parseAuthorizationRequest(parameters: Form): AuthorizationRequest {
  const client = v.safeParse(clientSchema, parameters);
  if (!client.success) throw new InvalidRequest(describe(client.issues[0]), undefined);
  const request = v.safeParse(requestSchema, parameters);
  if (request.success) return request.output;
  const description = describe(request.issues[0]);
  const answer = { error: "invalid_request", error_description: description };
  throw new InvalidRequest(
    description,
    answerUrl({ redirect_uri: client.output.redirect_uri, state: parameters["state"] }, answer),
  );
}

/** The URL that takes an answer to the client. */
export function answerUrl(
  { redirect_uri: uri, state }: { redirect_uri: string; state?: string | undefined },
  answer: Record<string, string>,
): URL {
  const url = new URL(uri);
  for (const [name, value] of Object.entries({ ...answer, ...(state !== undefined && { state }) }))
    url.searchParams.set(name, value);
  return url;
}

function describe(issue: v.BaseIssue<unknown>): string {
  return `${v.getDotPath(issue) ?? "request"}: ${issue.message}`;
}
