import type { Context } from "hono";

import type { IssuerMetadata } from "../../auth/issuer-metadata.ts";
import type { PageConfig } from "../../protocol/responses.ts";
import type { Env } from "../env.ts";
import { isNamedIn, weakEtag } from "../etag.ts";

export interface SignInOptions {
  metadata: IssuerMetadata;
  /** The page's id at the issuer. Without it, nobody can sign in. */
  clientId: string | undefined;
  /** Scopes to ask for, with spaces between them. */
  scopes: string;
  audience: string | undefined;
  isDev: boolean;
  /** The public key with which browsers subscribe to web push. Null when it is off. */
  pushKey: string | null;
}

/** What the page needs to know to sign users in. Rejects with `keys_unavailable` when the issuer does not answer. */
export async function readPageConfig(options: SignInOptions): Promise<PageConfig> {
  const { metadata, clientId, scopes, audience, isDev, pushKey } = options;
  if (clientId === undefined) return { issuer: metadata.issuer, client_id: null, push_key: pushKey };
  const { end_session_endpoint: endSession, ...issuer } = await metadata.read();
  return {
    ...issuer,
    client_id: clientId,
    scope: scopes,
    audience: audience ?? null,
    end_session_endpoint: endSession ?? null,
    dev: isDev,
    push_key: pushKey,
  };
}

export async function sendPageConfig(c: Context<Env>, options: SignInOptions): Promise<Response> {
  const body = JSON.stringify(await readPageConfig(options));
  const headers = { etag: weakEtag(body), "cache-control": "no-cache" };
  if (isNamedIn(c.req.header("if-none-match"), headers.etag)) return c.body(null, 304, headers);
  return c.body(body, 200, { ...headers, "content-type": "application/json" });
}
