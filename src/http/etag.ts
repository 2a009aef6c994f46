/** A weak validator of a response (RFC 9110, section 8.8.3). */
export function weakEtag(content: string | Uint8Array): string {
  return `W/"${Bun.hash(content).toString(36)}"`;
}

const opaque = (etag: string) => etag.trim().replace(/^W\//, "");

/** Whether an If-None-Match header names this version. Compared without regard to weakness (RFC 9110, section 13.1.2). */
export function isNamedIn(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.trim() === "*" || header.split(",").some((tag) => opaque(tag) === opaque(etag));
}
