/**
 * Base URL of the server for HTTP or WebSocket, without a slash at the end. `url` may have either scheme. Throws a
 * `TypeError` if it has another one, or is not a URL.
 */
export function serverUrl(url: string, scheme: "http" | "ws"): string {
  const { protocol, host, pathname } = new URL(url);
  if (!/^(http|ws)s?:$/.test(protocol)) throw new TypeError(`Not an http or ws URL: ${url}`);
  return `${protocol.replace(/^(http|ws)/, scheme)}//${host}${pathname.replace(/\/+$/, "")}`;
}

/** The user for whom a JWT was issued: its `sub`. Undefined if it is not a JWT. The server verifies it, not this client. */
export function subjectOf(token: string): string | undefined {
  try {
    const payload = token.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/") ?? "";
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    return (JSON.parse(new TextDecoder().decode(bytes)) as { sub?: string }).sub;
  } catch {
    return undefined;
  }
}
