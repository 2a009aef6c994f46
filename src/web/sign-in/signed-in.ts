import {
  None,
  processRefreshTokenResponse,
  refreshTokenGrantRequest,
  ResponseBodyError,
  type TokenEndpointResponse,
} from "oauth4webapi";

import type { SignInConfig } from "./config.ts";
import { metadataOf } from "./metadata.ts";

/** A token this close to its expiry is not used any more. */
const EXPIRY_MARGIN_MS = 10_000;

/** A user who is signed in, with their tokens. They exist in memory only. */
export class SignedIn {
  /** Aborted when the user has to sign in again: the issuer does not renew the token, or they have signed out. */
  readonly ended: AbortSignal;
  readonly #ending = new AbortController();
  readonly #config: SignInConfig;
  #tokens: TokenEndpointResponse;
  #refreshToken: string | undefined;
  #expiresAt = 0;
  #renewal: Promise<string> | undefined;

  constructor(config: SignInConfig, tokens: TokenEndpointResponse) {
    this.#config = config;
    this.#tokens = tokens;
    this.#use(tokens);
    this.ended = this.#ending.signal;
  }

  /** The newest ID token: a hint for the issuer when the user signs out. */
  get idToken(): string | undefined {
    return this.#tokens.id_token;
  }

  /** The `token` option of `connect`. Rejects when the token can't be renewed now; `ended` tells whether it ever can. */
  readonly token = async ({ refresh }: { refresh: boolean }): Promise<string> => {
    this.ended.throwIfAborted();
    if (!refresh && Date.now() < this.#expiresAt - EXPIRY_MARGIN_MS) return this.#tokens.access_token;
    // A refresh token may be valid once: a second request must not use it again.
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  };

  /** Forgets the tokens. */
  end(): void {
    this.#refreshToken = undefined;
    this.#ending.abort(new Error("You are signed out."));
  }

  async #renew(): Promise<string> {
    const { server, client, options } = metadataOf(this.#config);
    try {
      if (this.#refreshToken === undefined) throw new Error("The issuer gave no refresh token.");
      const response = await refreshTokenGrantRequest(server, client, None(), this.#refreshToken, options);
      this.#use(await processRefreshTokenResponse(server, client, response));
      return this.#tokens.access_token;
    } catch (error) {
      if (this.#refreshToken === undefined || isRefusal(error)) this.end();
      throw error;
    }
  }

  #use(tokens: TokenEndpointResponse): void {
    this.#tokens = { ...this.#tokens, ...tokens };
    this.#refreshToken = tokens.refresh_token ?? this.#refreshToken;
    this.#expiresAt = tokens.expires_in === undefined ? Infinity : Date.now() + tokens.expires_in * 1000;
  }
}

/** Whether the issuer has refused. Any other failure may pass: the network, or too many requests. */
function isRefusal(error: unknown): boolean {
  return error instanceof ResponseBodyError && (error.status === 400 || error.status === 401);
}
