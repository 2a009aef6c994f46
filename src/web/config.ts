/** The URL of the server, which is two levels above this script: `…/assets/<name>.js`. It ends with a slash. */
export const serverUrl = new URL("../", import.meta.url);

/** What the page needs to know to sign a user in: `GET /config.json`. */
export interface PageConfig {
  issuer: string;
  /** This page's id at the issuer. Null when PARLEY_CLIENT_ID is not set: nobody can sign in. */
  client_id: string | null;
  /** Scopes to ask for, with spaces between them. */
  scope: string;
  /** The `audience` to ask for. */
  audience: string | null;
  authorization_endpoint: string;
  token_endpoint: string;
  end_session_endpoint: string | null;
  id_token_signing_alg_values_supported: string[];
  /** Whether this is `parley dev`, where anybody may sign in as anybody. */
  dev: boolean;
}

/** Rejects with a text for the user when the server, or its issuer, does not respond. */
export async function readConfig(): Promise<PageConfig> {
  const response = await fetch(new URL("config.json", serverUrl)).catch((cause: unknown) => {
    throw new Error("The server can't be reached.", { cause });
  });
  if (response.status === 503) throw new Error("The sign-in service does not respond.");
  if (!response.ok) throw new Error(`The server answered with status ${response.status}.`);
  return (await response.json()) as PageConfig;
}
