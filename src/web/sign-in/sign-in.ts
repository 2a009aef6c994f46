import {
  authorizationCodeGrantRequest,
  AuthorizationResponseError,
  calculatePKCECodeChallenge,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  getValidatedIdTokenClaims,
  None,
  processAuthorizationCodeResponse,
  ResponseBodyError,
  validateAuthResponse,
} from "oauth4webapi";

import { serverUrl } from "../server-url.ts";
import type { PageConfig, SignInConfig } from "./config.ts";
import { metadataOf } from "./metadata.ts";
import { SignedIn } from "./signed-in.ts";

// Sign-in with the authorization code flow and PKCE (OAuth 2.1, section 4.1). Tokens are kept in memory only.

/** What must survive the visit to the issuer. It belongs to this tab. */
interface PendingSignIn {
  state: string;
  nonce: string;
  verifier: string;
  /** The URL that the user came from. */
  returnTo: string;
}

/** A sign-in in progress, in the session storage. */
const PENDING_KEY = "parley.sign-in";
/** Who was signed in last, in the session storage: a reload signs them in again. */
const USER_KEY = "parley.user";

/** Answers to `prompt=none` that mean: the user has to be asked (OpenID Connect Core, section 3.1.2.6). */
const PROMPT_NEEDED = new Set([
  "login_required",
  "interaction_required",
  "consent_required",
  "account_selection_required",
]);

export type SignInState =
  | { status: "signed-in"; user: SignedIn }
  /** `problem` says, for the user, why the sign-in failed. Undefined if nobody has tried. */
  | { status: "signed-out"; problem: string | undefined };

/**
 * Call it once, when the page is loaded. It completes a sign-in when the issuer has just sent the user back, and begins
 * one, without questions to the user, when this tab was signed in before a reload. In that case it never resolves.
 */
export async function resumeSignIn(config: PageConfig): Promise<SignInState> {
  const pending = takePending();
  const here = new URL(location.href);
  const isAnswer = here.searchParams.has("state");
  // The code must not stay in the address bar or the history.
  if (isAnswer) history.replaceState(null, "", pending?.returnTo ?? serverUrl);
  const user = sessionStorage.getItem(USER_KEY);
  if (config.client_id === null) return { status: "signed-out", problem: undefined };
  if (isAnswer && pending) return complete(config, pending, here);
  if (user === null) return { status: "signed-out", problem: undefined };
  await goToIssuer(config, { prompt: "none", login_hint: user });
  return new Promise(() => undefined);
}

/** Leaves the page for the issuer's, which asks the user to sign in. They come back to the URL where they are now. */
export async function beginSignIn(config: SignInConfig): Promise<void> {
  await goToIssuer(config, {});
}

/** Forgets the user and leaves the page for the issuer's, which signs them out there and sends them back. */
export function signOut(config: SignInConfig, user: SignedIn): void {
  sessionStorage.removeItem(USER_KEY);
  user.end();
  if (config.end_session_endpoint === null) return location.assign(serverUrl);
  const url = new URL(config.end_session_endpoint);
  url.searchParams.set("client_id", config.client_id);
  if (user.idToken !== undefined) url.searchParams.set("id_token_hint", user.idToken);
  url.searchParams.set("post_logout_redirect_uri", serverUrl.href);
  location.assign(url);
}

async function goToIssuer(config: SignInConfig, more: Record<string, string>): Promise<void> {
  const pending: PendingSignIn = {
    state: generateRandomState(),
    nonce: generateRandomNonce(),
    verifier: generateRandomCodeVerifier(),
    returnTo: location.href,
  };
  const url = new URL(config.authorization_endpoint);
  const parameters = {
    response_type: "code",
    client_id: config.client_id,
    redirect_uri: serverUrl.href,
    scope: config.scope,
    ...(config.audience !== null && { audience: config.audience }),
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await calculatePKCECodeChallenge(pending.verifier),
    code_challenge_method: "S256",
    ...more,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  sessionStorage.setItem(PENDING_KEY, JSON.stringify(pending));
  // The way back does not lead to the page as it was, without a user.
  location.replace(url);
}

/** The sign-in that this tab has begun. Each is used once. */
function takePending(): PendingSignIn | undefined {
  const text = sessionStorage.getItem(PENDING_KEY);
  sessionStorage.removeItem(PENDING_KEY);
  return text === null ? undefined : (JSON.parse(text) as PendingSignIn);
}

async function complete(config: SignInConfig, pending: PendingSignIn, answer: URL): Promise<SignInState> {
  sessionStorage.removeItem(USER_KEY);
  const { server, client, options } = metadataOf(config);
  const { nonce, state, verifier } = pending;
  try {
    const code = validateAuthResponse(server, client, answer, state);
    const response = await authorizationCodeGrantRequest(
      server,
      client,
      None(),
      code,
      serverUrl.href,
      verifier,
      options,
    );
    const tokens = await processAuthorizationCodeResponse(server, client, response, {
      expectedNonce: nonce,
      requireIdToken: true,
    });
    const user = new SignedIn(config, tokens);
    const claims = getValidatedIdTokenClaims(tokens);
    const hint = claims?.["email"] ?? claims?.sub;
    if (typeof hint === "string") sessionStorage.setItem(USER_KEY, hint);
    return { status: "signed-in", user };
  } catch (error) {
    const isPromptNeeded = error instanceof AuthorizationResponseError && PROMPT_NEEDED.has(error.error);
    return { status: "signed-out", problem: isPromptNeeded ? undefined : explain(error) };
  }
}

/** Why a sign-in failed, for the user. */
function explain(error: unknown): string {
  if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError)
    return error.error_description ?? error.error;
  // What `fetch` throws.
  if (error instanceof TypeError) return "The sign-in service can't be reached.";
  return error instanceof Error ? error.message : String(error);
}
