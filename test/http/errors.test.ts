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
  ["GET /", 404, "invalid_command"],
  ["GET /nothing", 404, "invalid_command"],
  ["POST /metrics", 404, "invalid_command"],
  ["GET /api/nothing", 404, "invalid_command"],
  ["PATCH /api/rooms", 404, "invalid_command"],
  ["GET /dev/jwks.json", 404, "invalid_command"],
  ["GET /ws/chat/room", 426, "invalid_command"],
  ["GET /ws/chat/room/", 426, "invalid_command"],
  ["GET /api/rooms/no-such-room", 404, "room_not_found"],
])("%s is answered with %d %s", async (request, status, code) => {
  expectProblem(await callApi(server, request, { token }), status, code);
});

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
