/** Whether the host name of a URL means this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** Whether a URL is http or https, and on this machine. */
export function isLoopbackUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && isLoopback(url.hostname);
}

/** Whether a URL is https, or http on this machine. */
export function isSecureUrl(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname));
}

/**
 * Returns an origin in the form in which browsers send it (RFC 6454, section 6.2): lower case, without the scheme's default
 * port. Any scheme is allowed, as in `capacitor://localhost`. Undefined if the text is not `scheme://host[:port]`.
 */
export function normalizeOrigin(text: string): string | undefined {
  const url = /^[^/?#@\\\s]+:\/\/[^/?#@\\\s]+$/.test(text) ? URL.parse(text) : null;
  if (!url || url.hostname === "" || url.hostname.includes("*")) return undefined;
  return `${url.protocol}//${url.host}`.toLowerCase();
}

/**
 * Like `normalizeOrigin`, for an entry of a list of allowed origins. The host may begin with `*.`, as in
 * `https://*.example.com`. The entry may also be `null`, which browsers send for pages without an origin.
 */
export function normalizeOriginPattern(text: string): string | undefined {
  if (text === "null") return text;
  const [, scheme, host] = /^([^/]+:\/\/)\*\.(.+)$/.exec(text) ?? [];
  if (scheme === undefined || host === undefined) return normalizeOrigin(text);
  return normalizeOrigin(scheme + host)?.replace("://", "://*.");
}

/** Whether an origin matches an entry of a list of allowed origins, as `normalizeOriginPattern` returns it. */
export function matchesOriginPattern(origin: string, pattern: string): boolean {
  const [prefix = "", suffix] = pattern.split("*");
  if (suffix === undefined) return origin === pattern;
  if (!origin.startsWith(prefix) || !origin.endsWith(suffix)) return false;
  const subdomain = origin.slice(prefix.length, origin.length - suffix.length);
  return /^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(subdomain);
}
