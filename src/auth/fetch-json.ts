const MAX_RESPONSE_BYTES = 1 << 20;

/** Fetches a document of an issuer. Rejects with an error that names the URL. Redirects are not followed. */
export async function fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, {
    headers: { accept: "application/json" },
    redirect: "error",
    // Bun silently repeats a request if the connection that it reuses has been closed.
    keepalive: false,
    signal,
  }).catch((cause: unknown) => {
    throw new Error(`${url} did not respond`, { cause });
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`${url} responded with status ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_RESPONSE_BYTES)
      throw new Error(`${url} responded with more than ${MAX_RESPONSE_BYTES} bytes`);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}

/** Fetches an issuer's discovery document (OpenID Connect Discovery 1.0, section 4). */
export function fetchDiscovery(issuer: string, signal: AbortSignal): Promise<unknown> {
  return fetchJson(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, signal);
}
