import { expect, test } from "bun:test";

import { createUser } from "../../support/api-users.ts";
import { expectProblem } from "../../support/api.ts";
import { useServer } from "../../support/server.ts";

const server = useServer();

test("me is the user of the token, and says whether they are an administrator", async () => {
  const alice = await createUser(server, { name: "Alice" });
  const me = { id: `user|${alice.email}`, email: alice.email, name: "Alice", admin: false };
  expect((await alice.call("GET /api/me")).body).toEqual(me);
  for (const [scope, admin] of [
    ["chat:admin", true],
    ["chat:administrator xchat:admin", false],
  ] as const) {
    const user = await createUser(server, { name: "Alice", scope }, alice.email);
    expect((await user.call("GET /api/me")).body).toEqual({ ...me, admin });
  }
});

const machine = (sub: string, claims = {}) =>
  createUser(server, { sub, email: undefined, scope: "chat:admin", ...claims });

test("an administrator whose token has no name posts under one that they set", async () => {
  const bot = await machine("bot");
  const id = "lobby-of-bots";
  await bot.call(`PUT /api/rooms/${id}`, { body: { name: "Bots" } });
  const put = await bot.call("PUT /api/me", { body: { name: "  Build\u00a0server " } });
  const me = { id: "bot", email: null, name: "Build\u00a0server", admin: true };
  expect([put.status, put.body]).toEqual([200, me]);
  const { body } = await bot.call(`POST /api/rooms/${id}/messages`, { body: { text: "Green" } });
  const { admin: _, ...sender } = me;
  expect(body["sender"]).toEqual(sender);
  // With another token, and from the database.
  expect((await (await machine("bot")).call("GET /api/me")).body).toEqual(me);
});

test("a name that was set is that of the user's other tokens, too", async () => {
  const [one, two] = [await machine("twin", { jti: "1" }), await machine("twin", { jti: "2" })];
  for (const each of [one, two]) expect((await each.call("GET /api/me")).body["name"]).toBeNull();
  await one.call("PUT /api/me", { body: { name: "Twin" } });
  for (const each of [one, two]) expect((await each.call("GET /api/me")).body["name"]).toBe("Twin");
});

test("a name in the token goes before one that was set", async () => {
  await (await machine("robot")).call("PUT /api/me", { body: { name: "Set" } });
  const named = await machine("robot", { name: "Token" });
  expect((await named.call("GET /api/me")).body["name"]).toBe("Token");
  expectProblem(await named.call("PUT /api/me", { body: { name: "Other" } }), 409, "conflict");
});

test("users cannot set their names, and a name must be visible text", async () => {
  const user = await createUser(server, { name: undefined });
  expectProblem(await user.call("PUT /api/me", { body: { name: "Other" } }), 403, "forbidden");
  const bot = await machine("nameless");
  for (const name of ["", "  ", "\u200b", "a\nb", "x".repeat(256), 7, undefined])
    expectProblem(await bot.call("PUT /api/me", { body: { name } }), 400, "invalid_command");
  expect((await bot.call("GET /api/me")).body["name"]).toBeNull();
});
