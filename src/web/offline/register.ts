import { pageLoaded } from "../page-load.ts";
import { serverUrl } from "../server-url.ts";

/** Trusted Types, which TypeScript's library lacks. Not every browser has them. */
interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL: () => string },
  ): { createScriptURL: (input: string) => string };
}

/** The policy that the Content-Security-Policy allows. */
const POLICY = "parley-service-worker";

const createScriptURL = () => new URL("sw.js", serverUrl).href;

/**
 * Registers the service worker once the page is loaded, so that the page does not wait for it. Browsers have service workers
 * only over https and on the same machine.
 */
export async function registerServiceWorker(): Promise<void> {
  await pageLoaded();
  const { serviceWorker } = navigator as Partial<Navigator>;
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  const url =
    trustedTypes?.createPolicy(POLICY, { createScriptURL }).createScriptURL("") ?? createScriptURL();
  await serviceWorker?.register(url).catch(() => undefined);
}
