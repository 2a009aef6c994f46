import { Hono } from "hono";

import type { DevGrants } from "../../auth/dev-grants.ts";
import { DEV_CLIENT_ID, type DevIssuer } from "../../auth/dev-issuer.ts";
import type { Env } from "../env.ts";
import { type Form, readForm } from "./form.ts";
import { emailOf } from "./lobby.ts";

const ACCESS_TOKEN_SECONDS = 3600;

export interface TokenRouteOptions {
  issuer: DevIssuer;
  grants: DevGrants;
}

/** Who is to get tokens. */
interface Grant {
  email: string;
  clientId: string;
  nonce?: string | undefined;
}

/**
 * The token endpoint (RFC 6749, section 3.2). With `grant_type=password` it returns the tokens of any `username`, so that a
 * front end, or a script, can begin without a sign-in page.
 */
export function createTokenRoute({ issuer, grants }: TokenRouteOptions): Hono<Env> {
  const route = new Hono<Env>();
  route.post("/", async (c) => {
    const form = await readForm(c);
    c.header("cache-control", "no-store");
    const type = form["grant_type"] ?? "";
    if (!["authorization_code", "refresh_token", "password"].includes(type))
      return c.json({ error: "unsupported_grant_type" }, 400);
    const grant = findGrant(type, form);
    if (!grant) return c.json({ error: "invalid_grant" }, 400);
    const { email, clientId, nonce } = grant;
    return c.json({
      access_token: await issuer.token(email, ACCESS_TOKEN_SECONDS),
      token_type: "Bearer",
      expires_in: ACCESS_TOKEN_SECONDS,
      id_token: await issuer.idToken(email, ACCESS_TOKEN_SECONDS, clientId, nonce),
      refresh_token: grants.issueRefreshToken({ email, clientId }),
    });
  });
  return route;

  function findGrant(type: string, form: Form): Grant | undefined {
    const { client_id: clientId = DEV_CLIENT_ID, code = "", refresh_token: refreshToken = "" } = form;
    const { redirect_uri: redirectUri = "", code_verifier: verifier = "" } = form;
    if (type === "authorization_code") return grants.redeemCode({ code, clientId, redirectUri, verifier });
    if (type === "refresh_token") return grants.redeemRefreshToken(refreshToken, clientId);
    const email = emailOf(form["username"]);
    return email === undefined ? undefined : { email, clientId };
  }
}
