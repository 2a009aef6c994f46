import { expect } from "bun:test";

import { type Answer, handshake, RawConnection } from "./raw.ts";

export interface UpgradeRequest {
  method?: string;
  /** Added to those of a correct handshake; undefined leaves one out. Names that differ only in case are two headers. */
  headers?: Record<string, string | undefined>;
  version?: "1.0" | "1.1";
}

export interface UpgradeAnswer extends Answer {
  body: string;
}

/** Sends a handshake, reads the answer with its body, and closes the connection. */
export async function requestUpgrade(
  host: string,
  path: string,
  { method, headers, version = "1.1" }: UpgradeRequest = {},
): Promise<UpgradeAnswer> {
  const raw = await RawConnection.open(host);
  raw.write(handshake(host, path, headers, method).replace("HTTP/1.1", `HTTP/${version}`));
  const answer = await raw.answer();
  const body = answer.status === 101 ? "" : await raw.body(answer);
  raw.destroy();
  return { ...answer, body };
}

/** As `requestUpgrade`. A refusal must be a whole problem (RFC 9457) with the headers of its status. */
export async function upgradeProblem(
  host: string,
  path: string,
  request?: UpgradeRequest,
): Promise<{ status: number; code?: string; detail?: string }> {
  const { status, headers, body } = await requestUpgrade(host, path, request);
  if (status === 101) return { status };
  expect(headers.get("content-type")).toBe("application/problem+json");
  const problem = JSON.parse(body) as { code: string; detail: string };
  const text = expect.stringMatching(/./);
  expect(problem).toStrictEqual({ type: text, title: text, status, code: text, detail: text } as never);
  const required = { 401: "www-authenticate", 426: "upgrade", 429: "retry-after", 503: "retry-after" }[
    status
  ];
  if (required !== undefined) expect(headers.get(required)).toMatch(/./);
  return { status, code: problem.code, detail: problem.detail };
}

/** The answer in short: `101`, or a refusal as `404 room_not_found`. */
export async function upgradeOutcome(host: string, path: string, request?: UpgradeRequest): Promise<string> {
  const { status, code } = await upgradeProblem(host, path, request);
  return code === undefined ? String(status) : `${status} ${code}`;
}
