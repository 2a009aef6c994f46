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
export function registerServiceWorker(): void {
  const { serviceWorker } = navigator as Partial<Navigator>;
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  const register = () => {
    const url =
      trustedTypes?.createPolicy(POLICY, { createScriptURL }).createScriptURL("") ?? createScriptURL();
    serviceWorker?.register(url).catch(() => undefined);
  };
  if (document.readyState === "complete") register();
  else addEventListener("load", register, { once: true });
}
