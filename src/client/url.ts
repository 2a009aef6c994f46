/**
 * Base URL of the server for HTTP or WebSocket, without a slash at the end. `url` may have either scheme. Throws a
 * `TypeError` if it has another one, or is not a URL.
 */
export function serverUrl(url: string, scheme: "http" | "ws"): string {
  const { protocol, host, pathname } = new URL(url);
  if (!/^(http|ws)s?:$/.test(protocol)) throw new TypeError(`Not an http or ws URL: ${url}`);
  return `${protocol.replace(/^(http|ws)/, scheme)}//${host}${pathname.replace(/\/+$/, "")}`;
}
