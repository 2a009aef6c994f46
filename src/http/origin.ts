import type { Context } from "hono";

import { isLoopbackUrl, matchesOriginPattern } from "../url.ts";

/** Decides which pages may use the server. */
export class OriginPolicy {
  /** Entries are origins such as `https://app.example.com`, `capacitor://localhost`, `null` or `https://*.example.com`. */
  constructor(
    private readonly allowed: readonly string[] = [],
    /** Also those of every page on this machine, on any port. */
    private readonly options: { loopback?: boolean } = {},
  ) {}

  /** Whether the request's Origin is allowed. A request without one does not come from a page. */
  allows(c: Context): boolean {
    const origin = c.req.header("origin");
    if (origin === undefined || this.allowed.some((pattern) => matchesOriginPattern(origin, pattern)))
      return true;
    return isOwnOrigin(c, origin) || (this.options.loopback === true && isLoopbackUrl(origin));
  }
}

/** Whether a proxy in front terminates TLS. The header can be forged, so it may only make Parley stricter. */
export function isBehindTls(c: Context): boolean {
  const [protocol] = (c.req.header("x-forwarded-proto") ?? "").split(",");
  return protocol?.trim().toLowerCase() === "https";
}

/** Whether the page is the server's own. Behind TLS, only its https origin counts. */
function isOwnOrigin(c: Context, origin: string): boolean {
  const host = c.req.header("host");
  if (host === undefined) return false;
  const schemes = isBehindTls(c) ? ["https"] : ["https", "http"];
  // `URL` leaves out a default port, as browsers do in the Origin.
  return schemes.some((scheme) => URL.parse(`${scheme}://${host}`)?.origin === origin);
}
