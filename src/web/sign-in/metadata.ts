import { allowInsecureRequests } from "oauth4webapi";

import type { SignInConfig } from "./config.ts";

/** The issuer, the client and the options of requests, as oauth4webapi takes them. */
export function metadataOf(config: SignInConfig) {
  const { issuer, token_endpoint, id_token_signing_alg_values_supported, client_id } = config;
  return {
    server: { issuer, token_endpoint, id_token_signing_alg_values_supported },
    client: { client_id },
    // The server has checked that the endpoint is https, or http on this machine.
    options: { [allowInsecureRequests]: true },
  };
}
