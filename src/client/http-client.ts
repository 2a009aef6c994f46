import { type ErrorCode, ParleyError } from "./error.ts";
import type { ApiOptions, Fetch } from "./options.ts";
import { serverUrl } from "./url.ts";

/** The parts of a request, beside its method and its path. */
export interface RequestParts {
  /** Parameters without a value are left out. */
  query?: object | undefined;
  /** Sent as JSON. */
  body?: object;
}

/**
 * Sends requests to the HTTP API of a server. One that is refused with 401 is repeated once with a new token.
 *
 * Each rejects with a `ParleyError`: with the server's code, or `network` if there was no response, or `internal` if the
 * response was not one of Parley's. If `token` throws, it rejects with that error.
 */
export interface HttpClient {
  /** `path` has the parts of the path after `/api/`. */
  request<T>(method: string, path: readonly string[], parts?: RequestParts): Promise<T>;
}

const REQUEST_TIMEOUT_MS = 30_000;

/** What `api` of `parley-chat/api` is built on. Throws a `TypeError` if `url` is not an http(s) or ws(s) URL. */
export function createHttpClient({
  url: base,
  token,
  fetch = globalThis.fetch,
  signal = new AbortController().signal,
}: ApiOptions): HttpClient {
  const origin = serverUrl(base, "http");

  async function request<T>(
    method: string,
    path: readonly string[],
    parts: RequestParts = {},
    refresh = false,
  ): Promise<T> {
    signal.throwIfAborted();
    const bearer = await token({ refresh });
    signal.throwIfAborted();
    const { query = {}, body } = parts;
    const parameters = Object.entries(query)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
      .join("&");
    const url = `${origin}/api/${path.map(encodeURIComponent).join("/")}${parameters && `?${parameters}`}`;
    const init = {
      method,
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      body: body ? JSON.stringify(body) : null,
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
    };
    let response: Awaited<ReturnType<Fetch>>;
    let text: string;
    try {
      response = await fetch(url, init);
      text = await response.text();
    } catch (cause) {
      signal.throwIfAborted();
      throw new ParleyError("network", "No response from the server.", { cause });
    }
    const { ok, status, headers } = response;
    if (status === 401 && !refresh) return request(method, path, parts, true);
    let answer: Partial<Record<string, unknown>> | null | undefined;
    try {
      answer = text === "" ? undefined : (JSON.parse(text) as typeof answer);
      if (ok) return answer as T;
    } catch {
      // Not JSON: the response is from a proxy.
    }
    const { code = "internal", detail = `Unexpected response: HTTP ${status}.`, ...details } = answer ?? {};
    const retryAfterMs = Number.parseFloat(headers.get("retry-after") ?? "") * 1000;
    throw new ParleyError(code as ErrorCode, String(detail), {
      ...details,
      status,
      retryAfterMs: retryAfterMs >= 0 ? retryAfterMs : undefined,
    });
  }

  return { request };
}
