import { expect, test } from "bun:test";

import { newEmail } from "../support/api-users.ts";
import { type ApiResponse, callApi } from "../support/api.ts";
import { connectClassic } from "../support/client.ts";
import { type TestServer, useServer } from "../support/server.ts";

const app = "https://app.example.com";
const env = {
  PARLEY_ALLOWED_ORIGINS: app,
  PARLEY_MESSAGE_RATE: "0.1",
  PARLEY_MESSAGE_BURST: "1",
};
const server = useServer({ env });

/** A browser's question whether a page of this origin may send a request with a token. */
function preflight(at: Pick<TestServer, "url">, origin: string, method = "PUT"): Promise<ApiResponse> {
  return callApi(at, "OPTIONS /api/rooms/x/members/y", {
    headers: {
      origin,
      "access-control-request-method": method,
      "access-control-request-headers": "authorization,content-type,idempotency-key",
    },
  });
}

const allowedOrigin = ({ headers }: ApiResponse) => headers.get("access-control-allow-origin");

test("a page of an allowed origin may send requests", async () => {
  const { status, headers } = await preflight(server, app);
  expect(status).toBe(204);
  expect(Object.fromEntries(headers)).toMatchObject({
    "access-control-allow-origin": app,
    "access-control-allow-credentials": "true",
    "access-control-allow-headers": "authorization,content-type,idempotency-key,if-none-match",
  });
  for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"])
    expect(headers.get("access-control-allow-methods")).toContain(method);
});

test.each([
  "https://evil.example.com",
  "http://app.example.com",
  "https://app.example.com:8443",
  "https://app.example.com.evil.com",
  "null",
])("a page of %s may not", async (origin) => {
  const token = await server.token(newEmail());
  expect(allowedOrigin(await preflight(server, origin))).toBeNull();
  expect(allowedOrigin(await callApi(server, "GET /api/me", { token, headers: { origin } }))).toBeNull();
});

test("the server's own origin may, with a list of others and without one", async () => {
  await using parley = await server.startAnother();
  for (const at of [server, parley]) expect(allowedOrigin(await preflight(at, at.url))).toBe(at.url);
  expect(allowedOrigin(await preflight(parley, app))).toBeNull();
  expect(allowedOrigin(await preflight(parley, parley.url.replace("127.0.0.1", "localhost")))).toBeNull();
});

test("a page of an allowed origin may read every answer and every refusal", async () => {
  const token = await server.token(newEmail());
  const room = { name: "x" };
  const answers: [status: number, answer: ApiResponse][] = [];
  const call = async (status: number, request: string, options = {}) => {
    answers.push([status, await callApi(server, request, { token, headers: { origin: app }, ...options })]);
  };
  await call(200, "GET /api/me");
  await call(401, "GET /api/me", { token: "bad" });
  await call(404, "GET /api/rooms/none");
  await call(404, "GET /api/nothing");
  await call(413, "POST /api/rooms", { body: "x".repeat(70_000) });
  await call(201, "POST /api/rooms", { body: room });
  await call(429, "POST /api/rooms", { body: room });
  for (const [status, answer] of answers) {
    expect([answer.status, allowedOrigin(answer)]).toEqual([status, app]);
    expect(answer.headers.get("vary")).toMatch(/origin/i);
    expect(answer.headers.get("access-control-expose-headers")).toContain("retry-after");
  }
});

test("a page of an allowed origin may read that the server is shutting down or has no keys", async () => {
  const iss = "http://127.0.0.1:9";
  await using withoutKeys = await server.startAnother({ env: { ...env, PARLEY_ISSUER: iss } });
  const unverifiable = await server.token(newEmail(), { claims: { iss } });
  const headers = { origin: app };
  const refused = await callApi(withoutKeys, "GET /api/me", { token: unverifiable, headers });
  expect([refused.status, refused.body["code"], allowedOrigin(refused)]).toEqual([
    503,
    "keys_unavailable",
    app,
  ]);

  await using parley = await server.startAnother({ env: { ...env, PARLEY_DRAIN: "1" } });
  const email = newEmail();
  const room = await parley.createRoom([email]);
  const token = await server.token(email);
  // The second connection is closed after half of the drain time.
  await connectClassic(parley.host, room, { token });
  await connectClassic(parley.host, room, { token });
  const stopped = parley.stop();
  expect(allowedOrigin(await preflight(parley, app))).toBe(app);
  const answer = await callApi(parley, "GET /api/me", { token, headers });
  expect([answer.status, answer.body["code"], allowedOrigin(answer)]).toEqual([503, "restarting", app]);
  await stopped;
});
