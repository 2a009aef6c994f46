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

import { ParleyError } from "../../client/index.ts";
import { pageLoaded } from "../page-load.ts";
import { remember } from "../remember.ts";
import { serverUrl } from "../server-url.ts";
import type { SignInConfig } from "./config.ts";
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
  /** Who is to be signed in without questions. Undefined if the user was asked. */
  user: string | undefined;
  /** How many were begun in a row without an answer, with this one. */
  attempts: number;
}

/** A sign-in in progress, in the session storage. */
const PENDING_KEY = "parley.sign-in";
/** Who is signed in on this device, as `login_hint`: a page that is loaded later signs them in again. */
const USER_KEY = "parley.user";

/** Answers to `prompt=none` that mean: the user has to be asked (OpenID Connect Core, section 3.1.2.6). */
const PROMPT_NEEDED = new Set([
  "login_required",
  "interaction_required",
  "consent_required",
  "account_selection_required",
]);

/** More would be a loop: something on the way to the issuer, or the issuer, sends the user back without an answer. */
const MAX_ATTEMPTS = 3;

/** How long the issuer may take to show that it can be reached. */
const REACH_TIMEOUT_MS = 10_000;

/** The issuer has not signed the user in. The message says, for the user, why; it is empty if they have to be asked. */
export class SignInRefused extends Error {}

export interface SigningIn {
  /** Who was signed in on this device. */
  lastUser: string | undefined;
  /**
   * Resolves with the user. Rejects with `SignInRefused`, or with another error if the issuer can't be reached: then it may
   * be called again. It never resolves where it leaves the page for the issuer.
   */
  signIn: () => Promise<SignedIn>;
}

/** Who is signed in on this device, by email or `sub`. */
export const readLastUser = () => localStorage.getItem(USER_KEY) ?? undefined;

/**
 * Call it once, when the page is loaded. It completes a sign-in when the issuer has just sent the user back, and otherwise
 * signs a user in without questions who was signed in on this device. Undefined if there is nobody to sign in.
 */
export function resumeSignIn(config: SignInConfig): SigningIn | undefined {
  const pending = takePending();
  const here = new URL(location.href);
  const isAnswer = here.searchParams.has("state");
  // The code must not stay in the address bar or the history.
  if (isAnswer) history.replaceState(null, "", pending?.returnTo ?? serverUrl);
  const lastUser = readLastUser();
  const attempts = pending && !isAnswer ? pending.attempts : 0;
  const signInAgain = () => signInSilently(config, lastUser ?? "", attempts);
  if (!isAnswer || !pending || isSignedOutSince(pending))
    return lastUser === undefined ? undefined : { lastUser, signIn: signInAgain };
  let isUsed = false;
  const signIn = () => {
    // A code may be valid once.
    if (isUsed) return signInAgain();
    isUsed = true;
    return complete(config, pending, here);
  };
  return { lastUser, signIn };
}

/** Whether the user has signed out in another tab since this one has left for the issuer. */
const isSignedOutSince = ({ user }: PendingSignIn) => user !== undefined && readLastUser() === undefined;

/** Rejects with an error for the user if the issuer can't be reached: the browser would show one of its own. */
async function reachIssuer(config: SignInConfig): Promise<void> {
  const url = `${config.issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const options: RequestInit = { cache: "no-store", signal: AbortSignal.timeout(REACH_TIMEOUT_MS) };
  // Any answer will do. Some issuers allow only one of the two modes.
  await fetch(url, { ...options, mode: "no-cors" })
    .catch(() => fetch(url, options))
    .catch((cause: unknown) => {
      throw new ParleyError("network", "The sign-in service can't be reached.", { cause });
    });
}

/** Signs in a user whom the issuer knows. */
async function signInSilently(config: SignInConfig, user: string, attempts: number): Promise<never> {
  if (attempts >= MAX_ATTEMPTS) throw new ParleyError("network", "The sign-in service sends no answer.");
  // Leaving a page before it has loaded would abort its loading with an error.
  await Promise.all([reachIssuer(config), pageLoaded()]);
  // They may have signed out meanwhile.
  if ((readLastUser() ?? "") === user) await goToIssuer(config, user, attempts + 1);
  return new Promise(() => undefined);
}

/**
 * Leaves the page for the issuer's, which asks the user to sign in. They come back to the URL where they are now. Rejects with
 * an error for the user if there is no network.
 */
export async function beginSignIn(config: SignInConfig): Promise<void> {
  if (!navigator.onLine) await reachIssuer(config);
  await goToIssuer(config, undefined);
}

/** Forgets who is signed in on this device. */
export const forgetUser = () => localStorage.removeItem(USER_KEY);

/** Leaves the page for the issuer's, which signs the user out there and sends them back. */
export function signOut(config: SignInConfig, idToken: string | undefined): void {
  if (config.end_session_endpoint === null || !navigator.onLine) return location.assign(serverUrl);
  const url = new URL(config.end_session_endpoint);
  url.searchParams.set("client_id", config.client_id);
  if (idToken !== undefined) url.searchParams.set("id_token_hint", idToken);
  url.searchParams.set("post_logout_redirect_uri", serverUrl.href);
  location.assign(url);
}

async function goToIssuer(config: SignInConfig, user: string | undefined, attempts = 1): Promise<void> {
  const pending: PendingSignIn = {
    state: generateRandomState(),
    nonce: generateRandomNonce(),
    verifier: generateRandomCodeVerifier(),
    returnTo: location.href,
    user,
    attempts,
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
    ...(user !== undefined && { prompt: "none", login_hint: user }),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  sessionStorage.setItem(PENDING_KEY, JSON.stringify(pending));
  // Not `assign`: the Back button would lead to the page without a user.
  location.replace(url);
}

/** The sign-in that this tab has begun. Each is used once. */
function takePending(): PendingSignIn | undefined {
  const text = sessionStorage.getItem(PENDING_KEY);
  sessionStorage.removeItem(PENDING_KEY);
  return text === null ? undefined : (JSON.parse(text) as PendingSignIn);
}

async function complete(config: SignInConfig, pending: PendingSignIn, answer: URL): Promise<SignedIn> {
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
    if (isSignedOutSince(pending)) throw new SignInRefused();
    const claims = getValidatedIdTokenClaims(tokens);
    const email = claims?.["email"];
    remember(USER_KEY, typeof email === "string" ? email : (claims?.sub ?? ""));
    return user;
  } catch (error) {
    // What `fetch` throws.
    if (error instanceof TypeError)
      throw new ParleyError("network", "The sign-in service can't be reached.", { cause: error });
    forgetUser();
    throw new SignInRefused(explain(error), { cause: error });
  }
}

/** Why a sign-in failed, for the user. Nothing if they have to be asked. */
function explain(error: unknown): string {
  if (error instanceof AuthorizationResponseError && PROMPT_NEEDED.has(error.error)) return "";
  if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError)
    return error.error_description ?? error.error;
  const reason = error instanceof Error ? error.message : String(error);
  return `The sign-in service sent an answer that is not valid: ${reason}.`;
}
