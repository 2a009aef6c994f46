import type { PageConfig } from "../../protocol/responses.ts";
import { serverUrl } from "../server-url.ts";

export type { PageConfig, SignInConfig } from "../../protocol/responses.ts";

/** Reads how users sign in. Rejects with a text for the user when the server, or its issuer, does not answer. */
export async function readConfig(): Promise<PageConfig> {
  // It is in the page, unless the issuer did not answer the server at that moment.
  const block = document.getElementById("config");
  if (block) return JSON.parse(block.textContent) as PageConfig;
  const response = await fetch(new URL("config.json", serverUrl)).catch((cause: unknown) => {
    throw new Error("The server can't be reached.", { cause });
  });
  if (response.status === 503) throw new Error("The sign-in service does not respond.");
  if (!response.ok) throw new Error(`The server answered with status ${response.status}.`);
  return (await response.json()) as PageConfig;
}
