import { expect } from "bun:test";

import { handshake, opcodes, RawConnection } from "./raw.ts";

export interface UpgradeRequest {
  method?: string;
  /** Added to those of a correct handshake. Undefined leaves a header out. */
  headers?: Record<string, string | undefined>;
}

export interface UpgradeResult {
  /**
   * `classic`, `chat.v2` or `session` by the first frame; a refusal as `404 room_not_found` over HTTP, or as `4404 room_not_found` when
   * the connection was opened only to be closed.
   */
  outcome: string;
  /** Headers of the HTTP answer. */
  headers: ReadonlyMap<string, string>;
}

/** Headers without which a refusal with this status is incomplete. */
const requiredHeaders: Record<number, string> = {
  401: "www-authenticate",
  426: "upgrade",
  429: "retry-after",
  503: "retry-after",
};

/** Sends a handshake by hand. Checks that an HTTP refusal is a complete problem (RFC 9457). */
export async function upgrade(
  host: string,
  path: string,
  { method, headers }: UpgradeRequest,
): Promise<UpgradeResult> {
  const raw = await RawConnection.open(host);
  try {
    raw.write(handshake(host, path, headers, method));
    const answer = await raw.answer();
    const { status } = answer;
    if (status === 101) return { outcome: await firstFrame(raw), headers: answer.headers };
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    const problem = JSON.parse(await raw.body(answer)) as Record<string, unknown>;
    const text = expect.stringMatching(/./);
    expect(problem).toStrictEqual({ type: text, title: text, status, code: text, detail: text });
    const required = requiredHeaders[status];
    if (required !== undefined) expect(answer.headers.get(required)).toMatch(/./);
    return { outcome: `${status} ${String(problem["code"])}`, headers: answer.headers };
  } finally {
    raw.destroy();
  }
}

async function firstFrame(raw: RawConnection): Promise<string> {
  const { opcode, payload } = await raw.frame();
  if (opcode === opcodes.close) {
    // RFC 6455, section 5.5: a control frame has up to 125 bytes.
    expect(payload.length).toBeLessThanOrEqual(125);
    return `${payload.readUInt16BE()} ${String(payload.subarray(2))}`;
  }
  const first: unknown = JSON.parse(String(payload));
  if (Array.isArray(first)) return "classic";
  expect(first).toMatchObject({ type: "hello" });
  return first !== null && typeof first === "object" && "room" in first ? "chat.v2" : "session";
}
