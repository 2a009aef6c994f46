import { expect } from "bun:test";

import type { Parley } from "./parley.ts";

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The JSON of the answer; `{}` when it is empty. */
  body: Record<string, unknown>;
}

export interface Asked {
  token?: string;
  /** Sent as JSON; a string as it is. */
  body?: unknown;
  headers?: Record<string, string>;
}

/** Asks the HTTP API, as in `call(parley, "GET /api/me", { token })`. */
export async function call(
  { url }: Pick<Parley, "url">,
  request: string,
  { token, body, headers = {} }: Asked = {},
): Promise<Answer> {
  const [method = "GET", path = "/"] = request.split(" ");
  const response = await fetch(url + path, {
    method,
    redirect: "manual",
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = (response.headers.get("content-type") ?? "").includes("json");
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: json ? (JSON.parse(text) as Record<string, unknown>) : {},
  };
}

/** The answer is a refusal, as RFC 9457 has it. */
export function expectProblem(answer: Answer, status: number, code: string): void {
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toStartWith("application/problem+json");
  const text = expect.stringMatching(/^\w.{3}/);
  expect(answer.body).toEqual({ type: "about:blank", title: text, status, code, detail: text });
}
