import { expect } from "bun:test";

import { checkRequestBody, checkResponse } from "./described.ts";
import type { TestServer } from "./server.ts";

export interface ApiResponse {
  status: number;
  headers: Headers;
  text: string;
  /** The JSON of the answer; `{}` when there is none. */
  body: Record<string, unknown>;
}

export interface ApiRequest {
  token?: string;
  /** Sent as JSON; a string as it is. */
  body?: unknown;
  headers?: Record<string, string>;
}

/**
 * Sends a request to the HTTP API: `callApi(server, "GET /api/me", { token })`. Rejects if the response is not as openapi.json
 * describes it.
 */
export async function callApi(
  { url }: Pick<TestServer, "url">,
  request: string,
  { token, body, headers = {} }: ApiRequest = {},
): Promise<ApiResponse> {
  const [method = "GET", path = "/"] = request.split(" ");
  const sent = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(url + path, {
    method,
    redirect: "manual",
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(sent !== undefined && { body: sent }),
  });
  const text = await response.text();
  if (response.ok) checkRequestBody(method, path, sent ?? "");
  checkResponse(method, path, { status: response.status, headers: response.headers, text });
  const json = text !== "" && (response.headers.get("content-type") ?? "").includes("json");
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: json ? (JSON.parse(text) as Record<string, unknown>) : {},
  };
}

/** Expects a problem (RFC 9457) with this status and code. */
export function expectProblem(answer: ApiResponse, status: number, code: string, details = {}): void {
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toStartWith("application/problem+json");
  const text = expect.stringMatching(/^\w.{3}/);
  expect(answer.body).toEqual({ type: "about:blank", title: text, status, code, detail: text, ...details });
}
