import { expect, test } from "bun:test";

import { createRoomWithRoles, createUser } from "../../support/api-users.ts";
import { expectProblem } from "../../support/api.ts";
import { RawConnection } from "../../support/raw.ts";
import { newRoomId, unlimited, useServer } from "../../support/server.ts";

// What HTTP itself asks of all routes alike.

const server = useServer({ env: unlimited });

test("a response with 201 has the path of what was created, which works", async () => {
  const { room, owner, stranger, member } = await createRoomWithRoles(server);
  await owner.call(`PATCH /api/rooms/${room}`, { body: { access: "open" } });
  const joined = await stranger.call(`POST /api/rooms/${room}/join`);
  const location = joined.headers.get("location") ?? "";
  expect(location).toBe(`/api/rooms/${room}/members/${encodeURIComponent(`sub:user|${stranger.email}`)}`);
  expect((await owner.call(`GET ${location}`)).body).toMatchObject({ email: stranger.email, role: "member" });
  for (const [path, body] of [
    [`PUT /api/rooms/${room}/members/new@example.com`, { email: "new@example.com" }],
    [`PUT /api/rooms/${room}/members/auth0|7`, { id: "auth0|7" }],
    [`PUT /api/rooms/${room}/members/sub:a%20b`, { id: "a b" }],
  ] as const) {
    const created = await owner.call(path, { body: {} });
    expect(created.status).toBe(201);
    expect((await owner.call(`GET ${created.headers.get("location")}`)).body).toMatchObject(body);
    expect((await owner.call(path, { body: {} })).headers.get("location")).toBeNull();
  }
  for (const list of ["mutes", "bans"]) {
    const created = await owner.call(`PUT /api/rooms/${room}/${list}/${member.email}`, { body: {} });
    expect(created.status).toBe(201);
    expect((await owner.call(`DELETE ${created.headers.get("location")}`)).status).toBe(204);
    expect((await owner.call(`GET /api/rooms/${room}/${list}`)).body[list]).toEqual([]);
  }
});

test.each([
  ["/healthz", 200],
  ["/metrics", 200],
  ["/openapi.json", 200],
  ["/docs/start.js", 200],
  ["/docs/nothing", 404],
  ["/api/me", 401],
  ["/nowhere", 404],
])("HEAD %s has the length of its GET (RFC 9110, section 8.6)", async (path, status) => {
  const length = async (method: string) => {
    const raw = await RawConnection.open(server.host);
    raw.write(`${method} ${path} HTTP/1.1\r\nhost: chat.example.com\r\n\r\n`);
    const answer = await raw.answer();
    raw.destroy();
    expect(answer.status).toBe(status);
    return Number(answer.headers.get("content-length"));
  };
  const expected = await length("GET");
  expect(expected).toBeGreaterThan(0);
  expect(await length("HEAD")).toBe(expected);
});

test("a body that is not UTF-8 is refused, and its characters are not replaced", async () => {
  const alice = await createUser(server);
  const room = newRoomId();
  await alice.call("POST /api/rooms", { body: { id: room, name: "x" } });
  const send = (body: Uint8Array) =>
    fetch(`${server.url}/api/rooms/${room}/messages`, {
      method: "POST",
      headers: { authorization: `Bearer ${alice.token}`, "content-type": "application/json" },
      body,
    });
  const response = await send(Buffer.from('{"text":"\xff"}', "latin1"));
  const text = await response.text();
  expectProblem(
    { status: response.status, headers: response.headers, text, body: JSON.parse(text) as never },
    400,
    "invalid_command",
  );
  expect((await send(Buffer.from('\ufeff{"text":"ÿ"}'))).status).toBe(201);
});
