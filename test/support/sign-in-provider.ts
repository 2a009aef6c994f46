import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { exportJWK } from "jose";
import { Provider } from "oidc-provider";

import { audience, makeKey, subjectOf } from "./tokens.ts";

/** The page's id at the provider. */
export const CLIENT_ID = "parley-page";
/** Its accounts. */
const EMAILS = ["alice@example.com", "bob@example.com"];
const SIGN_IN_PAGE = EMAILS.map(
  (email) => `<form method="post" action="?${email}"><button>${email}</button></form>`,
).join("");
const emailOf = (sub: string) => EMAILS.find((email) => subjectOf(email) === sub) ?? "";

export interface SignInProvider extends AsyncDisposable {
  issuer: string;
  /** Requests to the token endpoint that succeeded, as their `grant_type`. */
  grants: string[];
  /** Registers Parley's page, whose URL is known only once the server runs. */
  registerPage(url: string): void;
  /** Takes back every refresh token. */
  revokeAll(): Promise<void>;
}

/**
 * A certified OpenID provider on loopback, where people sign in on a page with a button for each account. Parley's page is
 * a public client. Access tokens live for `tokenSeconds`.
 */
export async function startSignInProvider({ tokenSeconds = 3600 } = {}): Promise<SignInProvider> {
  const { kid, privateKey } = await makeKey();
  const jwk = { ...(await exportJWK(privateKey)), kid, alg: "RS256", use: "sig" };
  let provider: Provider;
  const server = createServer((request, response) => {
    if (!request.url?.startsWith("/interaction/")) void provider.callback()(request, response);
    else if (request.method === "POST") void finish(provider, request, response);
    else response.setHeader("content-type", "text/html").end(SIGN_IN_PAGE);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  const grants: string[] = [];

  const refreshTokens: { destroy(): Promise<void> }[] = [];

  function configure(pageUrl?: string): void {
    provider = new Provider(issuer, {
      jwks: { keys: [jwk] },
      clients: pageUrl === undefined ? [] : [pageClient(pageUrl)],
      cookies: { keys: ["a key of the tests"] },
      claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
      conformIdTokenClaims: false,
      findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...claimsOf(sub) }) }),
      extraTokenClaims: (_, token) => ("accountId" in token ? claimsOf(token.accountId) : undefined),
      interactions: { url: (_, { uid }) => `/interaction/${uid}` },
      // Nobody is asked for their consent.
      async loadExistingGrant(context) {
        const { oidc } = context;
        const grant = new oidc.provider.Grant({
          clientId: oidc.client?.clientId,
          accountId: oidc.session?.accountId,
        });
        grant.addOIDCScope("openid profile email offline_access");
        grant.addResourceScope(audience, "chat");
        await grant.save();
        return grant;
      },
      issueRefreshToken: async () => true,
      features: {
        devInteractions: { enabled: false },
        rpInitiatedLogout: {
          enabled: true,
          logoutSource(context, form) {
            context.body = `${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button>`;
          },
        },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => audience,
          useGrantedResource: () => true,
          getResourceServerInfo: () => ({
            scope: "chat",
            audience,
            accessTokenFormat: "jwt",
            accessTokenTTL: tokenSeconds,
            jwt: { sign: { alg: "RS256" } },
          }),
        },
      },
    });
    provider.on("refresh_token.saved", (token) => void refreshTokens.push(token));
    provider.on("grant.success", ({ oidc }) => void grants.push(String(oidc.params?.["grant_type"])));
  }
  configure();

  return {
    issuer,
    grants,
    registerPage: configure,
    revokeAll: async () => {
      await Promise.all(refreshTokens.splice(0).map((token) => token.destroy()));
    },
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

const pageClient = (url: string) => ({
  client_id: CLIENT_ID,
  token_endpoint_auth_method: "none" as const,
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code" as const],
  redirect_uris: [url],
  post_logout_redirect_uris: [url],
});

const claimsOf = (sub: string) => {
  const email = emailOf(sub);
  return { email, email_verified: true, name: email.split("@")[0] ?? "" };
};

/** Signs in the account whose button was pressed. */
async function finish(
  provider: Provider,
  ...[request, response]: Parameters<Provider["interactionFinished"]> extends [infer A, infer B, ...unknown[]]
    ? [A, B]
    : never
): Promise<void> {
  const email = (request.url ?? "").split("?")[1] ?? "";
  await provider.interactionFinished(request, response, { login: { accountId: subjectOf(email) } });
}
