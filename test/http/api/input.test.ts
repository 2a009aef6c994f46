import { expect, test } from "bun:test";

import { createUser } from "../../support/api-users.ts";
import { expectProblem } from "../../support/api.ts";
import { newRoomId, unlimited, useServer } from "../../support/server.ts";

// What a request's body and path may hold.

const server = useServer({ env: unlimited });

const MAX_BODY_BYTES = 65_536;

/** A body for a new room, of this many bytes. */
const bodyOf = (bytes: number) => '{"name":"x"}'.padEnd(bytes);

test.each([
  ["text that is not JSON", "{"],
  ["an array", "[]"],
  ["null", "null"],
  ["a string", '"x"'],
  ["nothing", ""],
  ["no name", {}],
  ["an empty name", { name: "" }],
  ["a blank name", { name: " \n " }],
  ["a long name", { name: "n".repeat(201) }],
  ["a number for a name", { name: 5 }],
  ["null for a name", { name: null }],
  ["NUL in a name", { name: "a\0b" }],
  ["a lone surrogate in a name", '{"name":"\\ud800"}'],
  ["a number for an id", { name: "x", id: 7 }],
  ["an empty id", { name: "x", id: "" }],
  ["an id with a slash", { name: "x", id: "a/b" }],
  ["an id that begins with a dot", { name: "x", id: "..%2f" }],
  ["an id with letters beyond ASCII", { name: "x", id: "zimmer-ü" }],
  ["a long id", { name: "x", id: "i".repeat(101) }],
  ["deep nesting", "[".repeat(60_000)],
])("a room cannot be created with %s", async (_, body) => {
  const user = await createUser(server);
  expectProblem(await user.call("POST /api/rooms", { body }), 400, "invalid_command");
  expect((await user.call("GET /api/rooms")).body).toEqual({ rooms: [], next: null });
});

test.each([
  ["unknown keys", { name: "x", color: "red", owner: "eve@example.com" }],
  ["__proto__", '{"name":"x","__proto__":{"admin":true}}'],
  ["the longest id", { name: "x", id: "i".repeat(100) }],
  ["the longest name", { name: "n".repeat(200) }],
  ["a name in any script", { name: "Büro 事務所 🏢" }],
  ["a body of 64 KiB", bodyOf(MAX_BODY_BYTES)],
])("a room can be created with %s", async (_, body) => {
  const user = await createUser(server);
  const answer = await user.call("POST /api/rooms", { body });
  expect(answer.status).toBe(201);
  expect(Object.keys(answer.body).toSorted()).toEqual([
    "access",
    "created_at",
    "id",
    "name",
    "posting",
    "rev",
    "role",
    "seq",
    "slow_mode",
  ]);
});

test.each([["admin"], [1], [null], [[]], [""]])("%p is not a role", async (role) => {
  const user = await createUser(server);
  const id = newRoomId();
  await user.call("POST /api/rooms", { body: { id, name: "x" } });
  const put = `PUT /api/rooms/${id}/members/carol@example.com`;
  expectProblem(await user.call(put, { body: { role } }), 400, "invalid_command");
  expect((await user.call(put, { body: { role: "member" } })).status).toBe(201);
});

test.each(["[]", '[{"role":"owner"}]', "null", "1"])(
  "%s is no body, also where every key may be left out",
  async (body) => {
    const user = await createUser(server);
    const id = newRoomId();
    await user.call("POST /api/rooms", { body: { id, name: "x" } });
    expectProblem(
      await user.call(`PUT /api/rooms/${id}/members/carol@example.com`, { body }),
      400,
      "invalid_command",
    );
  },
);

test.each<[name: string, body: () => string | ReadableStream]>([
  ["one byte more than 64 KiB", () => bodyOf(MAX_BODY_BYTES + 1)],
  ["more than 64 KiB in chunks", () => new Blob([bodyOf(MAX_BODY_BYTES + 1)]).stream()],
  ["more than a megabyte", () => bodyOf(1 << 21)],
])("a body of %s is refused with 413", async (_, body) => {
  const { token } = await createUser(server);
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${server.url}/api/rooms`, { method: "POST", headers, body: body() });
  expect(response.status).toBe(413);
});

test.each(["..", ".hidden", "a%2Fb", "%00", "i".repeat(101), "zimmer-%C3%BC"])(
  "%s in a path is not a room id",
  async (id) => {
    const user = await createUser(server);
    const answer = await user.call(`GET /api/rooms/${id}/messages`);
    expect([400, 404]).toContain(answer.status);
    expect(answer.headers.get("content-type")).toStartWith("application/problem+json");
  },
);
