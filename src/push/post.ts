/** Bytes of a refusal that are read, for the log. */
const MAX_REASON_BYTES = 1024;
const MAX_REASON_LENGTH = 200;

export interface Posted {
  status: number;
  /** The header `Retry-After`, in milliseconds. Undefined without one. */
  retryAfterMs: number | undefined;
  /** The beginning of the body of a refusal. */
  reason: string;
}

/** Posts a push. Follows no redirect, and reads no more of the response than the reason for a refusal. Rejects if there is no response. */
export async function post(
  endpoint: string,
  request: { headers: Record<string, string>; body: Buffer; signal: AbortSignal },
): Promise<Posted> {
  const response = await fetch(endpoint, {
    method: "POST",
    redirect: "manual",
    // A small response may be a large one that is compressed.
    decompress: false,
    ...request,
  });
  const { status, headers, body } = response;
  const hasReason = status >= 400 && status < 500 && !headers.has("content-encoding");
  return {
    status,
    retryAfterMs: parseRetryAfter(headers.get("retry-after")),
    reason: body ? await readBeginning(body, hasReason ? MAX_REASON_BYTES : 0) : "",
  };
}

/** Reads the first chunk at most: the rest may be long, or never come. */
async function readBeginning(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<string> {
  try {
    const reader = body.getReader();
    const { value } = maxBytes > 0 ? await reader.read() : {};
    await reader.cancel();
    return Buffer.from(value?.subarray(0, maxBytes) ?? [])
      .toString()
      .slice(0, MAX_REASON_LENGTH);
  } catch {
    // The status is known.
    return "";
  }
}

/** Seconds, or a date (RFC 9110, section 10.2.3). */
function parseRetryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return ms >= 0 ? ms : undefined;
}
