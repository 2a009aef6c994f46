import { type Context, Hono } from "hono";

import { DevGrants } from "../../auth/dev-grants.ts";
import type { DevIssuer } from "../../auth/dev-issuer.ts";
import type { Chat } from "../../chat/chat.ts";
import { isLoopbackUrl } from "../../url.ts";
import type { Env } from "../env.ts";
import { limitBody } from "../middleware.ts";
import {
  answerUrl,
  type AuthorizationRequest,
  InvalidRequest,
  parseAuthorizationRequest,
} from "./authorization-request.ts";
import { type Form, readForm } from "./form.ts";
import { emailOf, Lobby } from "./lobby.ts";
import { signInPage, signInPageHeaders } from "./sign-in-page.ts";
import { allowLoopbackOrigins, requireThisMachine } from "./this-machine.ts";
import { createTokenRoute } from "./token.ts";

export interface DevRoutesOptions {
  issuer: DevIssuer;
  chat: Pick<Chat, "rooms">;
}

/**
 * The development issuer as an OpenID provider for clients on this machine. Nobody has a password, and there are no
 * cookies: with `prompt=none` and a `login_hint`, a client signs in any user.
 */
export function createDevRoutes({ issuer, chat }: DevRoutesOptions): Hono<Env> {
  const routes = new Hono<Env>();
  const grants = new DevGrants(() => performance.now());
  const lobby = new Lobby(chat);

  function sendCode(c: Context<Env>, request: AuthorizationRequest, email: string): Response {
    const { client_id: clientId, redirect_uri: redirectUri, code_challenge: challenge, nonce } = request;
    const code = grants.issueCode({ clientId, redirectUri, challenge, nonce, email });
    return c.redirect(answerUrl(request, { code }), 303);
  }

  async function showPage(c: Context<Env>, parameters: Form, problem?: string): Promise<Response> {
    const { redirect_uri: redirectUri } = parseAuthorizationRequest(parameters);
    const page = signInPage({ emails: await lobby.emails(), parameters, problem });
    return c.html(page, problem === undefined ? 200 : 400, signInPageHeaders(redirectUri));
  }

  routes.use(requireThisMachine, allowLoopbackOrigins, limitBody());
  routes.onError((error, c) => {
    if (!(error instanceof InvalidRequest)) throw error;
    return error.redirectTo ? c.redirect(error.redirectTo, 303) : c.text(`${error.message}\n`, 400);
  });
  routes.get("/.well-known/openid-configuration", (c) => c.json(issuer.discovery()));
  routes.get("/jwks.json", (c) => c.json(issuer.jwks()));
  routes.get("/authorize", (c) => {
    const parameters = c.req.query();
    const request = parseAuthorizationRequest(parameters);
    if (request.prompt !== "none") return showPage(c, parameters);
    const email = request.login_hint && emailOf(request.login_hint);
    if (!email) return c.redirect(answerUrl(request, { error: "login_required" }), 303);
    return sendCode(c, request, email);
  });
  routes.post("/authorize", async (c) => {
    const { user, ...parameters } = await readForm(c);
    const request = parseAuthorizationRequest(parameters);
    const email = emailOf(user);
    if (email === undefined) return showPage(c, parameters, "Type a name, or an email address.");
    await lobby.admit(email);
    return sendCode(c, request, email);
  });
  routes.get("/logout", (c) => {
    const { post_logout_redirect_uri: uri, state } = c.req.query();
    if (uri === undefined || !isLoopbackUrl(uri)) return c.text("You are signed out.\n");
    return c.redirect(answerUrl({ redirect_uri: uri, state }, {}), 303);
  });
  routes.route("/token", createTokenRoute({ issuer, grants }));
  return routes;
}
