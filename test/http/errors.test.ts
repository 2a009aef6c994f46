import { beforeAll, expect, test } from "bun:test";

import { callApi, expectProblem } from "../support/api.ts";
import { RawConnection } from "../support/raw.ts";
import { useServer } from "../support/server.ts";

const server = useServer();
let token: string;
beforeAll(async () => {
  token = await server.token("alice@example.com");
});

test.each([
  ["GET /assets/nothing.js", 404, "invalid_command"],
  ["GET /nothing", 404, "invalid_command"],
  ["POST /metrics", 405, "invalid_command"],
  ["GET /api/nothing", 404, "invalid_command"],
  ["PATCH /api/rooms", 405, "invalid_command"],
  ["GET /dev/jwks.json", 404, "invalid_command"],
  ["GET /ws/chat/room", 426, "invalid_command"],
  ["GET /ws/chat/room/", 426, "invalid_command"],
  ["GET /api/rooms/no-such-room", 404, "room_not_found"],
])("%s is answered with %d %s", async (request, status, code) => {
  expectProblem(await callApi(server, request, { token }), status, code);
});

test.each([
  ["PATCH /api/rooms", "GET, HEAD, POST"],
  ["POST /api/rooms/lobby", "DELETE, GET, HEAD, PATCH, PUT"],
  ["PUT /api/rooms/lobby/messages/1", "DELETE, GET, HEAD, PATCH"],
  ["GET /api/rooms/lobby/messages/1/reactions/x", "DELETE, PUT"],
  ["POST /metrics", "GET, HEAD"],
])("%s is answered with the methods that the route has: %s", async (request, methods) => {
  const answer = await callApi(server, request, { token });
  expectProblem(answer, 405, "invalid_command");
  expect(answer.headers.get("allow")).toBe(methods);
});

test("a path that is not valid percent-encoding is refused", async () => {
  for (const path of ["members/%FF", "messages/1/reactions/%F0%9F", "messages/1/reactions/%"])
    expectProblem(await callApi(server, `PUT /api/rooms/lobby/${path}`, { token }), 400, "invalid_command");
});

test("OPTIONS needs no token, and names the methods of the route", async () => {
  for (const [path, methods] of [
    ["/api/rooms", "GET, HEAD, POST"],
    ["/api/rooms/lobby/messages/1", "DELETE, GET, HEAD, PATCH"],
    ["/api/nothing", null],
  ] as const) {
    const { status, headers } = await callApi(server, `OPTIONS ${path}`);
    expect([path, status, headers.get("allow")]).toEqual([path, 204, methods]);
  }
});

test.each([
  "text/plain",
  "text/plain;charset=UTF-8",
  "application/x-www-form-urlencoded",
  "application/jsonp",
  "json",
])("a body of the type %s is refused with 415", async (type) => {
  const request = { token, body: { name: "x" }, headers: { "content-type": type } };
  expectProblem(await callApi(server, "POST /api/rooms", request), 415, "invalid_command");
});

test.each(["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"])(
  "a body of the type %s is read as JSON",
  async (type) => {
    const request = { token, body: { name: "x" }, headers: { "content-type": type } };
    expect((await callApi(server, "POST /api/rooms", request)).status).toBe(201);
  },
);

test.each(["GET /api/me", "GET /api/rooms", "POST /api/rooms", "POST /api/session", "GET /api/nothing"])(
  "%s needs a token",
  async (request) => {
    const answer = await callApi(server, request);
    expectProblem(answer, 401, "unauthorized");
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
  },
);

test("without the issuer's keys a token is refused with 503", async () => {
  const issuer = "http://127.0.0.1:9";
  await using parley = await server.startAnother({ env: { PARLEY_ISSUER: issuer } });
  const unverifiable = await server.token("alice@example.com", { claims: { iss: issuer } });
  const answer = await callApi(parley, "GET /api/me", { token: unverifiable });
  expectProblem(answer, 503, "keys_unavailable");
  expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
});

test.each([
  ["GET // HTTP/1.0", 404],
  ["GET //[/healthz HTTP/1.0", 404],
  ["DELETE /api/session HTTP/1.1\r\nHost: a:99999", 204],
  ["DELETE /api/session HTTP/1.1\r\nHost: [::", 204],
])("a request whose URL cannot be parsed is an ordinary one: %j", async (head, status) => {
  const raw = await RawConnection.open(server.host);
  raw.write(`${head}\r\n\r\n`);
  expect((await raw.answer()).status).toBe(status);
  raw.destroy();
  expect(server.logs.filter(({ level }) => Number(level) >= 50)).toEqual([]);
});
