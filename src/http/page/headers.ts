/** The Trusted Types policy that gives `navigator.serviceWorker.register` the URL of the service worker, and nothing else. */
const SCRIPT_POLICY = "parley-service-worker";

/** A host as in a Host header. Anything else could change the meaning of the policy. */
const HOST = /^[\w.:[\]-]+$/;

export interface PolicyOptions {
  /** The Host header of the request. */
  host: string | undefined;
  /** URLs of the issuer that the page fetches: none while the issuer is not known. */
  issuerUrls: readonly string[];
}

/** The page loads nothing but its own files, connects to nothing but the server and the issuer, and turns no text into HTML. */
export function contentSecurityPolicy({ host = "", issuerUrls }: PolicyOptions): string {
  // Older browsers do not count WebSockets as 'self'.
  const sockets = HOST.test(host) ? ` ws://${host} wss://${host}` : "";
  const issuer = [...new Set(issuerUrls.map((url) => ` ${new URL(url).origin}`))].join("");
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src 'self'${sockets}${issuer}`,
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    `trusted-types ${SCRIPT_POLICY}`,
  ].join("; ");
}

/** The service worker fetches the page's own files. Pages that it controls have the policy above. */
export const SERVICE_WORKER_POLICY = "default-src 'none'; connect-src 'self'";

/** Headers of the files that any other page may load: those of `<parley-room>`. Nothing in them depends on who asks. */
export const embedHeaders = {
  "access-control-allow-origin": "*",
  "cross-origin-resource-policy": "cross-origin",
};

/** Headers of the page and of each of its files. */
export const fileHeaders = {
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};
